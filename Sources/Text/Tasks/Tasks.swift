import Autograd

extension SyntheticTask {
    /// Every task there is.
    public static let all = [copying, selectiveCopy, induction, recall, holders, parity, counting]

    /// abcde|abcde: say again all that was said. Every answer is half a context away.
    static let copying = SyntheticTask(
        name: "copying", summary: "say a random string again, half a context later",
        alphabet: letters + marks, minimumContext: 2
    ) { context, random, example in
        let text = (0..<context / 2).map { _ in pick(letters, &random) }
        example.write(text)
        example.write("|")
        example.write(text, isAnswer: true)
    }

    /// ..b...a.c|bac: say again the letters among blanks, in order (Jing et al. 2019, arXiv:1706.02761; Gu and Dao 2023,
    /// arXiv:2312.00752). Their places differ, so counting back does not find them.
    static let selectiveCopy = SyntheticTask(
        name: "selective-copy", summary: "say again the letters scattered among blanks, in order",
        alphabet: letters + marks, minimumContext: 4
    ) { context, random, example in
        let count = max(1, min(16, context / 4)), room = context - count
        let text = (0..<count).map { _ in pick(letters, &random) }
        var next = 0
        // Each place is a letter's with the probability that leaves every choice of places equally likely.
        for place in 0..<room {
            if random.below(room - place) < count - next {
                example.write(text[next])
                next += 1
            } else {
                example.write(blank)
            }
        }
        example.write("|")
        example.write(text, isAnswer: true)
    }

    /// xq3mzk1fd…|1f3m: after a digit comes what came after it before, once, among noise (induction heads: Olsson et al.
    /// 2022, arXiv:2209.11895).
    static let induction = SyntheticTask(
        name: "induction", summary: "say what followed a digit when it occurred before, among noise",
        alphabet: letters + digits + marks, minimumContext: 8
    ) { context, random, example in
        let count = max(1, min(8, context / 8)), room = context - 2 * count
        var noise = (0..<room).map { _ in pick(letters, &random) }
        let triggers = shuffled(digits, &random).prefix(count)
        var asked: [(digit: Unicode.Scalar, letter: Unicode.Scalar)] = []
        // In the first half of the noise, so that they are recalled from afar.
        for (digit, place) in zip(triggers, scattered(count, among: room / 4, &random)) {
            noise[2 * place] = digit
            asked.append((digit, noise[2 * place + 1]))
        }
        example.write(noise)
        example.write("|")
        for pair in shuffled(asked, &random) {
            example.write(pair.digit)
            example.write(pair.letter, isAnswer: true)
        }
    }

    /// aXbYcZ|bYaX…: pairs, then every key again in another order with its value (multi-query associative recall: Arora et
    /// al. 2023, arXiv:2312.04927).
    static let recall = SyntheticTask(
        name: "recall", summary: "multi-query associative recall: the value of every key, asked in another order",
        alphabet: keys + capitals + marks, minimumContext: 4
    ) { context, random, example in
        let pairs = shuffled(keys, &random).prefix(context / 4).map {
            (key: $0, value: pick(capitals, &random))
        }
        for pair in pairs {
            example.write(pair.key)
            example.write(pair.value)
        }
        // In a long context the keys run out, and the distance grows.
        example.write([Unicode.Scalar](repeating: blank, count: context - 4 * pairs.count))
        example.write("|")
        for pair in shuffled(pairs, &random) {
            example.write(pair.key)
            example.write(pair.value, isAnswer: true)
        }
    }

    /// AbCdAdBb…|bBdA: things change hands; then, who has each of those that last moved in the first half. The last move
    /// counts, and it is far away.
    static let holders = SyntheticTask(
        name: "holders", summary: "who has what after things changed hands, the last move being far away",
        alphabet: letters + capitals + marks, minimumContext: 16
    ) { context, random, example in
        let asked = max(1, min(6, context / 16)), moves = (context - 2 * asked) / 2
        let things = shuffled(letters, &random), people = Array(capitals.prefix(8))
        let early = Array(things.prefix(asked)), late = Array(things.suffix(8))
        var holder: [Unicode.Scalar: Unicode.Scalar] = [:]
        for move in 0..<moves {
            // Every thing asked for moves once at least, and never in the second half.
            let thing =
                move < asked ? early[move] : move < moves / 2 ? early[random.below(asked)] : late[random.below(late.count)]
            let person = people[random.below(people.count)]
            holder[thing] = person
            example.write(person)
            example.write(thing)
        }
        example.write("|")
        for thing in shuffled(early, &random) {
            example.write(thing)
            if let person = holder[thing] { example.write(person, isAnswer: true) }
        }
    }

    /// 0110…|0010…: bits, then for every bit the parity of all up to it. The answer before and one bit half a context away
    /// tell the next.
    static let parity = SyntheticTask(
        name: "parity", summary: "the running parity of bits, said half a context later",
        alphabet: digits.prefix(2) + marks, minimumContext: 2
    ) { context, random, example in
        let bits = (0..<context / 2).map { _ in random.below(2) }
        example.write(bits.map { $0 == 1 ? "1" : "0" })
        example.write("|")
        var parity = 0
        for bit in bits {
            parity ^= bit
            example.write(parity == 1 ? "1" : "0", isAnswer: true)
        }
    }

    /// abacab…|b02a03c01: how often each letter occurred, in two digits.
    static let counting = SyntheticTask(
        name: "counting", summary: "how often each of four letters occurred",
        alphabet: letters.prefix(4) + digits + marks, minimumContext: 16
    ) { context, random, example in
        let kinds = Array(letters.prefix(4))
        let room = min(99, context - 3 * kinds.count)
        var counts = [Int](repeating: 0, count: kinds.count)
        // Unequal odds, so that counts vary by more than chance.
        let odds = kinds.map { _ in 1 + random.below(8) }, sum = odds.reduce(0, +)
        for _ in 0..<room {
            var left = random.below(sum), kind = 0
            while left >= odds[kind] {
                left -= odds[kind]
                kind += 1
            }
            counts[kind] += 1
            example.write(kinds[kind])
        }
        example.write("|")
        for kind in shuffled(Array(kinds.indices), &random) {
            example.write(kinds[kind])
            example.write([digits[counts[kind] / 10], digits[counts[kind] % 10]], isAnswer: true)
        }
    }

    // MARK: Symbols and chance

    private typealias Symbols = [Unicode.Scalar]
    private static let letters = symbols("abcdefghijklmnopqrstuvwxyz"), capitals = symbols("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    private static let digits = symbols("0123456789"), marks: Symbols = ["|", blank]
    private static let keys = letters + digits + symbols("абвгдежзийклмнопрстуфхцчшщъы")

    private static func symbols(_ text: String) -> Symbols { Array(text.unicodeScalars) }

    private static func pick(_ symbols: Symbols, _ random: inout Philox.Sequence) -> Unicode.Scalar {
        symbols[random.below(symbols.count)]
    }

    /// Fisher–Yates. The library's own may change with its version, and with it every example.
    private static func shuffled<Element>(_ items: [Element], _ random: inout Philox.Sequence) -> [Element] {
        var items = items
        for index in items.indices.dropLast() { items.swapAt(index, index + random.below(items.count - index)) }
        return items
    }

    /// `count` of the places 0 ..< `room` in order, every choice equally likely.
    private static func scattered(_ count: Int, among room: Int, _ random: inout Philox.Sequence) -> [Int] {
        var places: [Int] = []
        for place in 0..<room where random.below(room - place) < count - places.count { places.append(place) }
        return places
    }
}
