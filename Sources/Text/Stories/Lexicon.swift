/// The words of the stories. Every table is prefix-free where its entries compete at one decision.
enum Lexicon {
    struct Name: Sendable {
        let text: String
        let female: Bool
    }

    static let names: [Name] =
        [
            "Anna", "Bella", "Cora", "Dora", "Ella", "Greta", "Ida", "Julia", "Lena", "Mia", "Nora", "Rosa",
        ].map { Name(text: $0, female: true) }
        + [
            "Adam", "Ben", "Carl", "Dan", "Emil", "Finn", "Hugo", "Jack", "Leo", "Max", "Otto", "Paul",
        ].map { Name(text: $0, female: false) }

    /// Somewhere people can be. Its two spots are where things can lie; `goods` are what can be had there.
    struct Place: Sendable {
        let preposition: String
        let name: String
        let spots: [String]
        let verb: String
        let goods: [Int]
        /// Whether people live near it.
        let homely: Bool
        /// "in the garden"
        let at: String
        /// "in the Garden", for titles
        let title: String

        init(_ preposition: String, _ name: String, _ spots: [String], _ verb: String, _ goods: [Int], homely: Bool) {
            self.preposition = preposition
            self.name = name
            self.spots = spots
            self.verb = verb
            self.goods = goods
            self.homely = homely
            at = preposition + " the " + name
            title = preposition + " the " + Lexicon.capitalized(name)
        }
    }

    static let places: [Place] = [
        Place("in", "garden", ["under the bench", "behind the roses"], " picked ", [1], homely: false),
        Place("in", "kitchen", ["under the table", "behind the oven"], " baked ", [5], homely: false),
        Place("in", "barn", ["under the hay", "behind the cart"], " collected ", [4], homely: false),
        Place("at", "market", ["under the stall", "behind the fountain"], " bought ", [0, 1, 2], homely: true),
        Place("in", "forest", ["in a hollow tree", "under the leaves"], " gathered ", [3], homely: true),
        Place("at", "river", ["under the bridge", "behind the reeds"], " collected ", [6], homely: true),
        Place("on", "hill", ["under a flat stone", "behind the wall"], " picked ", [0, 2], homely: false),
        Place("at", "harbor", ["in an old boat", "behind the nets"], " collected ", [6], homely: true),
        Place("at", "school", ["under the stairs", "behind the door"], "", [], homely: true),
        Place("at", "mill", ["behind the wheel", "under the sacks"], "", [], homely: true),
        Place("in", "library", ["behind the clock", "between two books"], "", [], homely: true),
        Place("at", "bakery", ["under the shelf", "behind the flour"], " bought ", [5, 7], homely: true),
    ]

    struct Goods: Sendable {
        let one: String
        let many: String
        let title: String
        let edible: Bool
    }

    static let goods: [Goods] = ["apple", "pear", "plum", "nut", "egg", "bun", "shell", "cookie"].map {
        Goods(one: $0, many: $0 + "s", title: capitalized($0) + "s", edible: $0 != "shell")
    }

    static let nouns = [
        "kite", "drum", "book", "lamp", "map", "hat", "cup", "rope", "umbrella", "doll", "flute", "basket",
        "ring", "coin", "key", "bell", "spoon",
    ]
    /// The nouns from this one on are small enough for a tin.
    static let firstSmallNoun = 12
    static let adjectives = [
        "red", "blue", "green", "yellow", "orange", "old", "new", "small", "big", "pretty", "strange", "heavy",
    ]
    static let nounTitles = nouns.map(capitalized)
    static let adjectiveTitles = adjectives.map(capitalized)

    static let traits = [
        "quiet", "brave", "kind", "clever", "cheerful", "patient", "curious", "honest", "lazy", "stubborn",
    ]
    static let weather = ["cold", "warm", "bright", "rainy", "windy", "foggy"]
    static let containers = ["box", "bag", "tin", "jar", "chest", "sack"]
    static let numbers = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
    ]
    /// The most of one kind of goods that anybody can have.
    static let most = 20

    static func capitalized(_ word: String) -> String { word.prefix(1).uppercased() + word.dropFirst() }

    /// "a red" or "an old": the word with its indefinite article.
    static func indefinite(_ word: String) -> String {
        switch word.utf8.first {
        case UInt8(ascii: "a"), UInt8(ascii: "e"), UInt8(ascii: "i"), UInt8(ascii: "o"), UInt8(ascii: "u"): "an " + word
        default: (word == "honest" ? "an " : "a ") + word
        }
    }

    static let indefiniteAdjectives = adjectives.map(indefinite)
    static let indefiniteTraits = traits.map(indefinite)

    /// "plum" or "plums", as it goes with `count`
    static func noun(_ count: Int, _ kind: Int) -> String { count == 1 ? goods[kind].one : goods[kind].many }

    /// "one plum", "three plums", "no plums"
    static func amount(_ count: Int, _ kind: Int) -> String { numbers[count] + " " + noun(count, kind) }

    /// "the kite, the drum and two plums"
    static func list(_ items: [String]) -> String {
        guard let last = items.last else { return "nothing" }
        return items.count == 1 ? last : items.dropLast().joined(separator: ", ") + " and " + last
    }
}
