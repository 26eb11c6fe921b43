/// Sentences about people walking and things changing hands.
extension Teller {
    private enum Gift { case thing(Int), goods(Int, Int) }
    private enum First { case person(Int), thing(Int) }

    /// " walked to the " ...
    mutating func walk(_ person: Int) throws(C.Failure) {
        let place = try destination(for: person)
        world.people[person].place = place
        if world.people[person].intent == place { world.people[person].intent = nil }
        let here = world.others(with: person)
        world.topic = nil
        // What the person does there, or goes there for, as far as that is known already.
        var tails: [Alternative<[Int]>] = [Alternative(".", 4, [])]
        if !here.isEmpty {
            tails.append(Alternative(" and met " + world.names(here) + ".", 4, here))
            tails.append(Alternative(" to talk to " + world.names(here) + ".", 2, here))
        }
        for thing in world.things.indices where world.knows(person, thing) {
            guard case .lying(place, _) = world.things[thing].location else { continue }
            tails.append(Alternative(" to look for " + world.things[thing].full + ".", 3, []))
        }
        mentioned(person, others: try choose(tails))
    }

    /// " and Ben went to the " ...
    mutating func walk(_ person: Int, with other: Int) throws(C.Failure) {
        let place = try destination(for: person, suffix: " together.")
        for walker in [person, other] {
            world.people[walker].place = place
            if world.people[walker].intent == place { world.people[walker].intent = nil }
        }
        world.topic = nil
        mentioned(person, others: [other])
    }

    /// " gave " ...
    mutating func give(_ person: Int) throws(C.Failure) {
        let here = world.others(with: person)
        let held = world.held(by: person)
        var thingWanted: Int?, personWanted: Int?
        if person == 0, !world.goalReached, case .give(let thing, let to) = world.goal, held.contains(thing) {
            thingWanted = thing
            if here.contains(to) { personWanted = to }
        }
        // Someone who has all the goods they can have can still be given things.
        var first: [Alternative<First>] = here.map { to in
            let possible = !held.isEmpty || canGiveGoods(person, to)
            return Alternative(name(to) + " ", !possible ? 0 : to == personWanted ? 90 : 9, .person(to))
        }
        for thing in held {
            first += mentions(thing, suffix: " to ", weight: thing == thingWanted ? 10 : 1, .thing(thing))
        }
        switch try choose(first) {
        case .thing(let thing):
            let to = try choose(here.map { Alternative(name($0) + ".", $0 == personWanted ? 20 : 1, $0) })
            hand(thing, from: person, to: to)
        case .person(let to):
            var gifts: [Alternative<Gift>] = []
            for thing in held {
                let weight = thing == thingWanted && to == personWanted ? 40 : 3
                gifts += mentions(thing, suffix: ".", weight: weight, it: false, .thing(thing))
            }
            for (kind, has) in world.people[person].goods.enumerated() where has > 0 {
                for count in 1...min(has, 4) where world.people[to].goods[kind] + count <= Lexicon.most {
                    gifts.append(Alternative(Lexicon.amount(count, kind) + ".", 2, .goods(kind, count)))
                }
            }
            switch try choose(gifts) {
            case .thing(let thing): hand(thing, from: person, to: to)
            case .goods(let kind, let count):
                world.people[person].goods[kind] -= count
                world.people[to].goods[kind] += count
                world.topic = nil
                mentioned(person, others: [to])
                followUps = [Alternative(" Now " + name(to) + tally(kind, of: to), 20, .followUp)] + thanks(to, person)
            }
        }
    }

    func canGiveGoods(_ person: Int, _ to: Int) -> Bool {
        Lexicon.goods.indices.contains {
            world.people[person].goods[$0] > 0 && world.people[to].goods[$0] < Lexicon.most
        }
    }

    private mutating func hand(_ thing: Int, from person: Int, to: Int) {
        world.move(thing, to: .held(by: to), seenWith: person)
        world.noteGiven(thing, by: person, to: to)
        world.topic = thing
        mentioned(person, others: [to])
        followUps = thanks(to, person)
    }

    private func thanks(_ person: Int, _ giver: Int) -> [Alternative<Step>] {
        [
            Alternative(" \"Thank you, " + name(giver) + ",\" said " + name(person) + ".", 20, .followUp),
            Alternative(" \"You are so kind!\" said " + name(person) + ".", 8, .followUp),
            Alternative(" This made " + name(person) + " very happy.", 8, .followUp),
        ]
    }

    /// " had three plums."
    func tally(_ kind: Int, of person: Int) -> String {
        " had " + Lexicon.amount(world.people[person].goods[kind], kind) + "."
    }

    /// " found " ...
    mutating func find(_ person: Int) throws(C.Failure) {
        let thing = try newThing(at: .held(by: person))
        let place = world.people[person].place
        try pick(Lexicon.places[place].spots.map { " " + $0 + "." })
        own(thing, found: person)
        let noun = Lexicon.nouns[world.things[thing].noun], said = "\" said " + name(person) + "."
        followUps = [
            Alternative(" \"Look what I found!" + said, 10, .followUp),
            Alternative(" \"Whose " + noun + " is this?" + said, 8, .followUp),
        ]
    }

