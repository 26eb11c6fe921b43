import Autograd
import Foundation
import Formats
import TestSupport
import Testing

/// Damaged and hostile files through every reader: read or refused with one line, in no time and little memory, never a crash.
///
/// A few thousand files in the usual tests; `LOOM_FUZZ=100000` gives as many as one asks for.
@Suite(.serialized) struct FuzzTests {
    static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/interop").path
    static let rounds = max(40, (ProcessInfo.processInfo.environment["LOOM_FUZZ"].flatMap(Int.init) ?? 4000) / files.count)
    /// A checkpoint of every format.
    static let files = [
        "nanochat_hub/source/model.safetensors", "gpt2_bin/source/pytorch_model.bin", "nanogpt_plain/source/ckpt.pt",
        "llmc_v5/source/gpt2.bin", "nanogpt/source/meta.pkl", "gpt2_sharded/source/model.safetensors.index.json",
    ]

    /// Changes of the kinds that damage and malice make: bytes, numbers at their limits, parts lost, doubled or moved.
    static func mutated(_ original: [UInt8], _ draw: inout Philox.Sequence) -> [UInt8] {
        var bytes = original
        for _ in 0...draw.below(3) where !bytes.isEmpty {
            // What says how to read the rest is at the beginning or at the end.
            let region = min(bytes.count, [64, 512, 4096, bytes.count][Int(draw.below(4))])
            let place = draw.below(2) == 0 ? Int(draw.below(region)) : bytes.count - 1 - Int(draw.below(region))
            switch draw.below(8) {
            case 0: bytes[place] = UInt8(draw.below(256))
            case 1: bytes[place] ^= 1 << UInt8(draw.below(8))
            case 2:
                let limits: [[UInt8]] = [
                    [0xFF, 0xFF, 0xFF, 0xFF], [0xFF, 0xFF, 0xFF, 0x7F], [0, 0, 0, 0], [0, 0, 0, 0x80], [UInt8](repeating: 0xFF, count: 8),
                    [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
                ]
                let limit = limits[Int(draw.below(limits.count))], end = min(place + limit.count, bytes.count)
                bytes.replaceSubrange(place..<end, with: limit.prefix(end - place))
            case 3: bytes.removeLast(Int(draw.below(bytes.count)))
            case 4: bytes.removeSubrange(place..<min(bytes.count, place + 1 + Int(draw.below(16))))
            case 5:
                let end = min(bytes.count, place + 1 + Int(draw.below(64)))
                bytes.insert(contentsOf: bytes[place..<end], at: place)
            case 6: bytes[place] = Array("0123456789[]{},:\"-eE.()lLtRqQbcNKMJX".utf8)[Int(draw.below(36))]
            default:
                let from = Int(draw.below(bytes.count)), count = min(Int(draw.below(32)), bytes.count - max(from, place))
                bytes.replaceSubrange(place..<place + count, with: Array(bytes[from..<from + count]))
            }
        }
        return bytes
    }

    /// Reads everything that a file says it has. Returns whether it was accepted.
    static func read(_ path: String, size: Int) -> Bool {
        func check(_ tensors: [String: StoredTensor]) {
            for tensor in tensors.values {
                // No tensor is larger than its file, in float32 at most four times.
                #expect(tensor.count <= size, "\(tensor.name) of \(tensor.count) numbers in \(size) bytes")
                if tensor.count <= size { #expect(tensor.transposed.floats().count == tensor.count) }
            }
        }
        var accepted = false
        func attempt(_ body: () throws -> Void) {
            do {
                try body()
                accepted = true
            } catch {
                let text = "\(error)"
                #expect(error is FormatError && !text.contains("\n") && text.count < 600, "\(text)")
            }
        }
        attempt { check(try WeightFiles.tensors(path: path)) }
        attempt {
            let file = try TorchFile(try MappedFile(path: path))
            for key in ["model", "optimizer"] { check(try file.tensors(file.content[key] ?? file.content)) }
        }
        attempt { check(try LLMCFile(try MappedFile(path: path)).tensors) }
        attempt { _ = try Pickle.read(path: path) }
        attempt { check(try WeightFiles.tensors(index: path)) }
        return accepted
    }

    /// In a process of its own, whose memory is its own, too, where Swift can do that.
    @Test(arguments: files)
    func damagedFiles(name: String) async throws {
        #if compiler(>=6.3)
            await #expect(processExitsWith: .success) { [name] in try FuzzTests.damage(name) }
        #else
            try FuzzTests.damage(name)
        #endif
    }

    static func damage(_ name: String) throws {
        let original = [UInt8](try #require(FileManager.default.contents(atPath: "\(FuzzTests.fixtures)/\(name)")))
        // In a folder with what lies beside it, which an index names.
        let folder = FileManager.default.temporaryDirectory.path + "/loom-fuzz-\(UUID().uuidString)"
        let source = "\(FuzzTests.fixtures)/\(name.prefix { $0 != "/" })/source"
        try FileManager.default.copyItem(atPath: source, toPath: folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = "\(folder)/mutated"
        var draw = Philox(key: UInt64(name.utf8.count)).sequence(stream: Philox.stream(named: name))
        var accepted = 0, slowest = 0.0
        let before = residentPeak()
        for round in 0..<FuzzTests.rounds {
            let bytes = round == 0 ? original : mutated(original, &draw)
            // A new file each time: one that is mapped must not change.
            unlink(path)
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            var isRead = false
            slowest = max(slowest, processorSeconds { isRead = read(path, size: bytes.count) })
            accepted += isRead ? 1 : 0
            if round == 0 { #expect(isRead, "the undamaged file is read") }
        }
        #expect(slowest < 1, "\(name): \(slowest) s for one file")
        // The files have some 50 KB; what one of them makes a reader allocate would show.
        #expect(residentPeak() - before < 30 << 20, "\(name): \((residentPeak() - before) >> 20) MiB more at the peak")
        #expect(accepted < FuzzTests.rounds)
    }
}
