import Configuration
import Testing

/// Decoding of options: defaults, types, bounds, unknown keys, and what errors say.
struct OptionTests {
    enum Color: String, OptionEnum { case red, green, darkBlue = "dark_blue" }

    struct Paint: OptionGroup {
        var layers = 3
        var opacity = 0.5
        var glossy = false
        var name = "plain"
        var color = Color.red
        var limit: Int?
        var weights: [Double] = [1, 2]
        init() {}
        static var options: [Option<Paint>] {
            [
                Option("layers", \.layers, .within(1...10), help: "coats"),
                Option("opacity", \.opacity, .fraction, help: "how much shines through"),
                Option("glossy", \.glossy, help: "shine"),
                Option("name", \.name, help: "name"),
                Option("color", \.color, help: "color"),
                Option("limit", \.limit, .atLeast(0), help: "limit, or none"),
                Option("weights", \.weights, .above(0), help: "weights"),
            ]
        }
        func validate() throws {
            if glossy && color == .green { throw OptionMismatch("green is never glossy; use red") }
        }
    }

    @Test func defaultsFillIn() throws {
        let paint = try Paint.decode([:], at: "paint")
        #expect(
            paint.json == [
                "layers": 3, "opacity": 0.5, "glossy": false, "name": "plain", "color": "red", "limit": .null, "weights": [1, 2],
            ])
    }

    @Test func valuesAreRead() throws {
        let json: JSON = [
            "layers": 10, "opacity": 0, "glossy": true, "name": "x", "color": "dark_blue", "limit": 0, "weights": [0.5],
        ]
        #expect(JSON.object(try Paint.decode(json, at: "paint").json) == json)
        #expect(try Paint.decode(["layers": 4.0], at: "paint").layers == 4, "a whole number may be written with a point")
        #expect(try Paint.decode(["limit": .null], at: "paint").limit == nil)
        #expect(try Paint.decode(["opacity": 0, "other": 1], at: "paint", also: ["other"]).opacity == 0)
    }

    struct Mistake: Sendable, CustomTestStringConvertible {
        let json: JSON
        let path: String
        /// What the message must say.
        let words: [String]
        var testDescription: String { json.brief }
    }

    static let mistakes = [
        Mistake(json: ["layer": 3], path: "paint", words: ["unknown key \"layer\"", "did you mean \"layers\"?", "opacity"]),
        Mistake(json: ["Colour": "red"], path: "paint", words: ["did you mean \"color\"?"]),
        Mistake(json: ["zzzzzzzz": 1], path: "paint", words: ["unknown key \"zzzzzzzz\"", "known: color, glossy, layers"]),
        Mistake(json: ["layers": "3"], path: "paint.layers", words: ["expected a whole number", "found \"3\""]),
        Mistake(json: ["layers": 2.5], path: "paint.layers", words: ["expected a whole number", "found 2.5"]),
        Mistake(json: ["layers": true], path: "paint.layers", words: ["expected a whole number", "found true"]),
        Mistake(json: ["layers": .null], path: "paint.layers", words: ["expected a whole number", "found null"]),
        Mistake(json: ["layers": 1e300], path: "paint.layers", words: ["expected a whole number"]),
        Mistake(json: ["layers": 0], path: "paint.layers", words: ["at least 1 and at most 10", "found 0"]),
        Mistake(json: ["layers": 11], path: "paint.layers", words: ["at most 10", "found 11"]),
        Mistake(json: ["opacity": 1], path: "paint.opacity", words: ["at least 0 and below 1", "found 1"]),
        Mistake(json: ["opacity": .double(.nan)], path: "paint.opacity", words: ["expected a number"]),
        Mistake(json: ["opacity": .double(.infinity)], path: "paint.opacity", words: ["expected a number"]),
        Mistake(json: ["glossy": 1], path: "paint.glossy", words: ["expected true or false", "found 1"]),
        Mistake(json: ["name": []], path: "paint.name", words: ["expected a string", "found []"]),
        Mistake(json: ["color": "gren"], path: "paint.color", words: ["\"red\", \"green\", \"dark_blue\"", "did you mean \"green\"?"]),
        Mistake(json: ["color": 3], path: "paint.color", words: ["expected one of", "found 3"]),
        Mistake(json: ["limit": -1], path: "paint.limit", words: ["at least 0", "found -1"]),
        Mistake(json: ["limit": "no"], path: "paint.limit", words: ["expected a whole number", "found \"no\""]),
        Mistake(json: ["weights": [1, 0]], path: "paint.weights", words: ["above 0", "found [1,0]"]),
        Mistake(json: ["weights": [1, "a"]], path: "paint.weights", words: ["expected a number", "found \"a\""]),
        Mistake(json: ["weights": 1], path: "paint.weights", words: ["expected a list", "found 1"]),
        Mistake(json: ["glossy": true, "color": "green"], path: "paint", words: ["green is never glossy; use red"]),
        Mistake(json: 7, path: "paint", words: ["expected an object, found 7"]),
        Mistake(json: .null, path: "paint", words: ["expected an object, found null"]),
        Mistake(json: ["a\nb": 1], path: "paint", words: ["unknown key \"a\\nb\""]),
        Mistake(json: ["color": "a\nb"], path: "paint.color", words: ["found \"a\\nb\""]),
    ]

    @Test(arguments: mistakes)
    func mistakesAreNamed(_ mistake: Mistake) throws {
        let error = try #require(throws: ConfigError.self) { try Paint.decode(mistake.json, at: "paint") }
        #expect(error.path == mistake.path)
        for words in mistake.words { #expect(error.message.contains(words), "\"\(error.message)\" lacks \"\(words)\"") }
        #expect(!error.description.contains { $0.isNewline })
        #expect(error.inFile("a.json").description.hasPrefix("a.json: \(mistake.path): "))
    }

    @Test func errorsAreShort() throws {
        let long = String(repeating: "x", count: 10_000)
        for json in [[long: 1], ["color": .string(long)], ["layers": .string(long)], ["layers": .array([.string(long)])]] as [JSON] {
            let error = try #require(throws: ConfigError.self) { try Paint.decode(json, at: "paint") }
            #expect(error.description.count < 300, "\(error.description.prefix(400))")
        }
    }

    @Test func theFirstFileStays() {
        #expect(ConfigError("m", at: "p", file: "a").inFile("b").file == "a")
        #expect(ConfigError("m").description == "m")
    }

    @Test func descriptionsCarryDefaultsAndBounds() throws {
        let descriptions = Paint.descriptions
        #expect(descriptions.map(\.name) == ["layers", "opacity", "glossy", "name", "color", "limit", "weights"])
        let layers = try #require(descriptions.first)
        #expect(layers.schema == ["type": "integer", "minimum": 1, "maximum": 10, "default": 3, "description": "coats"])
        let opacity = descriptions[1].schema
        #expect(opacity["minimum"] == 0 && opacity["exclusiveMaximum"] == 1 && opacity["maximum"] == nil)
        #expect(descriptions[4].schema["enum"] == ["red", "green", "dark_blue"])
        #expect(descriptions[6].schema["items"]?["exclusiveMinimum"] == 0)
    }

    @Test(
        arguments: [
            ("heads", "head", "heads"), ("dropuot", "dropout", "dropout"), ("kv", "kv_heads", nil), ("win", "window", "window"),
            ("xyzzy", "heads", nil), ("HEADS", "heads", "heads"), ("", "heads", nil),
        ] as [(String, String, String?)])
    func nearestNames(slip: String, known: String, wanted: String?) {
        let names = ["heads", "dropout", "window", "value_embedding", known]
        let found = nearest(to: slip, in: names)
        #expect(found == wanted, "nearest to \"\(slip)\" is \(found ?? "none")")
    }
}
