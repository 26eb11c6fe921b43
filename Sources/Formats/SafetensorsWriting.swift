import Configuration
import Foundation

extension Safetensors {
    /// A tensor to be written; its bytes are asked for when its turn comes.
    public struct Source {
        let name: String, type: ElementType, shape: [Int]
        let write: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void

        /// - Parameters:
        ///   - type: the type in the file.
        ///   - floats: hands on the numbers as float32, row by row, in any number of pieces.
        public init(
            name: String, type: ElementType = .float32, shape: [Int],
            floats: @escaping ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
        ) {
            (self.name, self.type, self.shape) = (name, type, shape)
            write = { write in try floats { piece in try Source.convert(piece, to: type, write) } }
        }

        private static func convert(
            _ piece: UnsafeRawBufferPointer, to type: ElementType, _ write: (UnsafeRawBufferPointer) throws -> Void
        ) throws {
            guard type == .float16 || type == .bfloat16 else { return try write(piece) }
            let numbers = (0..<piece.count / 4).map { index -> UInt16 in
                let value = piece.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
                return (type == .float16 ? HalfPrecision.half(value) : HalfPrecision.bfloat(value)).littleEndian
            }
            try numbers.withUnsafeBytes(write)
        }
    }

    /// Writes tensors in the given order, in one stream, then asks the system to put them on the disk.
    /// - Throws: `FormatError` when the file cannot be written, or two tensors have one name.
    public static func write(_ sources: [Source], metadata: [String: String], to path: String) throws {
        var offset = 0
        var header: [String: JSON] = ["__metadata__": .object(metadata.mapValues { .string($0) })]
        for source in sources {
            guard header[source.name] == nil else { throw Failure(path, "two tensors would be called \(shown(source.name))") }
            let bytes = source.shape.reduce(source.type.size, *)
            header[source.name] = [
                "dtype": .string(source.type.rawValue), "shape": .array(source.shape.map { .int($0) }),
                "data_offsets": [.int(offset), .int(offset + bytes)],
            ]
            offset += bytes
        }
        var text = Data(JSON.object(header).text(pretty: false).utf8)
        text.append(contentsOf: [UInt8](repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8))
        let file = try FileWriter(path)
        try withUnsafeBytes(of: UInt64(text.count).littleEndian) { try file.write($0) }
        try text.withUnsafeBytes { try file.write($0) }
        for source in sources { try source.write { try file.write($0) } }
        try file.finish()
    }
}

/// A file written from its beginning to its end.
final class FileWriter {
    private let path: String
    private let file: FileHandle
    /// Bytes written so far.
    private(set) var count = 0

    init(_ path: String) throws {
        self.path = path
        guard FileManager.default.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path)
        else { throw FormatError(path, "cannot be created; is the disk full, or the folder read-only?") }
        self.file = file
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        let data = Data(bytesNoCopy: UnsafeMutableRawPointer(mutating: base), count: bytes.count, deallocator: .none)
        do {
            try file.write(contentsOf: data)
        } catch {
            throw FormatError(path, "cannot be written: \(error.localizedDescription)")
        }
        count += bytes.count
    }

    func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

    /// Writes over what was written from `offset` on.
    func rewrite(_ bytes: [UInt8], at offset: Int) throws {
        do {
            try file.seek(toOffset: UInt64(offset))
            try file.write(contentsOf: bytes)
            try file.seekToEnd()
        } catch {
            throw FormatError(path, "cannot be written: \(error.localizedDescription)")
        }
    }

    /// Puts everything on the disk.
    func finish() throws {
        do {
            try file.synchronize()
            try file.close()
        } catch {
            throw FormatError(path, "cannot be written: \(error.localizedDescription)")
        }
    }
}
