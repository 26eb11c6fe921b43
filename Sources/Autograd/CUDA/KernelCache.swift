import Foundation

/// Machine code on disk, so that a kernel is compiled once on a machine. A file is named for everything that its bytes depend on:
/// source, options, architecture and compiler. A changed source is another file; nothing is ever stale.
package struct KernelCache {
    /// Nil keeps nothing.
    package let folder: URL?

    package init(folder: URL?) { self.folder = folder }

    /// $LOOM_CUDA_CACHE, else $XDG_CACHE_HOME/loom/cuda, else ~/.cache/loom/cuda.
    package static func standard(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> KernelCache {
        func given(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let path =
            given("LOOM_CUDA_CACHE") ?? given("XDG_CACHE_HOME").map { $0 + "/loom/cuda" } ?? given("HOME").map { $0 + "/.cache/loom/cuda" }
        return KernelCache(folder: path.map { URL(fileURLWithPath: $0, isDirectory: true) })
    }

    /// The name of the file for one family.
    package static func key(_ source: CUDASource, architecture: String, compiler: Int) -> String {
        let parts = [source.text] + NVRTC.options(architecture: architecture) + [String(compiler)]
        // FNV-1a over 128 bits in two halves with different starts: this tells sources apart and defends against nobody.
        var halves: (UInt64, UInt64) = (0xcbf2_9ce4_8422_2325, 0x9e37_79b9_7f4a_7c15)
        for byte in parts.joined(separator: "\u{0}").utf8 {
            halves.0 = (halves.0 ^ UInt64(byte)) &* 0x100_0000_01b3
            halves.1 = (halves.1 ^ UInt64(byte)) &* 0x100_0000_01b3 &+ (halves.1 >> 29)
        }
        let digits = [halves.0, halves.1].map { half in
            let text = String(half, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
        return "\(source.name)-\(architecture)-\(digits.joined()).cubin"
    }

    /// Whether a family's code is on disk.
    package func holds(_ source: CUDASource, architecture: String, compiler: Int) -> Bool {
        guard let folder else { return false }
        let name = Self.key(source, architecture: architecture, compiler: compiler)
        return FileManager.default.fileExists(atPath: folder.appendingPathComponent(name).path)
    }

    /// The code of a family: from disk, or compiled and then kept. A folder that cannot be written costs only time.
    package func machineCode(_ source: CUDASource, architecture: String, compiler: NVRTC) throws(CUDAError) -> [UInt8] {
        let name = Self.key(source, architecture: architecture, compiler: try compiler.versionNumber())
        let file = folder?.appendingPathComponent(name)
        if let file, let kept = try? Data(contentsOf: file), Self.isWhole(kept) { return [UInt8](kept) }
        let code = try compiler.machineCode(source, architecture: architecture)
        if let file, let folder {
            try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            // Under another name first: two processes may write, and one may be killed.
            try? Data(code).write(to: file, options: .atomic)
        }
        return code
    }

    /// Whether a file is an ELF image of some size, as a cubin is; the driver checks the rest.
    package static func isWhole(_ data: Data) -> Bool { data.count > 64 && data.prefix(4) == Data([0x7f, 0x45, 0x4c, 0x46]) }
}
