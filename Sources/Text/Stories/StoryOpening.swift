/// The start of a story: title, setting, people and what they have, and what the first of them wants.
extension Teller {
    private enum Wish { case give, have, find, hide }
    private enum Property { case none, thing, goods }
    private enum Pattern { case morning, oneMorning, once }
    private enum Title { case thing, people, place, goods }

    mutating func open() throws(C.Failure) {
        var firstName: Int?, secondName: Int?, place: Int?
        var focal: World.Thing?, goods: (kind: Int, count: Int)?
        // The marks of the four kinds: "The ", a name, "A Day ", a number.
        try write(Self.mark)
        var titles: [Alternative<(Title, Int)>] = [
            Alternative("The ", 72, (.thing, 0)),
            Alternative("A Day ", 48, (.place, 0)),
        ]
        titles += Lexicon.names.indices.map { Alternative(Lexicon.names[$0].text + " and ", 3, (.people, $0)) }
        titles += (3...9).map { Alternative(Lexicon.capitalized(Lexicon.numbers[$0]) + " ", 6, (.goods, $0)) }
        let title = try choose(titles)
        switch title.0 {
        case .thing:
            let adjective = try pick(Lexicon.adjectiveTitles.map { $0 + " " })
            let noun = try pick(Lexicon.nounTitles)
            focal = World.Thing(noun: noun, adjective: adjective, location: .held(by: 0))
        case .people:
            firstName = title.1
            usedNames.insert(title.1)
            secondName = try newName(female: nil, suffix: "")
        case .place:
            place = try pick(Lexicon.places.map(\.title))
        case .goods:
            goods = (try pick(Lexicon.goods.map(\.title)), title.1)
        }
        try write("\n")
        let main = try introduceMain(name: firstName, place: place)
        try furnish(main, focal: focal, goods: goods)
        try introduceSecond(name: secondName)
        var more = true
        while more, world.people.count < 4 { more = try introduceAnother() }
        if more { try write(wishLead) }
        try wish(aboutFirstThing: focal != nil, collecting: goods)
    }

    // MARK: The first person

    private mutating func introduceMain(name: Int?, place: Int?) throws(C.Failure) -> Int {
        let pattern: Pattern = try choose([
            Alternative("It was a ", 1, .morning), Alternative("One ", 1, .oneMorning),
            Alternative("There once was ", 1, .once),
        ])
        switch pattern {
        case .morning:
            // "It was a cold morning in spring. Anna, a quiet girl, was in the barn."
            world.weather = try pick(Lexicon.weather.map { $0 + " morning in " })
            try pick(["spring. ", "summer. ", "autumn. ", "winter. "])
            let main = try named(name, suffix: ", ")
            try trait(of: main, suffix: ", was ")
            try stand(main, at: place)
            try write(". " + world.people[main].capitalShe)
            try home(of: main, lead: " lived near the ")
            return main
        case .oneMorning:
            // "One cold morning, Anna was in the barn. She was a quiet girl and lived near the river."
            world.weather = try pick(Lexicon.weather.map { $0 + " morning, " })
            let main = try named(name, suffix: " was ")
            try stand(main, at: place)
            try write(". " + world.people[main].capitalShe + " was ")
            try trait(of: main, suffix: " who")
            try home(of: main, lead: " lived near the ")
            return main
        case .once:
            // "There once was a quiet girl named Anna. She lived near the river. One cold morning, she was ..."
            let traitIndex: Int, female: Bool
            if let name {
                female = Lexicon.names[name].female
                traitIndex = try pick(Lexicon.indefiniteTraits)
                try write(female ? " girl named " : " boy named ")
            } else {
                traitIndex = try pick(Lexicon.indefiniteTraits.map { $0 + " " })
                female = try either(("girl named ", 1), ("boy named ", 1))
            }
            let main = enter(try nameOrGiven(name, female: female))
            world.people[main].trait = traitIndex
            try write(". " + world.people[main].capitalShe)
            try home(of: main, lead: " lived near the ")
            try write(" One ")
            world.weather = try pick(Lexicon.weather.map { $0 + " morning, " })
            try write(world.people[main].she + " was ")
            try stand(main, at: place)
            try write(".")
            return main
        }
    }

    private mutating func nameOrGiven(_ name: Int?, female: Bool?) throws(C.Failure) -> Int {
        guard let name else { return try newName(female: female, suffix: "") }
        try write(Lexicon.names[name].text)
        return name
    }

    private mutating func named(_ name: Int?, suffix: String) throws(C.Failure) -> Int {
        guard let name else { return enter(try newName(female: nil, suffix: suffix)) }
        try write(Lexicon.names[name].text + suffix)
        return enter(name)
    }

    private mutating func trait(of person: Int, suffix: String) throws(C.Failure) {
        let tail = " " + world.people[person].girl + suffix
        world.people[person].trait = try pick(Lexicon.indefiniteTraits.map { $0 + tail })
    }

    /// "in the barn"
    private mutating func stand(_ person: Int, at place: Int?) throws(C.Failure) {
        if let place {
            world.people[person].place = place
            try write(Lexicon.places[place].at)
        } else {
            world.people[person].place = try pick(Lexicon.places.map(\.at))
        }
    }

