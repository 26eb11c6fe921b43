/// A regular expression with the meaning that backtracking engines give it: the first alternative that matches, greedy,
/// lazy and possessive repetitions, looking ahead.
///
/// What failed once at a place is remembered and not tried again there, so that searching takes time linear in the text; a
/// search that still takes absurdly long (possessive repetitions can) ends with an error.
package struct SplitRegex: Sendable {
    private enum Instruction: Sendable {
        case set(Int)
        /// The first, and if that fails the second; the third numbers the instruction among its kind.
        case split(Int, Int, Int)
        case jump(Int)
        /// Runs the program from the next instruction to its `succeed`, then goes on at the target: ahead of it, or behind it.
        case look(isNegative: Bool, target: Int)
        case atomic(target: Int)
        case behind(Int, isNegative: Bool)
        case textStart, textEnd
        case succeed
    }

    private static let mostInstructions = 20_000
    private static let mostChoices = 256
    /// What the expression was read from.
    let pattern: String
    private var program: [Instruction] = []
    private var sets: [CharacterSet] = []
    private var splits = 0

    /// - Throws: `TextError.unsupportedTokenizer` for syntax that is not known, and for what matches the empty text.
    package init(_ pattern: String, dialect: SplitRegexParser.Dialect) throws {
        self.pattern = pattern
        guard pattern.utf8.count <= 10_000 else {
            throw TextError.unsupportedTokenizer(what: "a split pattern of \(pattern.utf8.count) bytes")
        }
        let node = try SplitRegexParser.parse(pattern, dialect)
        guard node.shortest > 0 else {
            throw TextError.unsupportedTokenizer(what: "the split pattern \(pattern.prefix(60)), which matches the empty text")
        }
        try compile(node)
        program.append(.succeed)
        // What failed is remembered in a bit for each of them and each byte of text.
        guard splits <= SplitRegex.mostChoices else {
            throw TextError.unsupportedTokenizer(what: "a split pattern of more than \(SplitRegex.mostChoices) choices")
        }
    }

    /// All of `text` cut where matches begin and end.
    package func cut(_ text: UnsafeBufferPointer<UInt8>) throws -> [Range<Int>] {
        try PreTokenizer.Cutter.regex(self).parts(of: text).map(\.range)
    }

    private mutating func compile(_ node: SplitRegexNode) throws {
        guard program.count < SplitRegex.mostInstructions else {
            throw TextError.unsupportedTokenizer(what: "a split pattern of more than \(SplitRegex.mostInstructions) steps")
        }
        switch node {
        case .empty: break
        case .set(let set): program.append(.set(number(of: set)))
        case .sequence(let parts): for part in parts { try compile(part) }
        case .choice(let parts):
            var ends: [Int] = []
            for part in parts.dropLast() {
                let split = reserveSplit()
                try compile(part)
                ends.append(program.count)
                program.append(.jump(0))
                setSplit(split, first: split + 1, second: program.count)
            }
            if let last = parts.last { try compile(last) }
            for end in ends { program[end] = .jump(program.count) }
        case .repetition(let part, let least, let most, .possessive):
            try compile(.atomic(.repetition(part, min: least, max: most, .greedy)))
        case .repetition(let part, let least, let most, let mode):
            for _ in 0..<least { try compile(part) }
            guard let most else {
                let split = reserveSplit()
                try compile(part)
                program.append(.jump(split))
                choose(split, body: split + 1, exit: program.count, mode)
                return
            }
            var exits: [Int] = []
            for _ in least..<max(most, least) {
                exits.append(reserveSplit())
                try compile(part)
            }
            for exit in exits { choose(exit, body: exit + 1, exit: program.count, mode) }
        case .look(let part, let isNegative):
            let at = program.count
            program.append(.jump(0))
            try compile(part)
            program.append(.succeed)
            program[at] = .look(isNegative: isNegative, target: program.count)
        case .atomic(let part):
            let at = program.count
            program.append(.jump(0))
            try compile(part)
            program.append(.succeed)
            program[at] = .atomic(target: program.count)
        case .behind(let set, let isNegative): program.append(.behind(number(of: set), isNegative: isNegative))
        case .textStart: program.append(.textStart)
        case .textEnd: program.append(.textEnd)
        }
    }

    private mutating func number(of set: CharacterSet) -> Int {
        if let known = sets.firstIndex(of: set) { return known }
        sets.append(set.ready())
        return sets.count - 1
    }

    private mutating func reserveSplit() -> Int {
        program.append(.jump(0))
        return program.count - 1
    }

    private mutating func setSplit(_ at: Int, first: Int, second: Int) {
        program[at] = .split(first, second, splits)
        splits += 1
    }

    private mutating func choose(_ at: Int, body: Int, exit: Int, _ mode: SplitRegexNode.RepetitionMode) {
        if mode == .lazy { setSplit(at, first: exit, second: body) } else { setSplit(at, first: body, second: exit) }
    }

    /// Finds the matches in one text, from left to right.
    struct Search {
        private enum Frame {
            /// Go on here.
            case resume(Int, Int)
            /// Everything from this split at this place has failed.
            case failed(Int, Int)
        }

        private let regex: SplitRegex
        private let text: UnsafeBufferPointer<UInt8>
        private var stack: [Frame] = []
        private var steps = 0
        /// A bit for each split at each place, from when that begins to pay.
        private var failures: [UInt64] = []

        init(_ regex: SplitRegex, in text: UnsafeBufferPointer<UInt8>) { (self.regex, self.text) = (regex, text) }

        /// The first match at or after `start`.
        /// - Throws: `TextError.unsupportedTokenizer` when the search takes absurdly long.
        mutating func next(from start: Int) throws -> Range<Int>? {
            guard let bytes = text.baseAddress else { return nil }
            var at = start
            while at < text.count {
                stack.removeAll(keepingCapacity: true)
                if let end = try match(pc: 0, at: at, bytes) { return at..<end }
                at += UTF8Scalars.decode(bytes, at: at, end: text.count).length
            }
            return nil
        }

        private mutating func match(pc start: Int, at place: Int, _ bytes: UnsafePointer<UInt8>) throws -> Int? {
            let base = stack.count
            var (pc, at) = (start, place)
            while true {
                steps += 1
                if steps & 0xFFFF == 0, steps > 1_000_000 + 2000 * text.count {
                    throw TextError.unsupportedTokenizer(
                        what: "the split pattern \(regex.pattern.prefix(60)), which takes too long on this text")
                }
                var isFailed = false
                switch regex.program[pc] {
                case .set(let set):
                    isFailed = true
                    if at < text.count {
                        let (value, length) = UTF8Scalars.decode(bytes, at: at, end: text.count)
                        if regex.sets[set].contains(value) {
                            at += length
                            pc += 1
                            isFailed = false
                        }
                    }
                case .split(let first, let second, let number):
                    if failures.isEmpty, steps > 4096 + 8 * text.count {
                        failures = [UInt64](repeating: 0, count: (regex.splits * (text.count + 1) + 63) / 64)
                    }
                    if !failures.isEmpty {
                        let bit = number * (text.count + 1) + at
                        if failures[bit >> 6] >> UInt64(bit & 63) & 1 != 0 {
                            isFailed = true
                            break
                        }
                        stack.append(.failed(number, at))
                    }
                    stack.append(.resume(second, at))
                    pc = first
                case .jump(let target): pc = target
                case .look(let isNegative, let target):
                    let end = try match(pc: pc + 1, at: at, bytes)
                    if (end == nil) == isNegative { pc = target } else { isFailed = true }
                case .atomic(let target):
                    if let end = try match(pc: pc + 1, at: at, bytes) { (pc, at) = (target, end) } else { isFailed = true }
                case .behind(let set, let isNegative):
                    let isThere = at > 0 && regex.sets[set].contains(UTF8Scalars.scalar(before: at, in: text))
                    if isThere != isNegative { pc += 1 } else { isFailed = true }
                case .textStart: if at == 0 { pc += 1 } else { isFailed = true }
                case .textEnd: if at == text.count { pc += 1 } else { isFailed = true }
                case .succeed:
                    stack.removeSubrange(base...)
                    return at
                }
                guard isFailed else { continue }
                unwinding: while true {
                    guard stack.count > base, let frame = stack.popLast() else { return nil }
                    switch frame {
                    case .resume(let target, let place):
                        (pc, at) = (target, place)
                        break unwinding
                    case .failed(let number, let place):
                        let bit = number * (text.count + 1) + place
                        failures[bit >> 6] |= 1 << UInt64(bit & 63)
                    }
                }
            }
        }
    }
}
