/// Speech, thoughts, and asides: sentences that tell again what was told before.
extension Teller {
    /// A thing that is elsewhere, and what to say of it.
    struct Memory {
        let thing: Int
        let text: String
        let holder: Int?
    }

    private enum Saying { case remark(String), plan(Int) }

    /// " asked Ben, "" ... the question, and the other's answer.
    mutating func ask(_ person: Int, _ other: Int) throws(C.Failure) {
        let (answer, place, thing) = try choose(questions(of: person, to: other))
        if let thing, world.knows(other, thing) { world.things[thing].known |= 1 << UInt8(person) }
        try write(" \"" + answer + ",\" ")
        var endings = [
            Alternative("said " + name(other) + ".", 3, false), Alternative("answered " + name(other) + ".", 1, false),
        ]
        if world.people[person].female != world.people[other].female {
            endings.append(Alternative(world.people[other].she + " said.", 2, true))
        }
        _ = try choose(endings)
        if let place, place != world.people[person].place { world.people[person].intent = place }
        world.topic = thing
        mentioned(other, others: [person])
    }

    /// What can be asked: the question, its answer, where the answer may send the asker, and the thing it is about.
    private func questions(of person: Int, to other: Int) -> [Alternative<(String, Int?, Int?)>] {
        var result: [Alternative<(String, Int?, Int?)>] = []
        func add(_ question: String, _ weight: Int, _ answer: String, place: Int? = nil, thing: Int? = nil) {
            result.append(Alternative(question + "?\"", weight, (answer, place, thing)))
        }
        for third in world.people.indices where third != person && third != other {
            let place = world.people[third].place
            guard place != world.people[person].place else { continue }
            let answer = world.people[third].capitalShe + " is " + Lexicon.places[place].at
            add("Where is " + name(third), 4, answer, place: place)
        }
        for (index, thing) in world.things.enumerated() where thing.location != .held(by: person) {
            var place: Int?
            var whose = "I do not know", whereabouts = "I do not know"
            if world.knows(other, index) {
                switch thing.location {
                case .held(other): (whose, whereabouts) = ("I have it", "I have it")
                case .held(let holder):
                    (whose, whereabouts) = (name(holder) + " has it", name(holder) + " has it")
                    place = world.people[holder].place
                case .lying(let there, let spot):
                    (whose, whereabouts) = ("Nobody has it", "It is " + world.spotText(place: there, spot: spot))
                    place = there
                }
            }
            let lying = place != nil && whose == "Nobody has it"
            // Nobody often asks what they know.
            let weight = world.knows(person, index) ? 1 : 4
            for mention in [thing.full, thing.short] {
                add("Where is " + mention, lying ? 2 * weight : weight, whereabouts, place: place, thing: index)
                add("Who has " + mention, lying ? 1 : weight, whose, place: lying ? nil : place, thing: index)
            }
            guard thing.location == .held(by: other) else { continue }
            switch thing.origin {
            case .found(other, let there):
                add("Where did you find " + thing.short, 8, "I found it " + Lexicon.places[there].at, thing: index)
            case .given(let giver, other):
                add("Who gave you " + thing.short, 8, giver == person ? "You did" : name(giver) + " did", thing: index)
            default: break
            }
        }
        let goods = world.people[other].goods
        for kind in goods.indices where goods[kind] > 0 || world.people[person].goods[kind] > 0 {
            let count = goods[kind] == 0 ? "none" : goods[kind] == 1 ? "only one" : Lexicon.numbers[goods[kind]]
            add("How many " + Lexicon.goods[kind].many + " do you have", 5, "I have " + count)
        }
        add("What do you have", 3, "I have " + world.belongings(of: other))
        if let home = world.people[other].home {
            add("Where do you live", 3, "I live near the " + Lexicon.places[home].name)
        }
        return result
    }

    /// " said, "" ...
    mutating func say(_ person: Int) throws(C.Failure) {
        var sayings: [Alternative<Saying>] = [
            "What a lovely day!", "I am a little tired.", "I like this place.",
            "I am so happy.", "I had a strange dream.", "I am hungry.",
            "I love to sing.", "It is getting late.", "Listen!",
            "It is so " + Lexicon.weather[world.weather] + " today.",
        ].filter { !remarks.contains($0) }.map { Alternative($0 + "\"", 2, .remark($0)) }
        let here = world.people[person].place
        for place in Lexicon.places.indices where place != here {
            sayings.append(Alternative("I am going to the " + Lexicon.places[place].name + ".\"", 1, .plan(place)))
        }
        switch try choose(sayings) {
        case .plan(let place): world.people[person].intent = place
        case .remark(let remark): remarks.insert(remark)
        }
        world.topic = nil
        mentioned(person)
    }

