/// The stack machine of pickles. Containers live in one array and refer to each other by number, so that no nesting, sharing or
/// circle in a hostile file can exhaust the stack or memory: every opcode makes at most one small thing, and what calls copy of
/// their arguments is bounded by the file's size.
struct PickleMachine {
    /// Something on the stack. Texts stay where they are in the pickle.
    enum Item {
        case none
        case bool(Bool)
        case int(Int)
        case double(Double)
        case text(UInt32, UInt32)
        /// A text of protocol 0: Latin-1 with `\u` escapes.
        case escapedText(UInt32, UInt32)
        case bytes(UInt32, UInt32)
        case node(UInt32)
    }

    enum Kind { case list, tuple, dictionary, set, global, call, external }

    /// A container. Of a dictionary keys and values take turns; of a call the first is the global, the rest its arguments.
    struct Node {
        var kind: Kind
        var items: [Item] = []
    }

    let bytes: [UInt8]
    let name: String
    let globals: Set<String>
    let allowsExternal: Bool
    var index = 0
    var stack: [Item] = []
    private var marks: [Int] = []
    var memo: [Item] = []
    /// What is remembered by other numbers than the next.
    var sparseMemo: [Int: Item] = [:]
    var nodes: [Node] = []
    /// Items that calls have copied so far.
    private var copied = 0

    init(_ bytes: [UInt8], name: String, globals: Set<String>, allowsExternal: Bool) {
        (self.bytes, self.name, self.globals, self.allowsExternal) = (bytes, name, globals, allowsExternal)
    }

    func failure(_ message: String) -> FormatError { FormatError(name, "\(message) (byte \(index) of the pickle)") }
    private var cut: FormatError { failure("the pickle is cut short") }

    mutating func run() throws(FormatError) -> PickleValue {
        while true {
            guard index < bytes.count else { throw cut }
            let code = bytes[index]
            index += 1
            if code == UInt8(ascii: ".") { break }
            try obey(code)
            // Real data has a container for every dozen bytes and more; memory for one a byte would dwarf the file.
            let most = 4096 + bytes.count / 4
            guard nodes.count <= most else { throw failure("the pickle is made of empty containers") }
            guard stack.count <= most, memo.count + sparseMemo.count <= most else {
                throw failure("the pickle puts down more than it is made of")
            }
        }
        let result = try pop()
        var builder = PickleBuilder(self)
        return try builder.value(result)
    }

    // MARK: Reading

    mutating func number(_ count: Int) throws(FormatError) -> UInt64 {
        guard count <= bytes.count - index else { throw cut }
        var value: UInt64 = 0
        for position in 0..<count { value |= UInt64(bytes[index + position]) << UInt64(8 * position) }
        index += count
        return value
    }

    /// The range of the next `count` bytes.
    mutating func take(_ count: UInt64) throws(FormatError) -> (UInt32, UInt32) {
        guard count <= UInt64(bytes.count - index) else { throw cut }
        let start = index
        index += Int(count)
        // A pickle has fewer bytes than 2³².
        return (UInt32(start), UInt32(count))
    }

    /// The range of the bytes up to the next line break, which is left out.
    private mutating func line() throws(FormatError) -> (UInt32, UInt32) {
        guard let end = bytes[index...].firstIndex(of: UInt8(ascii: "\n")) else { throw cut }
        defer { index = end + 1 }
        return (UInt32(index), UInt32(end - index))
    }

    func text(_ start: UInt32, _ count: UInt32) throws(FormatError) -> String {
        guard let text = String(validating: bytes[Int(start)..<Int(start) + Int(count)], as: UTF8.self) else {
            throw failure("a string is not UTF-8")
        }
        return text
    }

