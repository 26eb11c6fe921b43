/// The end of a story: how things stand, and questions that a reader can answer.
extension Teller {
    var endLead: String { "\nAt the end of the day, " }

    mutating func close() throws(C.Failure) {
        try summary()
        let questions = quiz()
        var asked: Set<Int> = []
        // Two questions, or three if the story is not yet long, on a line of their own.
        for number in 0..<(chooser.length < 680 ? 3 : 2) {
            let lead = number == 0 ? "\n" : " "
            var alternatives: [Alternative<Int?>] = questions.indices.compactMap {
                asked.contains($0) ? nil : Alternative(lead + questions[$0].question + "? ", questions[$0].weight, $0)
            }
            if number == 2 { alternatives += farewells }
            guard let index = try choose(alternatives) else { return }
            asked.insert(index)
            try write(questions[index].answer + ".")
        }
        _ = try choose(farewells)
    }

    /// "Anna had nothing, and Ben had the red kite."
    private mutating func summary() throws(C.Failure) {
        var first: [Alternative<(Int, Bool)?>] = [Alternative("everyone was tired.", 2, nil)]
        for person in world.people.indices {
            first.append(Alternative(name(person) + " had ", 3, (person, true)))
            first.append(Alternative(name(person) + " was ", 2, (person, false)))
        }
        guard let (person, has) = try choose(first) else { return }
        func fact(_ person: Int) -> String {
            has ? world.belongings(of: person) : Lexicon.places[world.people[person].place].at
        }
        try write(fact(person))
        guard chooser.length < 720 else { return try write(".") }
        let verb = has ? " had " : " was "
        let second: [Alternative<Int?>] =
            [Alternative(".", 2, nil)]
            + world.people.indices.compactMap {
                $0 == person ? nil : Alternative(", and " + name($0) + verb, 1, $0)
            }
        guard let other = try choose(second) else { return }
        let together = !has && world.people[person].place == world.people[other].place
        try write((together ? "there too" : fact(other)) + ".")
    }

    private struct Question {
        let question: String
        let answer: String
        let weight: Int
    }

    private func quiz() -> [Question] {
        var result: [Question] = []
        func add(_ question: String, _ answer: String, _ weight: Int) {
            result.append(Question(question: question, answer: answer, weight: weight))
        }
        for thing in world.things {
            switch thing.location {
            case .held(let holder): add("Who had " + thing.full, name(holder) + " had it", 6)
            case .lying(let place, let spot):
                add("Who had " + thing.full, "Nobody had it", 1)
                add("Where was " + thing.full, "It was " + world.spotText(place: place, spot: spot), 8)
            }
            switch thing.origin {
            case .found(let person, let place):
                add("Where did " + name(person) + " find " + thing.full, "It was found " + Lexicon.places[place].at, 5)
            case .given(let giver, let to):
                add("Who gave " + thing.full + " to " + name(to), name(giver) + " did", 5)
            case .start: break
            }
        }
        for person in world.people {
            add("Where was " + person.name, person.capitalShe + " was " + Lexicon.places[person.place].at, 3)
            if let home = person.home {
                let answer = person.capitalShe + " lived near the " + Lexicon.places[home].name
                add("Where did " + person.name + " live", answer, 2)
            }
            for (kind, count) in person.goods.enumerated() where count > 0 {
                let answer = person.capitalShe + " had " + (count == 1 ? "only one" : Lexicon.numbers[count])
                add("How many " + Lexicon.goods[kind].many + " did " + person.name + " have", answer, 4)
            }
        }
        for kind in Lexicon.goods.indices {
            let counts = world.people.map { $0.goods[kind] }, sum = counts.reduce(0, +)
            let goods = Lexicon.goods[kind].many
            let owners = counts.indices.filter { counts[$0] > 0 }
            guard owners.count > 1 else { continue }
            if sum <= Lexicon.most { add("How many " + goods + " were there", "There were " + Lexicon.numbers[sum], 6) }
            let (one, two) = (owners[0], owners[1])
            guard counts[one] != counts[two] else { continue }
            let richer = name(counts[one] > counts[two] ? one : two)
            add("Who had more " + goods + ", " + name(one) + " or " + name(two), richer + " had more", 6)
        }
        return result
    }

    private var farewells: [Alternative<Int?>] {
        let main = world.people[0]
        let result = world.goalReached ? " had got what " + main.she + " wanted." : " would try again tomorrow."
        return [
            Alternative(" It had been a good day.", 8, nil), Alternative(" Then they all slept well.", 8, nil),
            Alternative(" " + main.name + result, 12, nil),
        ]
    }
}
