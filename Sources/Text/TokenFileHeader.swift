extension TokenFile {
    /// What a token file says about itself, checked against what it is.
    package struct Header {
        let isWide: Bool
        let vocabularySize: Int
        let count: Int
        /// Of the tokens; 0 in one that is still to be written.
        let checksum: UInt64

        package init(isWide: Bool, vocabularySize: Int, count: Int) {
            self.init(isWide: isWide, vocabularySize: vocabularySize, count: count, checksum: 0)
        }

        private init(isWide: Bool, vocabularySize: Int, count: Int, checksum: UInt64) {
            (self.isWide, self.vocabularySize, self.count, self.checksum) = (isWide, vocabularySize, count, checksum)
        }

        /// Reads the header of a whole file, which must be at least as long as a header.
        init(_ file: UnsafeRawBufferPointer, damaged: (String) -> TextError) throws {
            func word(_ offset: Int) -> UInt64 {
                UInt64(littleEndian: file.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            }
            guard word(0) == TokenFile.magic else { throw damaged("it does not start as one") }
            guard word(56) == Header.hash(UnsafeRawBufferPointer(rebasing: file[..<56])) else {
                throw damaged("the header does not match its checksum")
            }
            let version = UInt32(truncatingIfNeeded: word(8)), width = Int(word(8) >> 32)
            guard version == TokenFile.version else {
                throw damaged("format version \(version), this program reads \(TokenFile.version)")
            }
            guard let size = Int32(exactly: word(16)), size > 0 else { throw damaged("vocabulary of \(word(16))") }
            guard width == (TokenFile.isWide(Int(size)) ? 4 : 2) else { throw damaged("\(width) bytes per token") }
            let payload = UnsafeRawBufferPointer(rebasing: file[TokenFile.headerSize...])
            guard payload.count % width == 0, word(24) == UInt64(payload.count / width) else {
                throw damaged("\(payload.count) bytes of tokens where the header has \(word(24)) tokens of \(width)")
            }
            guard word(32) == Header.hash(payload) else { throw damaged("the tokens do not match their checksum") }
            self.init(isWide: width == 4, vocabularySize: Int(size), count: payload.count / width, checksum: word(32))
            // A checksum can be made to fit; an id out of range would be read from beyond an embedding table.
            let largest: UInt32
            if isWide {
                largest = payload.bindMemory(to: UInt32.self).reduce(0) { max($0, $1) }
            } else {
                largest = UInt32(payload.bindMemory(to: UInt16.self).reduce(0) { max($0, $1) })
            }
            guard count == 0 || largest < UInt32(size) else { throw damaged("token \(largest) in a vocabulary of \(size)") }
        }

        /// The 64 bytes to go before `payload`.
        package func bytes(for payload: UnsafeRawBufferPointer) -> [UInt8] {
            let width: UInt64 = isWide ? 4 : 2
            let words = [
                TokenFile.magic, UInt64(TokenFile.version) | width << 32, UInt64(vocabularySize), UInt64(count),
                Header.hash(payload), 0, 0,
            ]
            var bytes = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64($0 * 8)) } }
            let checksum = bytes.withUnsafeBytes { Header.hash($0) }
            bytes.append(contentsOf: (0..<8).map { UInt8(truncatingIfNeeded: checksum >> UInt64($0 * 8)) })
            return bytes
        }

        package static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
            ContentHash.fold(bytes, seed: UInt64(TokenFile.version))
        }
    }
}