    /// What a person can remember: things that are elsewhere, and where.
    func memories(of person: Int, unlike other: Int? = nil) -> [Memory] {
        world.things.indices.compactMap { thing in
            guard world.knows(person, thing) else { return nil }
            if let other, world.knows(other, thing) || world.things[thing].location == .held(by: other) { return nil }
            switch world.things[thing].location {
            case .held(person): return nil
            case .held(let holder): return Memory(thing: thing, text: name(holder) + " had ", holder: holder)
            case .lying(let place, let spot):
                return Memory(thing: thing, text: " was " + world.spotText(place: place, spot: spot), holder: nil)
            }
        }
    }

    /// " remembered that the red kite was under the bench in the garden."
    mutating func remember(_ person: Int) throws(C.Failure) {
        let memory = try recall(memories(of: person))
        fetch(memory, person)
        mentioned(person, others: memory.holder.map { [$0] } ?? [])
    }

    /// " told Ben that Mia had the red kite."
    mutating func inform(_ person: Int, _ other: Int) throws(C.Failure) {
        let memory = try recall(memories(of: person, unlike: other))
        world.things[memory.thing].known |= 1 << UInt8(other)
        fetch(memory, other)
        mentioned(person, others: [other] + (memory.holder.map { [$0] } ?? []))
    }

    private mutating func recall(_ memories: [Memory]) throws(C.Failure) -> Memory {
        try choose(
            memories.flatMap { memory -> [Alternative<Memory>] in
                if memory.holder == nil { return mentions(memory.thing, suffix: memory.text + ".", it: false, memory) }
                return [Alternative(memory.text + world.things[memory.thing].full + ".", 6, memory)]
            })
    }

    /// Whoever learns where a thing lies may go there.
    private mutating func fetch(_ memory: Memory, _ person: Int) {
        world.topic = memory.thing
        guard case .lying(let place, _) = world.things[memory.thing].location else { return }
        if place != world.people[person].place { world.people[person].intent = place }
    }

    /// " thought of Mia, who was in the barn."
    mutating func think(_ person: Int) throws(C.Failure) {
        let elsewhere = world.people.indices.filter { world.people[$0].place != world.people[person].place }
        let other = try choose(
            elsewhere.map {
                Alternative(name($0) + ", who was " + Lexicon.places[world.people[$0].place].at + ".", 1, $0)
            })
        world.topic = nil
        mentioned(person, others: [other])
    }

    // MARK: Asides

    /// " (" ... "Ben was in the garden (and he had the red kite (and he was a quiet boy)).)"
    mutating func aside() throws(C.Failure) {
        // A person's facts: place, belongings, home, trait. Each can be told once in one aside.
        var told: Set<Int> = []
        var alternatives: [Alternative<(Int, Int)>] = []
        for person in world.people.indices {
            for (fact, text) in facts(about: person) {
                alternatives.append(Alternative(name(person) + text, fact < 2 ? 3 : 1, (person, fact)))
            }
        }
        let (person, first) = try choose(alternatives)
        told.insert(first)
        var depth = 1
        while true {
            let rest = facts(about: person).filter { !told.contains($0.0) }
            let close = Alternative(String(repeating: ")", count: depth - 1) + ".)", 3, -1)
            if depth == 3 || rest.isEmpty {
                try write(close.text)
                break
            }
            let she = world.people[person].she
            let fact = try choose(
                [close]
                    + rest.flatMap { fact, text in
                        [Alternative(" (and " + she + text, 1, fact), Alternative(" (as you know, " + she + text, 1, fact)]
                    })
            if fact < 0 { break }
            told.insert(fact)
            depth += 1
        }
        (world.focus, world.topic, lastWalker) = (nil, nil, nil)
    }

    private func facts(about person: Int) -> [(Int, String)] {
        let state = world.people[person]
        var result = [
            (0, " was " + Lexicon.places[state.place].at), (1, " had " + world.belongings(of: person)),
        ]
        if let home = state.home { result.append((2, " lived near the " + Lexicon.places[home].name)) }
        if let trait = state.trait { result.append((3, " was " + Lexicon.indefiniteTraits[trait] + " " + state.girl)) }
        return result
    }
}
