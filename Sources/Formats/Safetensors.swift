import Configuration
import Foundation

/// Hugging Face's tensor file: eight bytes of length, a JSON header of names, types, shapes and byte ranges, then the
/// tensors one behind another.
public enum Safetensors {
    /// One tensor of a file.
    public struct Entry: Sendable, Equatable {
        /// The type under its name in the format: "F32".
        public let dtype: String
        public let shape: [Int]
        /// Bytes, counted from the end of the header.
        public let range: Range<Int>
    }

    /// What is wrong with a file, on one line.
    public typealias Failure = FormatError

    private static let longestHeader = 100 << 20

    /// A file opened for reading, memory-mapped.
    public struct File: Sendable {
        public let entries: [String: Entry]
        public let metadata: [String: String]
        private let file: MappedFile
        private let start: Int
        private var path: String { file.path }

        /// - Throws: `FormatError` for a file that is missing, cut short, or lies about what is in it.
        public init(path: String) throws {
            try self.init(MappedFile(path: path))
        }

        init(_ file: MappedFile) throws {
            self.file = file
            let path = file.path
            guard let length = file.integer(UInt64.self, at: 0) else { throw Failure(path, "is too short to be a safetensors file") }
            guard length <= UInt64(min(longestHeader, file.count - 8)), let header = file.slice(8, Int(length)) else {
                throw Failure(
                    path, "says its header has \(length) bytes, but the file has \(file.count); it is cut short or no safetensors file")
            }
            start = 8 + Int(length)
            guard let json = try? JSON(parsing: Data(header)), let members = json.objectValue else {
                throw Failure(path, "has a header that is not a JSON object; it is damaged")
            }
            metadata = (members["__metadata__"]?.objectValue ?? [:]).compactMapValues(\.stringValue)
            var entries: [String: Entry] = [:]
            for (name, value) in members where name != "__metadata__" {
                entries[name] = try File.entry(name, value, bytes: file.count - start, path)
            }
            var end = 0
            for (name, entry) in entries.sorted(by: {
                ($0.value.range.lowerBound, $0.value.range.upperBound, $0.key) < (
                    $1.value.range.lowerBound, $1.value.range.upperBound, $1.key
                )
            }) {
                guard entry.range.lowerBound == end else {
                    throw Failure(path, "tensor \(shown(name)) overlaps another or leaves a hole; the file is damaged")
                }
                end = entry.range.upperBound
            }
            guard end == file.count - start else {
                throw Failure(path, "has \(file.count - start - end) bytes that belong to no tensor; the file is damaged")
            }
            self.entries = entries
        }

        private static func entry(_ name: String, _ json: JSON, bytes: Int, _ path: String) throws -> Entry {
            guard let dtype = json["dtype"]?.stringValue, let shape = json["shape"]?.arrayValue?.map(\.intValue),
                let offsets = json["data_offsets"]?.arrayValue,
                offsets.count == 2, let first = offsets[0].intValue, let last = offsets[1].intValue,
                first >= 0, first <= last
            else { throw Failure(path, "describes tensor \(shown(name)) wrongly; the file is damaged") }
            guard last <= bytes else {
                throw Failure(
                    path,
                    "is cut short or damaged: tensor \(shown(name)) should end \(last) bytes behind the header, but \(bytes) are there")
            }
            guard let size = ElementType(rawValue: dtype)?.size else {
                throw Failure(
                    path,
                    "describes tensor \(shown(name)) wrongly, or as \(shown(dtype)), a type that is not read here; "
                        + "\(ElementType.allCases.map(\.rawValue).joined(separator: ", ")) are")
            }
            var count = size
            for dimension in shape {
                guard let dimension, dimension >= 0 else { throw Failure(path, "tensor \(shown(name)) has an impossible shape") }
                let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
                guard !overflow else { throw Failure(path, "tensor \(shown(name)) has an impossible shape") }
                count = product
            }
            guard count == last - first else {
                throw Failure(path, "tensor \(shown(name)) has \(last - first) bytes where its shape needs \(count)")
            }
            return Entry(dtype: dtype, shape: shape.compactMap { $0 }, range: first..<last)
        }

        /// A tensor where it lies in the file; nil where there is none of that name.
        /// - Throws: `FormatError` for one of too many dimensions.
        public func tensor(_ name: String) throws(FormatError) -> StoredTensor? {
            guard let entry = entries[name], let type = ElementType(rawValue: entry.dtype) else { return nil }
            return try StoredTensor(
                name: name, type: type, shape: entry.shape,
                in: start + entry.range.lowerBound..<start + entry.range.upperBound, of: file)
        }

        /// Calls `body` with the bytes of one tensor.
        /// - Throws: `FormatError` when there is no such tensor, or it is of another type or shape.
        public func withBytes<Result>(
            of name: String, dtype: String, shape: [Int], _ body: (UnsafeRawBufferPointer) throws -> Result
        ) throws -> Result {
            guard let entry = entries[name] else { throw Failure(path, "has no tensor \(shown(name))") }
            guard entry.dtype == dtype, entry.shape == shape,
                let bytes = file.slice(start + entry.range.lowerBound, entry.range.count)
            else { throw Failure(path, "tensor \(shown(name)) is \(entry.dtype) \(entry.shape); \(dtype) \(shape) is wanted") }
            return try withExtendedLifetime(file) { try body(bytes) }
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
}
