/// Makes a value out of what the machine left: shared parts are made once, and a circle, a nesting without end or a sharing that
/// would unfold beyond all bounds is refused.
struct PickleBuilder {
    private let machine: PickleMachine
    private var made: [UInt32: (value: PickleValue, size: Int)] = [:]
    private var depth = 0
    private static let deepest = 64
    /// A value may unfold to this many parts at most, whatever is shared.
    private let largest: Int

    init(_ machine: PickleMachine) {
        self.machine = machine
        largest = 4 * machine.bytes.count + 1024
    }

    mutating func value(_ item: PickleMachine.Item) throws(FormatError) -> PickleValue { try sized(item).value }

    private mutating func sized(_ item: PickleMachine.Item) throws(FormatError) -> (value: PickleValue, size: Int) {
        switch item {
        case .none: return (.none, 1)
        case .bool(let value): return (.bool(value), 1)
        case .int(let value): return (.int(value), 1)
        case .double(let value): return (.double(value), 1)
        case .text(let start, let count): return (.string(try machine.text(start, count)), 1 + Int(count))
        case .escapedText(let start, let count): return (.string(try machine.escapedText(start, count)), 1 + Int(count))
        case .bytes(let start, let count): return (.bytes(Array(machine.bytes[Int(start)..<Int(start) + Int(count)])), 1 + Int(count))
        case .node(let number):
            if let known = made[number] { return known }
            depth += 1
            defer { depth -= 1 }
            guard depth <= PickleBuilder.deepest else {
                throw FormatError(machine.name, "holds itself, or is nested more than \(PickleBuilder.deepest) deep")
            }
            let result = try container(Int(number))
            made[number] = result
            return result
        }
    }

    private mutating func container(_ number: Int) throws(FormatError) -> (value: PickleValue, size: Int) {
        let node = machine.nodes[number]
        if node.kind == .global { return (.global(machine.globalNames[number] ?? ""), 1) }
        var items: [PickleValue] = [], size = 1
        items.reserveCapacity(node.items.count)
        for item in node.items {
            let part = try sized(item)
            items.append(part.value)
            size += part.size
            guard size <= largest else { throw FormatError(machine.name, "unfolds to far more than its own size") }
        }
        switch node.kind {
        case .list: return (.list(items), size)
        case .tuple: return (.tuple(items), size)
        case .set: return (.set(items), size)
        case .external: return (.external(items.first ?? .none), size)
        case .call:
            guard case .global(let name)? = items.first else { return (.none, size) }
            return (.call(name, Array(items.dropFirst())), size)
        default:
            let pairs = stride(from: 0, to: items.count - 1, by: 2).map { PickleValue.Pair(key: items[$0], value: items[$0 + 1]) }
            return (.dictionary(pairs), size)
        }
    }
}
