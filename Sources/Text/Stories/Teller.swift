/// Tells one story through a chooser: the whole grammar is this type and its extensions.
///
/// The grammar goes strictly from left to right: a decision writes its text when it is made, and nothing is decided
/// that shows only later. See `Chooser` for why.
package struct Teller<C: Chooser> {
    /// How every story starts; nowhere else does this character stand.
    static var mark: String { "# " }
    /// What stands after every story and nowhere within one.
    static var separator: String { "\n\n" }

    package var chooser: C
    var world = World()
    /// Whole sentences that can follow right on the last one, and only there: thanks, results, cries.
    var followUps: [Alternative<Step>] = []
    var usedNames: Set<Int> = []
    var usedNouns: Set<Int> = []
    /// What can still happen around the people.
    var scenes = [
        "A bird sang in a tree.", "A dog barked far away.", "A cart rolled by.", "The wind grew stronger.",
        "The sun came out.", "It began to rain.",
    ]
    /// What was said for conversation's sake, and done for no end; nothing of it comes twice.
    var remarks: Set<String> = []
    /// Whether somebody has already opened a box in this story.
    var nestTold = false
    /// Sentences since the last new line.
    var sentences = 0
    /// Who walked in the last sentence, and so had better do something else.
    var lastWalker: Int?

    /// What a sentence of the middle part is.
    enum Step {
        case act(Int)
        case scene(Int)
        case aside
        case followUp
        case noon(Int)
        case end
    }

    package init(chooser: C) { self.chooser = chooser }

    /// Tells the story from the title to the separator.
    package mutating func tell() throws(C.Failure) {
        try open()
        while try step() {}
        try close()
        try write(Self.separator)
    }

    // MARK: Shorthand

    mutating func write(_ text: String) throws(C.Failure) { try chooser.write(text) }

    mutating func choose<Value>(_ alternatives: [Alternative<Value>]) throws(C.Failure) -> Value {
        try chooser.choose(alternatives)
    }

    /// One of `texts`, all as likely; the index.
    @discardableResult
    mutating func pick(_ texts: [String]) throws(C.Failure) -> Int {
        try choose(texts.indices.map { Alternative(texts[$0], 1, $0) })
    }

    /// True with odds `yes.1 : no.1`, and the text that says which.
    mutating func either(_ yes: (String, Int), _ no: (String, Int)) throws(C.Failure) -> Bool {
        try choose([Alternative(yes.0, yes.1, true), Alternative(no.0, no.1, false)])
    }

    // MARK: Parts of sentences

    func name(_ person: Int) -> String { world.people[person].name }

    /// After a sentence about `subject` that also named `others`: a pronoun must not be open to two readings.
    mutating func mentioned(_ subject: Int, others: [Int] = []) {
        let gender = world.people[subject].female
        world.focus = others.contains { $0 != subject && world.people[$0].female == gender } ? nil : subject
    }

    /// A name that the story does not have yet, of a `female` (or male) person if that is fixed.
    mutating func newName(female: Bool?, suffix: String) throws(C.Failure) -> Int {
        let index = try choose(
            Lexicon.names.indices.compactMap { index -> Alternative<Int>? in
                let name = Lexicon.names[index]
                guard !usedNames.contains(index), female == nil || name.female == female else { return nil }
                return Alternative(name.text + suffix, 1, index)
            })
        usedNames.insert(index)
        return index
    }

    /// Puts a named person into the story.
    mutating func enter(_ name: Int) -> Int {
        world.people.append(World.Person(name: Lexicon.names[name].text, female: Lexicon.names[name].female))
        return world.people.count - 1
    }

    /// "a red kite": a thing that the story does not have yet.
    mutating func newThing(at location: World.Location, small: Bool = false) throws(C.Failure) -> Int {
        let adjective = try pick(Lexicon.indefiniteAdjectives.map { $0 + " " })
        let candidates = (small ? Lexicon.firstSmallNoun : 0)..<Lexicon.nouns.count
        let unused = candidates.filter { !usedNouns.contains($0) }
        let noun = try choose(unused.map { Alternative(Lexicon.nouns[$0], 1, $0) })
        return add(World.Thing(noun: noun, adjective: adjective, location: location))
    }

    mutating func add(_ thing: World.Thing) -> Int {
        usedNouns.insert(thing.noun)
        world.things.append(thing)
        return world.things.count - 1
    }

    /// The ways to name a thing, followed by `suffix`; `weight` is that of all of them together, about.
    func mentions<Value>(
        _ thing: Int, suffix: String = "", weight: Int = 3, it: Bool = true, _ value: Value
    ) -> [Alternative<Value>] {
        var result = [
            Alternative(world.things[thing].full + suffix, 2 * weight, value),
            Alternative(world.things[thing].short + suffix, weight, value),
        ]
        if it, world.topic == thing { result.append(Alternative("it" + suffix, 3 * weight, value)) }
        return result
    }

    /// One of the other places, as "garden", followed by `suffix`. Where `person` has reason to go is likelier.
    mutating func destination(for person: Int, suffix: String = "") throws(C.Failure) -> Int {
        let here = world.people[person].place
        return try choose(
            Lexicon.places.indices.filter { $0 != here }.map { place in
                Alternative(Lexicon.places[place].name + suffix, attraction(of: place, for: person), place)
            })
    }

    /// How strongly a place draws a person: their intent, their goal, company, and things they know to lie there.
    func attraction(of place: Int, for person: Int) -> Int {
        var weight = 1
        if world.people[person].intent == place { weight += 60 }
        for other in world.people.indices where other != person && world.people[other].place == place { weight += 6 }
        for thing in world.things.indices {
            if case .lying(place, _) = world.things[thing].location, world.knows(person, thing) { weight += 3 }
        }
        if person == 0, !world.goalReached {
            switch world.goal {
            case .give(let thing, let to):
                let holding = world.things[thing].location == .held(by: 0)
                if holding, world.people[to].place == place { weight += 20 }
            case .collect(let kind, _):
                if Lexicon.places[place].goods.contains(kind) { weight += 20 }
            case .meet, .hide: break
            }
        }
        return weight
    }
}