    /// Python's raw-unicode-escape: Latin-1, and `\uXXXX` or `\UXXXXXXXX` for what that has not.
    func escapedText(_ start: UInt32, _ count: UInt32) throws(FormatError) -> String {
        var rest = bytes[Int(start)..<Int(start) + Int(count)], result = String.UnicodeScalarView()
        while let byte = rest.popFirst() {
            let digits = byte == UInt8(ascii: "\\") ? (rest.first == UInt8(ascii: "u") ? 4 : rest.first == UInt8(ascii: "U") ? 8 : 0) : 0
            guard digits > 0 else {
                result.append(Unicode.Scalar(byte))
                continue
            }
            let text = String(decoding: rest.dropFirst().prefix(digits), as: UTF8.self)
            guard let value = UInt32(text, radix: 16), text.utf8.count == digits, let scalar = Unicode.Scalar(value) else {
                throw failure("a string has a wrong escape")
            }
            result.append(scalar)
            rest = rest.dropFirst(digits + 1)
        }
        return String(result)
    }

    // MARK: The stack

    private mutating func pop() throws(FormatError) -> Item {
        guard stack.count > (marks.last ?? 0), let top = stack.popLast() else { throw failure("the pickle takes what it never put down") }
        return top
    }

    private mutating func popMark() throws(FormatError) -> [Item] {
        guard let mark = marks.popLast() else { throw failure("the pickle takes what it never put down") }
        let items = Array(stack[mark...])
        stack.removeSubrange(mark...)
        return items
    }

    private mutating func push(_ kind: Kind, _ items: [Item] = []) {
        stack.append(.node(UInt32(nodes.count)))
        nodes.append(Node(kind: kind, items: items))
    }

    /// The container on top, which stays there.
    private func top(_ kinds: Kind...) throws(FormatError) -> Int {
        guard stack.count > (marks.last ?? 0), case .node(let node)? = stack.last, kinds.contains(nodes[Int(node)].kind) else {
            throw failure("the pickle fills what is no container")
        }
        return Int(node)
    }

    private mutating func remember(_ place: Int) throws(FormatError) {
        guard stack.count > (marks.last ?? 0), let item = stack.last else { throw failure("the pickle remembers what is not there") }
        // Pickles number what they remember from 0 on.
        if place == memo.count {
            memo.append(item)
        } else if memo.indices.contains(place) {
            memo[place] = item
        } else {
            sparseMemo[place] = item
        }
    }

    private mutating func recall(_ place: Int) throws(FormatError) {
        guard let item = memo.indices.contains(place) ? memo[place] : sparseMemo[place] else {
            throw failure("the pickle recalls what it never remembered")
        }
        stack.append(item)
    }

    private mutating func decimal() throws(FormatError) -> String {
        let (start, count) = try line()
        guard count <= 64 else { throw failure("a number has too many digits") }
        return try text(start, count)
    }

    private mutating func global(_ module: String, _ member: String) throws(FormatError) {
        // Python 2 called it by another name.
        let name = "\(module).\(member)"
        guard globals.contains(name) else {
            throw FormatError(
                self.name,
                "asks for \(shown(name)), which is not among what weights or tables need; nothing of it was executed. "
                    + "Do not load this file in Python unless you know who made it")
        }
        nodes.append(Node(kind: .global, items: [.int(nodes.count)]))
        stack.append(.node(UInt32(nodes.count - 1)))
        globalNames[nodes.count - 1] = name
    }

    /// The names of the nodes that are globals.
    private(set) var globalNames: [Int: String] = [:]

    // MARK: Opcodes

