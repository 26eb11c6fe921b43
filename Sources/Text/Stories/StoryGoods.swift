/// Sentences that count.
extension Teller {
    /// " bought three more plums."
    mutating func gather(_ person: Int) throws(C.Failure) {
        let goods = world.people[person].goods
        var wanted: (kind: Int, count: Int)?
        if person == 0, !world.goalReached, case .collect(let kind, let count) = world.goal {
            wanted = (kind, count - goods[kind])
        }
        var alternatives: [Alternative<(Int, Int)>] = []
        for kind in Lexicon.places[world.people[person].place].goods {
            for count in 1...6 where goods[kind] + count <= Lexicon.most {
                let more = goods[kind] > 0 ? " more " : " "
                let words = Lexicon.numbers[count] + more + Lexicon.noun(count, kind)
                let weight = wanted?.kind == kind ? (wanted?.count == count ? 20 : 4) : 1
                alternatives.append(Alternative(words + ".", weight, (kind, count)))
            }
        }
        let (kind, count) = try choose(alternatives)
        world.people[person].goods[kind] += count
        world.topic = nil
        mentioned(person)
        if goods[kind] > 0 {
            followUps = [
                Alternative(" Now " + world.people[person].she + tally(kind, of: person), 40, .followUp),
                Alternative(" That made " + Lexicon.amount(goods[kind] + count, kind) + ".", 20, .followUp),
            ]
        }
    }

    /// " ate two plums."
    mutating func eat(_ person: Int) throws(C.Failure) {
        var alternatives: [Alternative<(Int, Int)>] = []
        for (kind, has) in world.people[person].goods.enumerated() where has > 0 && Lexicon.goods[kind].edible {
            if has > 1 {
                for count in 1...min(has - 1, 4) {
                    alternatives.append(Alternative(Lexicon.amount(count, kind) + ".", 2, (kind, count)))
                }
            }
            let all = has == 1 ? "the last " + Lexicon.goods[kind].one : "all the " + Lexicon.goods[kind].many
            alternatives.append(Alternative(all + ".", 1, (kind, has)))
        }
        let (kind, count) = try choose(alternatives)
        world.people[person].goods[kind] -= count
        let left = world.people[person].goods[kind]
        world.topic = nil
        mentioned(person)
        guard left > 0 else { return }
        let were = left == 1 ? "was " : "were ", rest = Lexicon.amount(left, kind)
        followUps = [
            Alternative(" Then there " + were + rest + " left.", 30, .followUp),
            Alternative(" " + Lexicon.capitalized(rest) + " " + were + "left.", 30, .followUp),
        ]
    }

    /// " counted the plums: one, two, three."
    mutating func count(_ person: Int) throws(C.Failure) {
        let goods = world.people[person].goods
        let kind = try choose(
            goods.indices.compactMap {
                goods[$0] > 1 ? Alternative("the " + Lexicon.goods[$0].many, 1, $0) : nil
            })
        try write(": " + Lexicon.numbers[1...goods[kind]].joined(separator: ", ") + ".")
        world.topic = nil
        mentioned(person)
    }
}
