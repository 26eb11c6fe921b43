/// The middle of a story: who does something next, and what.
extension Teller {
    /// The length in bytes from which a story may end, and the one at which it must.
    private var shortest: Int { 420 }
    private var longest: Int { 640 }

    /// One sentence, or question and answer, of the middle part. False if the end was begun instead.
    mutating func step() throws(C.Failure) -> Bool {
        let step = try choose(steps())
        followUps = []
        sentences += 1
        switch step {
        case .act(let person):
            try act(person)
            try checkGoal()
        case .noon(let person):
            world.hour += 1
            sentences = 0
            try act(person)
            try checkGoal()
        case .scene(let index):
            scenes.remove(at: index)
            (world.focus, world.topic) = (nil, nil)
        case .aside:
            try aside()
        case .followUp:
            lastWalker = nil
        case .end:
            return false
        }
        return true
    }

    private func steps() -> [Alternative<Step>] {
        let length = chooser.length
        if length >= longest { return [Alternative(endLead, 1, .end)] }
        var result = followUps
        for person in world.people.indices {
            // Person 0 is whom the story is about; who just walked or stands alone has less to tell.
            let alone = world.others(with: person).isEmpty
            let weight = (person == 0 ? 4 : 2) + (alone ? 0 : 1)
            let name = name(person)
            if person != world.focus {
                result.append(Alternative(" " + name, 6 * weight, .act(person)))
                result.append(Alternative(" Then " + name, weight, .act(person)))
                result.append(Alternative(" Soon " + name, weight, .act(person)))
            }
            if sentences >= 3, world.hour < 3 {
                let time = ["\nAt noon, ", "\nIn the afternoon, ", "\nIn the evening, "][world.hour]
                result.append(Alternative(time + name, 3 * weight, .noon(person)))
            }
        }
        if let focus = world.focus {
            let person = world.people[focus]
            result.append(Alternative(" " + person.capitalShe, 40, .act(focus)))
            result.append(Alternative(" Then " + person.she, 12, .act(focus)))
            result.append(Alternative(" Soon " + person.she, 4, .act(focus)))
            if sentences > 0 { result.append(Alternative(" After that, " + person.she, 6, .act(focus))) }
        }
        result += scenes.indices.map { Alternative(" " + scenes[$0], 1, .scene($0)) }
        if sentences > 0 { result.append(Alternative(" (", 8, .aside)) }
        if length >= shortest {
            result.append(Alternative(endLead, (length - shortest) / 8 + (world.goalReached ? 8 : 0), .end))
        }
        return result
    }

    private enum Act {
        case walk, together(Int), give, find, hide, leave, look, trade, nest
        case gather, eat, count
        case ask(Int), tell(Int), say
        case remember, think
        case idle(String, [Int])
    }

    private mutating func act(_ person: Int) throws(C.Failure) {
        let act = try choose(acts(of: person))
        let walker = lastWalker
        lastWalker = nil
        switch act {
        case .walk:
            lastWalker = person
            try walk(person)
        case .together(let other):
            lastWalker = person
            try walk(person, with: other)
        case .give: try give(person)
        case .find: try find(person)
        case .hide: try put(person, hiding: true)
        case .leave: try put(person, hiding: false)
        case .look: try look(person)
        case .trade: try trade(person)
        case .gather: try gather(person)
        case .eat: try eat(person)
        case .count: try count(person)
        case .ask(let other): try ask(person, other)
        case .tell(let other): try inform(person, other)
        case .say: try say(person)
        case .nest: try nest(person)
        case .idle(let manner, let others):
            remarks.insert(manner)
            world.topic = nil
            mentioned(person, others: others)
        case .remember:
            lastWalker = walker
            try remember(person)
        case .think:
            lastWalker = walker
            try think(person)
        }
    }

