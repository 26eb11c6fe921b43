import Foundation

/// Which algorithm was fastest for which product, kept in a small file beside the compiled kernels, so that a machine measures once.
/// A file that cannot be read, or an entry that is damaged, is measured anew.
package final class ProductRecord {
    private struct File: Codable {
        var format: Int
        /// By `name`, the library's 64 bytes in hexadecimal digits.
        var algorithms: [String: String]
    }

    private static let format = 1

    /// Nil keeps what is learnt for this process only.
    private let file: URL?
    private var algorithms: [String: String]

    /// - Parameter folder: `KernelCache.standard().folder`.
    package init(folder: URL?) {
        file = folder?.appendingPathComponent("products.json")
        algorithms = Self.read(file)
    }

    /// All that a choice depends on: another GPU or another library chooses anew.
    package static func name(device: String, version: Int, precision: CUDAProducts.Precision, key: CUDAProducts.Key) -> String {
        "\(device); cuBLASLt \(version); \(precision.rawValue); \(key.text)"
    }

    package func algorithm(_ name: String) -> CUBLASLt.Algorithm? {
        algorithms[name].flatMap(Self.bytes).flatMap(CUBLASLt.Algorithm.init)
    }

    /// A folder that cannot be written costs only time.
    package func keep(_ algorithm: CUBLASLt.Algorithm, as name: String) {
        let digits = algorithm.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        algorithms[name] = digits
        guard let file else { return }
        // What other processes have learnt since stays; of two that write at once one may be lost, and is measured again some day.
        let merged = Self.read(file).merging(algorithms) { $1 }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(File(format: Self.format, algorithms: merged)) else { return }
        try? FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try? data.write(to: file, options: .atomic)
    }

    private static func read(_ file: URL?) -> [String: String] {
        guard let file, let data = try? Data(contentsOf: file), let found = try? JSONDecoder().decode(File.self, from: data),
            found.format == format
        else { return [:] }
        return found.algorithms
    }

    private static func bytes(_ digits: String) -> [UInt8]? {
        let digits = Array(digits.utf8)
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let byte = UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}