    private mutating func own(_ thing: Int, found person: Int) {
        world.move(thing, to: .held(by: person), seenWith: person)
        world.noteFound(thing, by: person)
        world.topic = thing
        mentioned(person)
    }

    /// " hid " ... or " left " ...
    mutating func put(_ person: Int, hiding: Bool) throws(C.Failure) {
        let held = world.held(by: person), here = world.others(with: person)
        var wanted: Int?
        if hiding, person == 0, !world.goalReached, case .hide(let thing) = world.goal { wanted = thing }
        let thing = try choose(held.flatMap { mentions($0, suffix: " ", weight: $0 == wanted ? 20 : 1, $0) })
        let place = world.people[person].place
        let spot = try pick(Lexicon.places[place].spots)
        world.move(thing, to: .lying(place: place, spot: spot), seenWith: person)
        world.things[thing].keeper = person
        world.topic = thing
        if !hiding {
            try write(".")
            mentioned(person)
            return
        }
        world.hidden = thing
        let watching = (here.count > 1 ? " were" : " was") + " watching."
        let manner = here.isEmpty ? " when nobody was looking." : " while " + world.names(here) + watching
        let told = try either((manner, 1), (".", 1))
        mentioned(person, others: told ? here : [])
    }

    /// " looked under the bench and found the red kite."
    mutating func look(_ person: Int) throws(C.Failure) {
        let place = world.people[person].place
        let contents = [0, 1].map { spot in
            world.things.indices.filter { world.things[$0].location == .lying(place: place, spot: spot) }
        }
        let spot = try choose(
            [0, 1].map { spot in
                let certain = contents[spot].contains { world.knows(person, $0) && world.things[$0].keeper != person }
                return Alternative(Lexicon.places[place].spots[spot], certain ? 9 : contents[spot].isEmpty ? 1 : 3, spot)
            })
        let found = contents[spot]
        guard !found.isEmpty else {
            try write(", but there was nothing.")
            world.topic = nil
            return mentioned(person)
        }
        try write(" and found " + Lexicon.list(found.map { world.things[$0].full }) + ".")
        for thing in found { own(thing, found: person) }
        if found.count > 1 { world.topic = nil }
        followUps = [Alternative(" \"There it is!\" said " + name(person) + ".", found.count > 1 ? 0 : 12, .followUp)]
    }

    /// " traded the red kite for Ben's blue drum."
    mutating func trade(_ person: Int) throws(C.Failure) {
        let mine = try choose(world.held(by: person).flatMap { mentions($0, suffix: " for ", weight: 1, $0) })
        let others = world.others(with: person).flatMap { other in world.held(by: other).map { (other, $0) } }
        let (other, theirs) = try choose(
            others.map { pair in
                Alternative(name(pair.0) + "'s " + world.things[pair.1].adjectiveAndNoun + ".", 1, pair)
            })
        world.move(mine, to: .held(by: other), seenWith: person)
        world.move(theirs, to: .held(by: person), seenWith: person)
        world.things[mine].origin = .start
        world.things[theirs].origin = .start
        world.topic = nil
        mentioned(person, others: [other])
        let result =
            " Now " + name(person) + " had " + world.things[theirs].full + ", and "
            + name(other) + " had " + world.things[mine].full + "."
        followUps = [
            Alternative(result, 20, .followUp),
            Alternative(" \"That is a fair trade,\" said " + name(other) + ".", 12, .followUp),
        ]
    }

    /// " came upon a box. In the box was a bag, and in the bag was a red ring. ..."
    mutating func nest(_ person: Int) throws(C.Failure) {
        nestTold = true
        let names = Lexicon.containers
        var chain = [try pick(names.map { "a " + $0 + ". " })]
        func unused() -> [Int] { names.indices.filter { !chain.contains($0) } }
        try write("In the " + names[chain[0]] + " was a ")
        chain.append(try choose(unused().map { Alternative(names[$0] + ", ", 1, $0) }))
        var deeper = true
        while deeper, chain.count < 4 {
            deeper = try either(("in the " + names[chain[chain.count - 1]] + " was a ", 1), ("and ", 1))
            if deeper { chain.append(try choose(unused().map { Alternative(names[$0] + ", ", 1, $0) })) }
        }
        if deeper { try write("and ") }
        try write("in the " + names[chain[chain.count - 1]] + " was ")
        let thing = try newThing(at: .held(by: person), small: true)
        try write(".")
        own(thing, found: person)
        // Closed again from the inside out: the order in which they were opened, backwards.
        let moves = (1..<chain.count).reversed().map { "the " + names[chain[$0]] + " into the " + names[chain[$0 - 1]] }
        let person = world.people[person]
        followUps = [
            Alternative(
                " With the " + Lexicon.nouns[world.things[thing].noun] + " in " + person.her + " hand, "
                    + person.she + " put " + Lexicon.list(moves) + ".", 60, .followUp)
        ]
    }
}
