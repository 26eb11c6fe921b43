import Foundation

/// A file's bytes in memory without a copy: the system reads what is looked at, and lets go of it when memory is short.
public final class MappedFile: @unchecked Sendable {
    public let path: String
    /// All bytes. Nobody writes to them.
    public let bytes: UnsafeRawBufferPointer

    /// - Throws: `FormatError` when there is no regular file at `path`, or it cannot be read.
    public init(path: String) throws(FormatError) {
        self.path = path
        // A pipe would be waited for until somebody writes to it.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw FormatError(path, "cannot be read; is it there, and may you read it?") }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
            throw FormatError(path, "cannot be read; it is no regular file")
        }
        let count = Int(info.st_size)
        // An empty file has nothing to map.
        guard count > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
            throw FormatError(path, "cannot be read: \(String(cString: strerror(errno)))")
        }
        bytes = UnsafeRawBufferPointer(start: start, count: count)
    }

    deinit {
        if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
    }

    public var count: Int { bytes.count }

    /// The bytes of `range`; nil where the file does not have them.
    func slice(_ start: Int, _ count: Int) -> UnsafeRawBufferPointer? {
        guard start >= 0, count >= 0, start <= bytes.count, count <= bytes.count - start else { return nil }
        return UnsafeRawBufferPointer(rebasing: bytes[start..<start + count])
    }

    /// A little-endian number; nil past the end.
    func integer<Number: FixedWidthInteger>(_ type: Number.Type, at offset: Int) -> Number? {
        guard let part = slice(offset, MemoryLayout<Number>.size) else { return nil }
        return Number(littleEndian: part.loadUnaligned(as: Number.self))
    }

    /// Tells the system that `range` will not be looked at again soon, so that a large file read once does not fill memory.
    func release(_ range: Range<Int>) {
        guard let start = bytes.baseAddress else { return }
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let first = (range.lowerBound + page - 1) / page * page, last = range.upperBound / page * page
        guard page > 0, first < last else { return }
        madvise(UnsafeMutableRawPointer(mutating: start + first), last - first, MADV_DONTNEED)
    }
}
