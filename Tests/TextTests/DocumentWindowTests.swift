import Foundation
import Testing
import Text

@Suite struct DocumentWindowTests {
    static let lengths = [1, 9, 10, 11, 25, 3, 40, 2, 10, 7, 1, 5, 8]

    func dataset(_ documents: Documents, _ folder: TemporaryFolder) throws -> Dataset {
        let lines = Self.lengths.enumerated().map {
            "{\"text\": \"\(String(repeating: String(UnicodeScalar(UInt8(97 + $0))), count: $1))\"}"
        }
        let path = try folder.write("d.jsonl", lines.joined(separator: "\n"))
        var options = PreparationOptions()
        (options.documents, options.usesCache, options.validationFraction) = (documents, false, 0.05)
        return try Dataset.prepare(TextSource(path: path), tokenizer: .byte, options)
    }

    static func window(_ sampler: BatchSampler, _ step: Int) -> (inputs: [Int32], targets: [Int32]) {
        var inputs = [Int32](repeating: 7, count: sampler.context * sampler.batch), targets = inputs
        inputs.withUnsafeMutableBufferPointer { inputs in
            targets.withUnsafeMutableBufferPointer { sampler.batch(step: step, into: inputs, targets: $0) }
        }
        return (inputs, targets)
    }

    /// Every token of every document is predicted once in an epoch, from tokens of that document alone.
    @Test func isolatedWindowsHoldOneDocument() throws {
        let data = try dataset(.isolated, TemporaryFolder())
        let sampler = try BatchSampler(data.train, context: 10, batch: 1, seed: 0, order: .sequential)
        let windows = try data.train.stridedWindows(context: 10, stride: 10)
        // n letters and the end token are n + 1 targets.
        let documents = Self.lengths.dropLast()
        #expect(windows.count == documents.reduce(0) { $0 + ($1 + 1 + 9) / 10 })
        var counted = 0
        for step in 0..<windows.count {
            let (inputs, targets) = Self.window(sampler, step)
            #expect(sampler.start(step: step, row: 0) == windows[step].start && windows[step].countedFrom == 0)
            let count = targets.count { $0 >= 0 }
            #expect(count > 0 && sampler.countedTargets(step: step) == count)
            counted += count
            #expect(targets[count...].allSatisfy { $0 == -1 } && inputs[count...].allSatisfy { $0 == 256 })
            #expect(Set(inputs[..<count].filter { $0 < 256 }).count <= 1, "letters of one document")
            #expect(inputs[1..<count] == targets[..<(count - 1)])
            #expect(targets[..<(count - 1)].allSatisfy { $0 < 256 }, "the end comes last")
        }
        #expect(counted == data.train.count - 1)
        #expect(abs(sampler.filled(steps: windows.count) - Double(counted) / Double(10 * windows.count)) < 1e-12)
        #expect(sampler.countedTargets(step: 0, rows: windows.count) == counted)
        let random = try BatchSampler(data.train, context: 10, batch: 4, seed: 3)
        let starts = Set(windows.map(\.start))
        for step in 0..<50 { for row in 0..<4 { #expect(starts.contains(random.start(step: step, row: row))) } }
    }

    @Test func alignedWindowsBeginAtDocumentsAndRunOn() throws {
        let data = try dataset(.aligned, TemporaryFolder()), tokens = data.train.all()
        let sampler = try BatchSampler(data.train, context: 10, batch: 1, seed: 1)
        var starts = Set<Int>()
        for step in 0..<400 {
            let start = sampler.start(step: step, row: 0), (inputs, targets) = Self.window(sampler, step)
            starts.insert(start)
            #expect(inputs == Array(tokens[start..<start + 10]) && targets == Array(tokens[start + 1...start + 10]))
            let document = tokens[...start].lastIndex(of: 256) ?? 0
            #expect((start - document) % 10 == 0)
        }
        #expect(sampler.countedTargets(step: 0) == 10)
        #expect(starts.count > 10)
        // All of it is validated on, wherever windows of training begin.
        let second = try data.train.stridedWindows(context: 10, stride: 10)[1]
        #expect(second.start == 10 && second.countedFrom == 0)
    }

    /// Tokens of others, with an end token behind each document and none before the first.
    @Test func tokensOfOthers() throws {
        let folder = try TemporaryFolder()
        var random = TestRandom(state: 1)
        let gpt2 = try Tokenizers.load(Data(TokenizerFixtures.bytes("gpt2.json"))), end = try #require(gpt2.endToken(named: nil))
        var tokens: [Int] = []
        for length in Self.lengths { tokens += (0..<length).map { _ in Int.random(in: 0..<200, using: &random) } + [Int(end)] }
        tokens += [5, 6, 7]
        for name in ["train.bin", "val.bin"] { try folder.write(name, PublishedTokensTests.bytes(tokens)) }
        let data = try PublishedTokens.dataset(folder.path, tokenizer: .fixed(gpt2), documents: .isolated)
        let windows = try data.train.stridedWindows(context: 8, stride: 8)
        let total = windows.reduce(0) { sum, window in
            var inputs = [Int32](repeating: 0, count: 8), targets = inputs
            inputs.withUnsafeMutableBufferPointer { inputs in
                targets.withUnsafeMutableBufferPointer { data.train.copyWindow(start: window.start, into: inputs, targets: $0) }
            }
            return sum + targets.count { $0 >= 0 }
        }
        #expect(total == tokens.count - 1 && windows[0].start == 0)
        #expect(throws: TextError.self) { try PublishedTokens.dataset(folder.path, tokenizer: .byte, documents: .isolated) }
    }

    @Test func shortTexts() throws {
        let folder = try TemporaryFolder()
        var options = PreparationOptions()
        (options.documents, options.usesCache) = (.isolated, false)
        let path = try folder.write("d.jsonl", "{\"text\": \"ab\"}\n{\"text\": \"c\"}")
        let data = try Dataset.prepare(TextSource(path: path), tokenizer: .byte, options)
        // A window longer than all of it is filled up.
        let (inputs, targets) = Self.window(try BatchSampler(data.train, context: 6, batch: 1, seed: 0), 0)
        #expect(inputs == [256, 97, 98, 256, 256, 256] && targets == [97, 98, 256, -1, -1, -1])
        options.documents = .aligned
        let aligned = try Dataset.prepare(TextSource(path: path), tokenizer: .byte, options)
        #expect(throws: TextError.self) { try BatchSampler(aligned.train, context: 6, batch: 1, seed: 0) }
    }
}
