/// The state of a story: everything that later sentences can refer to. All of it was told in the text.
struct World {
    struct Person {
        let name: String
        let female: Bool
        /// What the person is like, where it was told.
        var trait: Int?
        /// The place that the person lives near, where it was told.
        var home: Int?
        var place = 0
        /// How many of each kind of goods the person has.
        var goods = [Int](repeating: 0, count: Lexicon.goods.count)
        /// Where the person said to be going next.
        var intent: Int?

        var she: String { female ? "she" : "he" }
        var capitalShe: String { female ? "She" : "He" }
        var her: String { female ? "her" : "his" }
        var capitalHer: String { female ? "Her" : "His" }
        var girl: String { female ? "girl" : "boy" }
    }

    enum Location: Equatable {
        case held(by: Int)
        case lying(place: Int, spot: Int)
    }

    /// How a thing came to be where it is, as far as a question about it has one answer.
    enum Origin {
        case start
        case found(by: Int, place: Int)
        case given(by: Int, to: Int)
    }

    struct Thing {
        let noun: Int
        let adjective: Int
        var location: Location
        var origin = Origin.start
        /// Bit p: person p has already found the thing; been given it.
        var finders: UInt8 = 0, receivers: UInt8 = 0
        /// Who put the thing where it lies.
        var keeper: Int?
        /// Bit p: person p knows where the thing is now.
        var known: UInt8 = 0xFF

        /// "the kite"
        var short: String { "the " + Lexicon.nouns[noun] }
        /// "the red kite"
        var full: String { "the " + adjectiveAndNoun }
        /// "red kite"
        var adjectiveAndNoun: String { Lexicon.adjectives[adjective] + " " + Lexicon.nouns[noun] }
    }

    enum Goal {
        case give(thing: Int, to: Int)
        case collect(kind: Int, count: Int)
        case meet(Int)
        case hide(Int)
    }

    var people: [Person] = []
    var things: [Thing] = []
    /// What person 0 wants.
    var goal = Goal.meet(0)
    var goalReached = false
    /// The person that "he" or "she" at the start of the next sentence means.
    var focus: Int?
    /// The thing that "it" in the next sentence means.
    var topic: Int?
    /// The thing that was hidden last.
    var hidden: Int?
    var weather = 0
    /// How much of the day has passed: 0 morning, 1 noon, 2 afternoon, 3 evening.
    var hour = 0

    func others(with person: Int) -> [Int] {
        people.indices.filter { $0 != person && people[$0].place == people[person].place }
    }

    func held(by person: Int) -> [Int] { things.indices.filter { things[$0].location == .held(by: person) } }

    func knows(_ person: Int, _ thing: Int) -> Bool { things[thing].known & (1 << UInt8(person)) != 0 }

    /// Moves a thing where `actor` is, which everybody there sees.
    mutating func move(_ thing: Int, to location: Location, seenWith actor: Int) {
        things[thing].location = location
        things[thing].known = 1 << UInt8(actor)
        for other in others(with: actor) { things[thing].known |= 1 << UInt8(other) }
    }

    /// Notes that a person found a thing. A second find would leave a question about the place two answers.
    mutating func noteFound(_ thing: Int, by person: Int) {
        let again = things[thing].finders & (1 << UInt8(person)) != 0
        things[thing].finders |= 1 << UInt8(person)
        things[thing].origin = again ? .start : .found(by: person, place: people[person].place)
    }

    /// Notes a gift, likewise.
    mutating func noteGiven(_ thing: Int, by giver: Int, to person: Int) {
        let again = things[thing].receivers & (1 << UInt8(person)) != 0
        things[thing].receivers |= 1 << UInt8(person)
        things[thing].origin = again ? .start : .given(by: giver, to: person)
    }

    /// "under the bench in the garden"
    func spotText(place: Int, spot: Int) -> String {
        Lexicon.places[place].spots[spot] + " " + Lexicon.places[place].at
    }

    /// What a person has, as a list: "the red kite and three plums" or "nothing".
    func belongings(of person: Int) -> String {
        var items = held(by: person).map { things[$0].full }
        for (kind, count) in people[person].goods.enumerated() where count > 0 {
            items.append(Lexicon.amount(count, kind))
        }
        return Lexicon.list(items)
    }

    /// "Ben", "Ben and Mia"
    func names(_ persons: [Int]) -> String { Lexicon.list(persons.map { people[$0].name }) }
}
