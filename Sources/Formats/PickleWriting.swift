/// Writes pickles of protocol 2: what `torch.load` and `pickle.load` read.
struct PickleWriter {
    private(set) var bytes: [UInt8] = [0x80, 2]

    mutating func write(_ value: PickleValue) {
        switch value {
        case .none: op("N")
        case .bool(let flag): bytes.append(flag ? 0x88 : 0x89)
        case .int(let number): integer(number)
        case .double(let number):
            op("G")
            bytes += withUnsafeBytes(of: number.bitPattern.bigEndian) { Array($0) }
        case .string(let text): string(text)
        case .bytes(let content): write(.list(content.map { .int(Int($0)) }))
        case .list(let items), .set(let items):
            op("](")
            for item in items { write(item) }
            op("e")
        case .tuple(let items):
            op("(")
            for item in items { write(item) }
            op("t")
        case .dictionary(let pairs):
            op("}(")
            for pair in pairs {
                write(pair.key)
                write(pair.value)
            }
            op("u")
        case .global(let name):
            let parts = name.split(separator: ".")
            op("c\(parts.dropLast().joined(separator: "."))\n\(parts.last ?? "")\n")
        case .call(let name, let arguments):
            write(.global(name))
            write(.tuple(arguments))
            op("R")
        case .external(let place):
            write(place)
            op("Q")
        }
    }

    mutating func finish() { op(".") }

    private mutating func op(_ text: String) { bytes += text.utf8 }

    private mutating func integer(_ number: Int) {
        if let small = Int32(exactly: number) {
            op("J")
            bytes += withUnsafeBytes(of: small.littleEndian) { Array($0) }
        } else {
            bytes += [0x8a, 8] + withUnsafeBytes(of: number.littleEndian) { Array($0) }
        }
    }

    private mutating func string(_ text: String) {
        op("X")
        bytes += withUnsafeBytes(of: UInt32(truncatingIfNeeded: text.utf8.count).littleEndian) { Array($0) }
        bytes += text.utf8
    }
}

extension PickleValue {
    /// The pickle of this value, protocol 2.
    public var pickled: [UInt8] {
        var writer = PickleWriter()
        writer.write(self)
        writer.finish()
        return writer.bytes
    }
}
