/// Writes a zip archive of stored entries, one after another. Contents begin at multiples of 64 bytes, as PyTorch has them.
final class ZipWriter {
    private let file: FileWriter
    private let path: String
    private var directory: [UInt8] = []
    private var count = 0

    init(_ path: String) throws {
        self.path = path
        file = try FileWriter(path)
    }

    /// - Parameters:
    ///   - size: bytes that `write` will hand on.
    /// - Throws: `FormatError` for an entry above 4 GiB, or when the file cannot be written.
    func add(_ name: String, size: Int, _ write: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void) throws {
        guard let size32 = UInt32(exactly: size), size32 < .max else { throw FormatError(path, "\(shown(name)) is larger than 4 GiB") }
        let start = file.count, title = Array(name.utf8)
        let padding = (64 - (start + 30 + title.count + 4) % 64) % 64
        let extra = Self.little(UInt16(0x4246)) + Self.little(UInt16(padding)) + [UInt8](repeating: 0, count: padding)
        // Version, flags (names are UTF-8), stored, no time; the checksum is filled in when it is known.
        let common = Self.little(UInt16(0x0800)) + Self.little(UInt16(0)) + Self.little(UInt32(0x0021_0000))
        func sizes(_ sum: UInt32) -> [UInt8] { Self.little(sum) + Self.little(size32) + Self.little(size32) }
        let head = Self.little(UInt32(0x0403_4b50)) + Self.little(UInt16(20)) + common
        try file.write(head + sizes(0) + Self.little(UInt16(title.count)) + Self.little(UInt16(extra.count)) + title + extra)
        var checksum = Checksum(), written = 0
        try write { bytes in
            checksum.add(bytes)
            written += bytes.count
            try file.write(bytes)
        }
        guard written == size else { throw FormatError(path, "\(shown(name)) came to \(written) bytes instead of \(size)") }
        try file.rewrite(Self.little(checksum.value), at: start + head.count)
        // A place beyond 4 GiB goes into an extra field.
        let isFar = start >= 0xFFFF_FFFF
        let wide = isFar ? Self.little(UInt16(1)) + Self.little(UInt16(8)) + Self.little(UInt64(start)) : []
        directory += Self.little(UInt32(0x0201_4b50)) + Self.little(UInt16(45)) + Self.little(UInt16(45)) + common + sizes(checksum.value)
        directory += Self.little(UInt16(title.count)) + Self.little(UInt16(wide.count)) + [UInt8](repeating: 0, count: 10)
        directory += Self.little(isFar ? UInt32.max : UInt32(start)) + title + wide
        count += 1
    }

    func add(_ name: String, _ content: [UInt8]) throws {
        try add(name, size: content.count) { write in try content.withUnsafeBytes { try write($0) } }
    }

    func finish() throws {
        let start = file.count, size = directory.count
        try file.write(directory)
        if start >= 0xFFFF_FFFF || count >= 0xFFFF {
            let record = file.count
            try file.write(
                Self.little(UInt32(0x0606_4b50)) + Self.little(UInt64(44)) + Self.little(UInt16(45)) + Self.little(UInt16(45))
                    + [UInt8](repeating: 0, count: 8) + Self.little(UInt64(count)) + Self.little(UInt64(count)) + Self.little(UInt64(size))
                    + Self.little(UInt64(start)))
            try file.write(Self.little(UInt32(0x0706_4b50)) + Self.little(UInt32(0)) + Self.little(UInt64(record)) + Self.little(UInt32(1)))
        }
        let entries = Self.little(UInt16(min(count, 0xFFFF)))
        try file.write(
            Self.little(UInt32(0x0605_4b50)) + [0, 0, 0, 0] + entries + entries + Self.little(UInt32(min(size, 0xFFFF_FFFF)))
                + Self.little(UInt32(min(start, 0xFFFF_FFFF))) + [0, 0])
        try file.finish()
    }

    private static func little<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
}

/// CRC-32 as zip has it.
struct Checksum {
    private var state: UInt32 = .max
    var value: UInt32 { ~state }

    /// Eight tables: the effect of a byte at each of eight places.
    private static let tables: [[UInt32]] = {
        var first: [UInt32] = []
        for byte in 0..<256 {
            var value = UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? (value >> 1) ^ 0xEDB8_8320 : value >> 1 }
            first.append(value)
        }
        var all = [first]
        for place in 1..<8 {
            all.append(all[place - 1].map { (value: UInt32) -> UInt32 in (value >> 8) ^ first[Int(value & 0xFF)] })
        }
        return all
    }()

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        let flat = Checksum.tables.flatMap { $0 }
        flat.withUnsafeBufferPointer { table in
            var index = 0, state = state
            while index + 8 <= bytes.count {
                let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian ^ UInt64(state)
                var next: UInt32 = 0
                for place in 0..<8 {
                    let byte = Int((word >> UInt64(8 * place)) & 0xFF)
                    next ^= table[(7 - place) * 256 + byte]
                }
                state = next
                index += 8
            }
            while index < bytes.count {
                state = (state >> 8) ^ table[Int((state ^ UInt32(bytes[index])) & 0xFF)]
                index += 1
            }
            self.state = state
        }
    }
}
