/// The entries of a zip archive, found from its central directory. Entries that are stored as they are can be used where they
/// lie; compressed ones are refused when they are asked for. Sizes above 4 GiB are understood (zip64).
struct ZipArchive {
    struct Entry {
        let name: String
        let method: Int
        let size: Int
        let stored: Int
        /// Where its local header begins.
        let header: Int
    }

    let file: MappedFile
    let entries: [String: Entry]

    /// - Throws: `FormatError` for a file that is no zip archive, cut short, or lies about its entries.
    init(_ file: MappedFile) throws(FormatError) {
        self.file = file
        func damaged(_ what: String) -> FormatError { FormatError(file.path, "is a zip archive \(what); it is cut short or damaged") }
        // The last record is at the end but for a comment of at most 65535 bytes.
        var end: Int?
        var place = file.count - 22
        while place >= 0, place >= file.count - 22 - 65535 {
            if file.integer(UInt32.self, at: place) == 0x0605_4b50, let comment = file.integer(UInt16.self, at: place + 20),
                place + 22 + Int(comment) == file.count
            {
                end = place
                break
            }
            place -= 1
        }
        guard let end, var count = file.integer(UInt16.self, at: end + 10).map(Int.init),
            var size = file.integer(UInt32.self, at: end + 12).map(Int.init),
            var start = file.integer(UInt32.self, at: end + 16).map(Int.init)
        else { throw damaged("without an end") }
        if count == 0xFFFF || size == 0xFFFF_FFFF || start == 0xFFFF_FFFF, file.integer(UInt32.self, at: end - 20) == 0x0706_4b50 {
            guard let record = file.integer(UInt64.self, at: end - 12).flatMap(Int.init(exactly:)), record <= file.count - 56,
                file.integer(UInt32.self, at: record) == 0x0606_4b50,
                let wideCount = file.integer(UInt64.self, at: record + 32).flatMap(Int.init(exactly:)),
                let wideSize = file.integer(UInt64.self, at: record + 40).flatMap(Int.init(exactly:)),
                let wideStart = file.integer(UInt64.self, at: record + 48).flatMap(Int.init(exactly:))
            else { throw damaged("with a wrong end") }
            (count, size, start) = (wideCount, wideSize, wideStart)
        }
        guard let directory = file.slice(start, size), count <= directory.count / 46 else { throw damaged("whose directory is not in it") }
        var entries: [String: Entry] = [:]
        var offset = start
        for _ in 0..<count {
            guard file.integer(UInt32.self, at: offset) == 0x0201_4b50, let flags = file.integer(UInt16.self, at: offset + 8),
                let method = file.integer(UInt16.self, at: offset + 10),
                let lengths = ZipArchive.lengths(file, at: offset + 28, 3), let nameBytes = file.slice(offset + 46, lengths[0]),
                let extra = file.slice(offset + 46 + lengths[0], lengths[1]), let name = String(validating: nameBytes, as: UTF8.self),
                var stored = file.integer(UInt32.self, at: offset + 20).map(Int.init),
                var size = file.integer(UInt32.self, at: offset + 24).map(Int.init),
                var header = file.integer(UInt32.self, at: offset + 42).map(Int.init)
            else { throw damaged("with a wrong entry") }
            guard flags & 1 == 0 else { throw FormatError(file.path, "is a zip archive with a password, which is not read here") }
            try ZipArchive.widen(&size, &stored, &header, extra, damaged("with a wrong entry"))
            guard entries[name] == nil else { throw damaged("with two entries \(shown(name))") }
            entries[name] = Entry(name: name, method: Int(method), size: size, stored: stored, header: header)
            offset += 46 + lengths.reduce(0, +)
        }
        self.entries = entries
    }

    private static func lengths(_ file: MappedFile, at offset: Int, _ count: Int) -> [Int]? {
        let all = (0..<count).compactMap { file.integer(UInt16.self, at: offset + 2 * $0).map(Int.init) }
        return all.count == count ? all : nil
    }

    /// Sizes that did not fit 32 bits are in the extra field, those only, in this order.
    private static func widen(
        _ size: inout Int, _ stored: inout Int, _ header: inout Int, _ extra: UnsafeRawBufferPointer, _ damage: FormatError
    ) throws(FormatError) {
        var at = 0
        while at + 4 <= extra.count {
            let id = extra.loadUnaligned(fromByteOffset: at, as: UInt16.self).littleEndian
            let length = Int(extra.loadUnaligned(fromByteOffset: at + 2, as: UInt16.self).littleEndian)
            let end = at + 4 + length
            guard end <= extra.count else { throw damage }
            if id == 1 {
                var next = at + 4
                func wide(_ value: Int) throws(FormatError) -> Int {
                    guard value == 0xFFFF_FFFF else { return value }
                    guard next + 8 <= end,
                        let number = Int(exactly: extra.loadUnaligned(fromByteOffset: next, as: UInt64.self).littleEndian)
                    else { throw damage }
                    next += 8
                    return number
                }
                size = try wide(size)
                stored = try wide(stored)
                header = try wide(header)
            }
            at = end
        }
    }

    /// The bytes of an entry, by their place in the file.
    /// - Throws: `FormatError` for one that is compressed, or not where it should be.
    func range(of entry: Entry) throws(FormatError) -> Range<Int> {
        guard entry.method == 0, entry.size == entry.stored else {
            throw FormatError(
                file.path, "keeps \(shown(entry.name)) compressed, which PyTorch does not do; save it again with torch.save")
        }
        guard file.integer(UInt32.self, at: entry.header) == 0x0403_4b50,
            let lengths = ZipArchive.lengths(file, at: entry.header &+ 26, 2)
        else { throw FormatError(file.path, "does not have \(shown(entry.name)) where it should be; it is cut short or damaged") }
        // A directory that points at another entry's place would make one tensor out of another's bytes.
        guard let name = file.slice(entry.header + 30, lengths[0]), name.elementsEqual(entry.name.utf8) else {
            throw FormatError(file.path, "has another entry where \(shown(entry.name)) should be; it is damaged")
        }
        let start = entry.header + 30 + lengths[0] + lengths[1]
        guard file.slice(start, entry.size) != nil else {
            throw FormatError(file.path, "ends within \(shown(entry.name)); it is cut short or damaged")
        }
        return start..<start + entry.size
    }
}
