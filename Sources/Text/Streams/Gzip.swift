import Foundation

/// The part of zlib that reads compressed files. The library is looked for when the first such file is met, so that building
/// and starting need none.
struct Gzip: Sendable {
    typealias File = OpaquePointer

    let open: @convention(c) (Int32, UnsafePointer<CChar>) -> File?
    let setBuffer: @convention(c) (File, UInt32) -> Int32
    let read: @convention(c) (File, UnsafeMutableRawPointer, UInt32) -> Int32
    let seek: @convention(c) (File, Int, Int32) -> Int
    let compressedOffset: @convention(c) (File) -> Int
    let lastError: @convention(c) (File, UnsafeMutablePointer<Int32>) -> UnsafePointer<CChar>?
    let close: @convention(c) (File) -> Int32

    /// The system's zlib, or nil where it has none.
    static let system: Gzip? = {
        let names = ["libz.so.1", "libz.so", "libz.1.dylib", "libz.dylib"]
        guard let library = names.lazy.compactMap({ dlopen($0, RTLD_NOW) }).first else { return nil }
        func function<Function>(_ name: String, as _: Function.Type) -> Function? {
            dlsym(library, name).map { unsafeBitCast($0, to: Function.self) }
        }
        guard let open = function("gzdopen", as: (@convention(c) (Int32, UnsafePointer<CChar>) -> File?).self),
            let setBuffer = function("gzbuffer", as: (@convention(c) (File, UInt32) -> Int32).self),
            let read = function("gzread", as: (@convention(c) (File, UnsafeMutableRawPointer, UInt32) -> Int32).self),
            let seek = function("gzseek", as: (@convention(c) (File, Int, Int32) -> Int).self),
            let offset = function("gzoffset", as: (@convention(c) (File) -> Int).self),
            let error = function(
                "gzerror", as: (@convention(c) (File, UnsafeMutablePointer<Int32>) -> UnsafePointer<CChar>?).self),
            let close = function("gzclose_r", as: (@convention(c) (File) -> Int32).self)
        else { return nil }
        return Gzip(
            open: open, setBuffer: setBuffer, read: read, seek: seek, compressedOffset: offset, lastError: error, close: close)
    }()
}
