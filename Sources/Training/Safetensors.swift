import Configuration
import Foundation

/// Hugging Face's tensor file: eight bytes of length, a JSON header of names, types, shapes and byte ranges, then the
/// tensors one behind another.
public enum Safetensors {
    /// One tensor of a file.
    public struct Entry: Sendable, Equatable {
        public let dtype: String
        public let shape: [Int]
        /// Bytes, counted from the end of the header.
        public let range: Range<Int>
    }

    /// What is wrong with a file, on one line.
    public struct Failure: Error, CustomStringConvertible, Sendable {
        public let description: String
        init(_ file: String, _ message: String) { description = "\(file): \(message)" }
    }

    /// Bytes an element, for the types that are known.
    static let sizes: [String: Int] = [
        "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
    ]
    private static let longestHeader = 100 << 20

    /// A file opened for reading, memory-mapped.
    public struct File: Sendable {
        public let entries: [String: Entry]
        public let metadata: [String: String]
        private let data: Data
        private let start: Int
        private let path: String

        /// - Throws: `Failure` for a file that is missing, cut short, or lies about what is in it.
        public init(path: String) throws {
            self.path = path
            do {
                data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
            } catch {
                throw Failure(path, "cannot be read; is it there, and may you read it?")
            }
            guard data.count >= 8 else { throw Failure(path, "is too short to be a safetensors file") }
            let length = data.prefix(8).enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (8 * UInt64($1.offset)) }
            guard length <= UInt64(min(longestHeader, data.count - 8)) else {
                throw Failure(
                    path, "says its header has \(length) bytes, but the file has \(data.count); it is cut short or no safetensors file")
            }
            start = 8 + Int(length)
            guard let json = try? JSON(parsing: data.subdata(in: 8..<start)), let members = json.objectValue else {
                throw Failure(path, "has a header that is not a JSON object; it is damaged")
            }
            metadata = (members["__metadata__"]?.objectValue ?? [:]).compactMapValues(\.stringValue)
            var entries: [String: Entry] = [:]
            for (name, value) in members where name != "__metadata__" {
                entries[name] = try File.entry(name, value, bytes: data.count - start, path)
            }
            var end = 0
            for (name, entry) in entries.sorted(by: {
                ($0.value.range.lowerBound, $0.value.range.upperBound, $0.key) < (
                    $1.value.range.lowerBound, $1.value.range.upperBound, $1.key
                )
            }) {
                guard entry.range.lowerBound == end else {
                    throw Failure(path, "tensor \"\(name)\" overlaps another or leaves a hole; the file is damaged")
                }
                end = entry.range.upperBound
            }
            guard end == data.count - start else {
                throw Failure(path, "has \(data.count - start - end) bytes that belong to no tensor; the file is damaged")
            }
            self.entries = entries
        }

        private static func entry(_ name: String, _ json: JSON, bytes: Int, _ path: String) throws -> Entry {
            guard let dtype = json["dtype"]?.stringValue, let size = sizes[dtype],
                let shape = json["shape"]?.arrayValue?.map(\.intValue), let offsets = json["data_offsets"]?.arrayValue,
                offsets.count == 2, let first = offsets[0].intValue, let last = offsets[1].intValue,
                first >= 0, first <= last, last <= bytes
            else { throw Failure(path, "describes tensor \"\(name)\" wrongly; the file is damaged") }
            var count = size
            for dimension in shape {
                guard let dimension, dimension >= 0 else { throw Failure(path, "tensor \"\(name)\" has an impossible shape") }
                let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
                guard !overflow else { throw Failure(path, "tensor \"\(name)\" has an impossible shape") }
                count = product
            }
            guard count == last - first else {
                throw Failure(path, "tensor \"\(name)\" has \(last - first) bytes where its shape needs \(count)")
            }
            return Entry(dtype: dtype, shape: shape.compactMap { $0 }, range: first..<last)
        }

        /// Calls `body` with the bytes of one tensor.
        /// - Throws: `Failure` when there is no such tensor, or it is of another type or shape.
        public func withBytes<Result>(
            of name: String, dtype: String, shape: [Int], _ body: (UnsafeRawBufferPointer) throws -> Result
        ) throws -> Result {
            guard let entry = entries[name] else { throw Failure(path, "has no tensor \"\(name)\"") }
            guard entry.dtype == dtype, entry.shape == shape else {
                throw Failure(path, "tensor \"\(name)\" is \(entry.dtype) \(entry.shape); \(dtype) \(shape) is wanted")
            }
            return try data.withUnsafeBytes { bytes in
                try body(
                    UnsafeRawBufferPointer(rebasing: bytes[start + entry.range.lowerBound..<start + entry.range.upperBound]))
            }
        }

        public func floats(_ name: String) throws -> [Float] {
            let shape = entries[name]?.shape ?? []
            return try withBytes(of: name, dtype: "F32", shape: shape) { copy($0, Float.self, shape.reduce(1, *)) }
        }

        public func int32s(_ name: String) throws -> [Int32] {
            let shape = entries[name]?.shape ?? []
            return try withBytes(of: name, dtype: "I32", shape: shape) { copy($0, Int32.self, shape.reduce(1, *)) }
        }

        private func copy<Element>(_ bytes: UnsafeRawBufferPointer, _: Element.Type, _ count: Int) -> [Element] {
            [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
                UnsafeMutableRawBufferPointer(buffer).copyMemory(from: bytes)
                initialized = count
            }
        }
    }

    /// A tensor to be written; `bytes` is asked for when its turn comes.
    public struct Source {
        let name: String, dtype: String, shape: [Int]
        let write: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
    }

    /// Writes tensors in the given order, in one stream, then asks the system to put them on the disk.
    public static func write(_ sources: [Source], metadata: [String: String], to path: String) throws {
        var offset = 0
        var header: [String: JSON] = ["__metadata__": .object(metadata.mapValues { .string($0) })]
        for source in sources {
            let bytes = source.shape.reduce(sizes[source.dtype] ?? 4, *)
            header[source.name] = [
                "dtype": .string(source.dtype), "shape": .array(source.shape.map { .int($0) }),
                "data_offsets": [.int(offset), .int(offset + bytes)],
            ]
            offset += bytes
        }
        var text = Data(JSON.object(header).text(pretty: false).utf8)
        text.append(contentsOf: [UInt8](repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8))
        guard FileManager.default.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path)
        else { throw Failure(path, "cannot be created; is the disk full, or the folder read-only?") }
        defer { try? file.close() }
        do {
            try file.write(contentsOf: withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) })
            try file.write(contentsOf: text)
            for source in sources {
                try source.write { bytes in
                    guard let base = bytes.baseAddress, bytes.count > 0 else { return }
                    let data = Data(bytesNoCopy: UnsafeMutableRawPointer(mutating: base), count: bytes.count, deallocator: .none)
                    try file.write(contentsOf: data)
                }
            }
            try file.synchronize()
        } catch {
            throw Failure(path, "cannot be written: \(error.localizedDescription)")
        }
    }
}