    private mutating func obey(_ code: UInt8) throws(FormatError) {
        switch code {
        case 0x80:
            let version = try number(1)
            guard version <= 5 else { throw failure("protocol \(version) is not known here; 0 to 5 are") }
        case 0x95: _ = try number(8)
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "0"):
            if let mark = marks.last, mark == stack.count { marks.removeLast() } else { _ = try pop() }
        case UInt8(ascii: "1"): _ = try popMark()
        case UInt8(ascii: "2"):
            let item = try pop()
            stack += [item, item]
        case UInt8(ascii: "N"): stack.append(.none)
        case 0x88: stack.append(.bool(true))
        case 0x89: stack.append(.bool(false))
        case UInt8(ascii: "I"), UInt8(ascii: "L"): try decimalInteger()
        case UInt8(ascii: "F"):
            guard let value = Double(try decimal()) else { throw failure("a number is none") }
            stack.append(.double(value))
        case UInt8(ascii: "J"): stack.append(.int(Int(Int32(truncatingIfNeeded: try number(4)))))
        case UInt8(ascii: "K"): stack.append(.int(Int(try number(1))))
        case UInt8(ascii: "M"): stack.append(.int(Int(try number(2))))
        case 0x8a: try longInteger(try number(1))
        case 0x8b: try longInteger(try number(4))
        case UInt8(ascii: "G"): stack.append(.double(Double(bitPattern: try number(8).byteSwapped)))
        case UInt8(ascii: "X"): try string(try number(4))
        case 0x8c: try string(try number(1))
        case 0x8d: try string(try number(8))
        case UInt8(ascii: "V"): try line(as: Item.escapedText)
        case UInt8(ascii: "S"): try quotedLine()
        case UInt8(ascii: "U"): try string(try number(1))
        case UInt8(ascii: "T"): try string(try number(4))
        case UInt8(ascii: "B"): try byteString(try number(4))
        case UInt8(ascii: "C"): try byteString(try number(1))
        case 0x8e, 0x96: try byteString(try number(8))
        case UInt8(ascii: "]"): push(.list)
        case UInt8(ascii: ")"): push(.tuple)
        case UInt8(ascii: "}"): push(.dictionary)
        case 0x8f: push(.set)
        case UInt8(ascii: "l"): push(.list, try popMark())
        case UInt8(ascii: "t"): push(.tuple, try popMark())
        case 0x91: push(.set, try popMark())
        case UInt8(ascii: "d"): push(.dictionary, try pairs(popMark()))
        case 0x85: push(.tuple, [try pop()])
        case 0x86, 0x87:
            var items: [Item] = []
            for _ in 0..<(code == 0x86 ? 2 : 3) { items.insert(try pop(), at: 0) }
            push(.tuple, items)
        case UInt8(ascii: "a"):
            let item = try pop()
            nodes[try top(.list)].items.append(item)
        case UInt8(ascii: "e"):
            let items = try popMark()
            nodes[try top(.list)].items += items
        case 0x90:
            let items = try popMark()
            nodes[try top(.set)].items += items
        case UInt8(ascii: "s"):
            let value = try pop(), key = try pop()
            try fill([key, value])
        case UInt8(ascii: "u"): try fill(try pairs(popMark()))
        case UInt8(ascii: "p"), UInt8(ascii: "g"):
            guard let place = Int(try decimal()), place >= 0 else { throw failure("a place to remember is no number") }
            if code == UInt8(ascii: "p") { try remember(place) } else { try recall(place) }
        case UInt8(ascii: "q"): try remember(Int(try number(1)))
        case UInt8(ascii: "r"): try remember(Int(try number(4)))
        case 0x94: try remember(memo.count + sparseMemo.count)
        case UInt8(ascii: "h"): try recall(Int(try number(1)))
        case UInt8(ascii: "j"): try recall(Int(try number(4)))
        case UInt8(ascii: "c"):
            let module = try line(), member = try line()
            try global(text(module.0, module.1), text(member.0, member.1))
        case 0x93:
            guard case .text(let b0, let b1) = try pop(), case .text(let a0, let a1) = try pop() else {
                throw failure("a global has no name")
            }
            try global(text(a0, a1), text(b0, b1))
        case UInt8(ascii: "R"), 0x81: try call()
        case UInt8(ascii: "b"): try build()
        case UInt8(ascii: "Q"):
            guard allowsExternal else { throw failure("refers to something outside of the pickle, which only a PyTorch file may") }
            push(.external, [try pop()])
        default:
            let hexadecimal = String(code, radix: 16)
            throw failure("has opcode 0x\(hexadecimal), which is not needed for data and not obeyed here, or no pickle at all")
        }
    }

    private mutating func pairs(_ items: [Item]) throws(FormatError) -> [Item] {
        guard items.count % 2 == 0 else { throw failure("a dictionary has a key without a value") }
        return items
    }

    /// Puts keys and values into the dictionary on top, or into the ordered dictionary that a call stands for.
    private mutating func fill(_ items: [Item]) throws(FormatError) {
        let node = try top(.dictionary, .call)
        if nodes[node].kind == .call { try becomeDictionary(node) }
        nodes[node].items += items
    }

    /// `OrderedDict()` is an empty dictionary, `OrderedDict(pairs)` one with pairs.
    private mutating func becomeDictionary(_ node: Int) throws(FormatError) {
        let items = nodes[node].items
        guard case .node(let global)? = items.first, globalNames[Int(global)] == "collections.OrderedDict" else {
            throw failure("the pickle fills what is no container")
        }
        var content: [Item] = []
        if items.count > 1 {
            guard items.count == 2, case .node(let list) = items[1], nodes[Int(list)].kind == .list else {
                throw failure("an OrderedDict is made of something else than pairs")
            }
            try countCopy(of: 2 * nodes[Int(list)].items.count)
            for item in nodes[Int(list)].items {
                guard case .node(let pair) = item, nodes[Int(pair)].items.count == 2, [.list, .tuple].contains(nodes[Int(pair)].kind) else {
                    throw failure("an OrderedDict is made of something else than pairs")
                }
                content += nodes[Int(pair)].items
            }
        }
        nodes[node] = Node(kind: .dictionary, items: content)
    }

    /// Keeps what would be called with what; nothing is.
    private mutating func call() throws(FormatError) {
        guard case .node(let arguments) = try pop(), nodes[Int(arguments)].kind == .tuple, case .node(let global) = try pop(),
            globalNames[Int(global)] != nil
        else { throw failure("calls what is no global") }
        try countCopy(of: nodes[Int(arguments)].items.count)
        push(.call, [.node(global)] + nodes[Int(arguments)].items)
        if globalNames[Int(global)] == "collections.OrderedDict" { try becomeDictionary(nodes.count - 1) }
    }

    /// Arguments that are written once are copied once; a file that has the same ones copied again and again is no data.
    private mutating func countCopy(of count: Int) throws(FormatError) {
        copied += count
        guard copied <= 4096 + 2 * bytes.count else { throw failure("the pickle copies the same values over and over") }
    }

    /// A state for an object: of a dictionary it is attributes, such as the versions of a state dict's modules, and no content.
    private mutating func build() throws(FormatError) {
        _ = try pop()
        _ = try top(.dictionary)
    }

    private mutating func decimalInteger() throws(FormatError) {
        var digits = try decimal()
        if digits.hasSuffix("L") { digits.removeLast() }
        switch digits {
        case "00": stack.append(.bool(false))
        case "01": stack.append(.bool(true))
        default:
            guard let value = Int(digits) else { throw failure("a whole number is none, or has more than 64 bits") }
            stack.append(.int(value))
        }
    }

    private mutating func longInteger(_ count: UInt64) throws(FormatError) {
        guard count <= 8 else { throw failure("a whole number has more than 64 bits") }
        let value = try number(Int(count)), unused = UInt64(64 - 8 * count)
        stack.append(.int(count == 0 ? 0 : Int(bitPattern: UInt(truncatingIfNeeded: value << unused)) >> Int(unused)))
    }

    private mutating func string(_ count: UInt64) throws(FormatError) {
        let (start, count) = try take(count)
        stack.append(.text(start, count))
    }

    private mutating func byteString(_ count: UInt64) throws(FormatError) {
        let (start, count) = try take(count)
        stack.append(.bytes(start, count))
    }

    private mutating func line(as make: (UInt32, UInt32) -> Item) throws(FormatError) {
        let (start, count) = try line()
        stack.append(make(start, count))
    }

    /// A string in quotes without escapes, as protocol 0 writes names.
    private mutating func quotedLine() throws(FormatError) {
        let (start, count) = try line()
        let text = bytes[Int(start)..<Int(start) + Int(count)]
        guard count >= 2, let first = text.first, first == text.last, first == UInt8(ascii: "'") || first == UInt8(ascii: "\""),
            !text.contains(UInt8(ascii: "\\"))
        else { throw failure("a string of protocol 0 has no quotes, or escapes") }
        stack.append(.text(start + 1, count - 2))
    }
}