    private mutating func home(of person: Int, lead: String) throws(C.Failure) {
        try write(lead)
        world.people[person].home = try choose(
            Lexicon.places.indices.compactMap {
                Lexicon.places[$0].homely ? Alternative(Lexicon.places[$0].name + ".", 1, $0) : nil
            })
    }

    /// " She had a red kite and seven plums."
    private mutating func furnish(
        _ main: Int, focal: World.Thing?, goods: (kind: Int, count: Int)?
    ) throws(C.Failure) {
        try write(" " + world.people[main].capitalShe + " had ")
        if let focal {
            _ = add(focal)
            try write(Lexicon.indefiniteAdjectives[focal.adjective] + " " + Lexicon.nouns[focal.noun])
        } else if let goods {
            world.people[main].goods[goods.kind] = goods.count
            try write(Lexicon.amount(goods.count, goods.kind))
        } else {
            _ = try newThing(at: .held(by: main))
        }
        if try either((" and ", 1), (".", 1)) {
            _ = try newThing(at: .held(by: main))
            try write(".")
        }
        mentioned(main)
    }

    // MARK: The others

    private enum Relation: CaseIterable { case brother, sister, cousin, friend, neighbor }

    private mutating func introduceSecond(name: Int?) throws(C.Failure) {
        try write(" " + world.people[0].capitalHer + " ")
        try introduce(name: name)
    }

    /// False if nobody else comes; what person 0 wants is then begun.
    private mutating func introduceAnother() throws(C.Failure) -> Bool {
        let (more, enough) = world.people.count == 2 ? (2, 2) : (1, 5)
        guard try either((" " + world.people[0].capitalHer + " ", more), (wishLead, enough)) else { return false }
        try introduce(name: nil)
        return true
    }

    /// "brother Ben was at the market and had a blue drum."
    private mutating func introduce(name: Int?) throws(C.Failure) {
        let female = name.map { Lexicon.names[$0].female }
        let relation: Relation = try choose([
            Alternative("brother ", female == true ? 0 : 2, .brother),
            Alternative("sister ", female == false ? 0 : 2, .sister),
            Alternative("cousin ", 1, .cousin), Alternative("friend ", 3, .friend),
            Alternative("neighbor ", 1, .neighbor),
        ])
        let required: Bool? = relation == .brother ? false : relation == .sister ? true : nil
        let person = enter(try nameOrGiven(name, female: required))
        if try either((", ", 1), (" was ", 2)) { try trait(of: person, suffix: ", was ") }
        let taken = world.people.dropLast().map(\.place)
        world.people[person].place = try choose(
            Lexicon.places.indices.map {
                Alternative(Lexicon.places[$0].at + (taken.contains($0) ? " too" : ""), taken.contains($0) ? 5 : 1, $0)
            })
        let property: Property = try choose([
            Alternative(".", 4, .none), Alternative(" and had ", 4, .thing), Alternative(" with ", 1, .goods),
        ])
        switch property {
        case .none: break
        case .thing:
            _ = try newThing(at: .held(by: person))
            try write(".")
        case .goods:
            let count = try choose((2...6).map { Alternative(Lexicon.numbers[$0] + " ", 1, $0) })
            let kind = try pick(Lexicon.goods.map { $0.many + "." })
            world.people[person].goods[kind] = count
        }
        world.focus = nil
    }

    // MARK: The wish

    private var wishLead: String { " " + name(0) + " wanted to " }

    /// "give the red kite to Ben."
    private mutating func wish(aboutFirstThing: Bool, collecting: (kind: Int, count: Int)?) throws(C.Failure) {
        let away = world.people.indices.filter { world.people[$0].place != world.people[0].place }
        let things = world.held(by: 0)
        let wish: Wish = try choose([
            Alternative("give ", things.isEmpty ? 0 : aboutFirstThing ? 6 : 3, .give),
            Alternative("have ", collecting == nil ? 2 : 6, .have),
            Alternative("find ", away.isEmpty ? 0 : 2, .find),
            Alternative("hide ", things.isEmpty ? 0 : aboutFirstThing ? 3 : 1, .hide),
        ])
        switch wish {
        case .give:
            let thing = try choose(things.flatMap { mentions($0, suffix: " to ", it: false, $0) })
            let to = try choose(world.people.indices.dropFirst().map { Alternative(name($0) + ".", 1, $0) })
            world.goal = .give(thing: thing, to: to)
            mentioned(0, others: [to])
        case .have:
            let kinds = collecting.map { [$0.kind] } ?? Array(Lexicon.goods.indices)
            let least = (collecting?.count ?? 0) + 2
            let count = try choose((least...(least + 5)).map { Alternative(Lexicon.numbers[$0] + " ", 1, $0) })
            let kind = try choose(kinds.map { Alternative(Lexicon.goods[$0].many + ".", 1, $0) })
            world.goal = .collect(kind: kind, count: count)
            mentioned(0)
        case .find:
            let other = try choose(away.map { Alternative(name($0) + ".", 1, $0) })
            world.goal = .meet(other)
            mentioned(0, others: [other])
        case .hide:
            let thing = try choose(things.flatMap { mentions($0, suffix: ".", it: false, $0) })
            world.goal = .hide(thing)
            mentioned(0)
        }
    }
}