    /// What a person can do now. Each weight says how much there is to tell of it, or how near it brings the goal.
    private func acts(of person: Int) -> [Alternative<Act>] {
        let here = world.others(with: person), held = world.held(by: person)
        let place = Lexicon.places[world.people[person].place]
        let goods = world.people[person].goods
        let goal = person == 0 && !world.goalReached ? world.goal : nil
        var result: [Alternative<Act>] = []
        let restless = lastWalker == person ? 1 : world.people[person].intent != nil ? 20 : 4
        for verb in [" walked to the ", " went to the ", " ran to the ", " walked slowly to the ", " hurried to the "] {
            result.append(Alternative(verb, restless, .walk))
        }
        for other in here {
            result.append(Alternative(" and " + name(other) + " went to the ", max(1, restless / 2), .together(other)))
            result.append(Alternative(" asked " + name(other) + ", \"", 7, .ask(other)))
            if !memories(of: person, unlike: other).isEmpty {
                result.append(Alternative(" told " + name(other) + " that ", 2, .tell(other)))
            }
        }
        if !here.isEmpty, !held.isEmpty || here.contains(where: { canGiveGoods(person, $0) }) {
            var weight = 8
            if case .give(let thing, let to)? = goal, held.contains(thing), here.contains(to) { weight = 80 }
            result.append(Alternative(" gave ", weight, .give))
        }
        if world.things.count < 5 { result.append(Alternative(" found ", 3, .find)) }
        if !held.isEmpty {
            var weight = 4
            if case .hide(let thing)? = goal, held.contains(thing) { weight = 40 }
            result.append(Alternative(" hid ", weight, .hide))
            result.append(Alternative(" left ", 3, .leave))
        }
        // Who put a thing away themselves has little reason to look for it.
        let something = world.things.contains {
            if case .lying(world.people[person].place, _) = $0.location { $0.keeper != person } else { false }
        }
        result.append(Alternative(" looked ", something ? 16 : 2, .look))
        if !held.isEmpty, here.contains(where: { !world.held(by: $0).isEmpty }) {
            result.append(Alternative(" traded ", 6, .trade))
        }
        if place.goods.contains(where: { goods[$0] < Lexicon.most }) {
            var weight = 6
            if case .collect(let kind, _)? = goal, place.goods.contains(kind) { weight = 60 }
            result.append(Alternative(place.verb, weight, .gather))
        }
        if goods.indices.contains(where: { goods[$0] > 0 && Lexicon.goods[$0].edible }) {
            result.append(Alternative(" ate ", 5, .eat))
        }
        if goods.contains(where: { $0 > 1 }) { result.append(Alternative(" counted ", 2, .count)) }
        result.append(Alternative(" said, \"", 3, .say))
        for manner in [" laughed.", " yawned.", " sat down to rest.", " sang a little song.", " waited for a while."]
        where !remarks.contains(manner) {
            result.append(Alternative(manner, 1, .idle(manner, [])))
        }
        for manner in [" sang a song.", " played a game.", " danced.", " talked for a long time."]
        where !remarks.contains(manner) {
            result += here.map { Alternative(" and " + name($0) + manner, 1, .idle(manner, [$0])) }
        }
        if !remarks.contains(" smiled") {
            result += here.map { Alternative(" smiled at " + name($0) + ".", 1, .idle(" smiled", [$0])) }
        }
        if !nestTold, world.things.count < 5 { result.append(Alternative(" came upon ", 2, .nest)) }
        if !memories(of: person).isEmpty { result.append(Alternative(" remembered that ", 2, .remember)) }
        if here.count < world.people.count - 1 { result.append(Alternative(" thought of ", 2, .think)) }
        return result
    }

    // MARK: The goal

    private func goalIsReached() -> Bool {
        switch world.goal {
        case .give(let thing, let to): world.things[thing].location == .held(by: to)
        case .collect(let kind, let count): world.people[0].goods[kind] >= count
        case .meet(let other): world.people[other].place == world.people[0].place
        case .hide(let thing): world.hidden == thing
        }
    }

    /// Says so when person 0 has what they wanted.
    private mutating func checkGoal() throws(C.Failure) {
        guard !world.goalReached, goalIsReached() else { return }
        world.goalReached = true
        let wanted = ", just as " + name(0) + " had wanted."
        followUps = []
        world.focus = nil
        switch world.goal {
        case .give(let thing, let to): try write(" Now " + name(to) + " had " + world.things[thing].full + wanted)
        case .collect(let kind, _): try write(" Now there were enough " + Lexicon.goods[kind].many + wanted)
        case .meet(let other): try write(" So " + name(0) + " had found " + name(other) + " at last.")
        case .hide(let thing): try write(" Now " + world.things[thing].full + " was hidden" + wanted)
        }
    }
}
