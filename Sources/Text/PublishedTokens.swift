import Formats
import Foundation

/// Texts that other programs have made into tokens: a folder with nanoGPT's `train.bin` and `val.bin` (uint16 and nothing else), or with
/// llm.c's shards (a header of 256 int32, then uint16 for GPT-2's vocabulary or uint32 for LLaMA 3's), mapped into memory as they lie.
public enum PublishedTokens {
    /// llm.c's first numbers, with the version that goes with each and whether tokens take four bytes.
    private static let kinds: [UInt32: (version: UInt32, isWide: Bool)] = [20_240_520: (1, false), 20_240_801: (7, true)]
    private static let headerSize = 1024

    /// Whether `folder` holds such files: some `.bin` with "train" in their names and some with "val".
    public static func exists(_ folder: String) -> Bool {
        Files.kind(of: folder) == .folder && !files(in: folder, "train").isEmpty && !files(in: folder, "val").isEmpty
    }

    private static func files(in folder: String, _ part: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasSuffix(".bin") && $0.contains(part) && !$0.hasPrefix(".") }
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { "\(folder)/\($0)" }
    }

    /// The tokens in `folder`, with the tokenizer that made them: the one that `spec` names, or one whose files lie beside them.
    /// - Throws: `TextError`.
    public static func dataset(
        _ folder: String, tokenizer spec: TokenizerSpec, documents: Documents = .joined, endToken name: String? = nil
    ) throws -> Dataset {
        let tokenizer = try tokenizer(folder, spec), size = tokenizer.vocabularySize
        let end = tokenizer.endToken(named: name)
        guard end != nil || documents == .joined else {
            throw TextError.invalidSetting(
                name: "data.documents", value: documents.rawValue,
                requirement: "joined for the tokens in \(folder), whose tokenizer has no token \(name ?? "between documents")")
        }
        // The token between documents is no text.
        let lengths = tokenizer is IdTokenizer ? [] : (0..<Int32(size)).map { $0 == end ? 0 : tokenizer.bytes(of: $0).count }
        var hash = ""
        func part(_ name: String) throws -> (tokens: TokenFile, bytesPerToken: Double) {
            let files = try files(in: folder, name).map { path in
                let file: MappedFile
                do {
                    file = try MappedFile(path: path)
                } catch let error as FormatError {
                    throw TextError.unreadable(path: path, reason: String(error.description.trimmingPrefix("\(path): ")))
                }
                hash += "\(ContentHash(file.bytes)) "
                return (file, try read(file))
            }
            let tokens = try TokenFile(
                files: files, vocabularySize: size, name: "\(folder) (\(name))", rule: WindowRule(documents, end: end))
            return (tokens, lengths.isEmpty ? 0 : bytesPerToken(tokens, lengths))
        }
        let train = try part("train"), validation = try part("val")
        return Dataset(
            name: folder, contentHash: ContentHash(Array(hash.utf8)).description, train: train.tokens, validation: validation.tokens,
            tokenizer: tokenizer, endToken: end, trainBytesPerToken: train.bytesPerToken, validationBytesPerToken: validation.bytesPerToken)
    }

    private static func tokenizer(_ folder: String, _ spec: TokenizerSpec) throws -> any Tokenizer {
        let tokenizer: any Tokenizer
        switch spec {
        case .byte: tokenizer = ByteTokenizer()
        case .fixed(let own): tokenizer = own
        case .file(let path, let pattern): tokenizer = try Tokenizers.open(path, pattern: pattern)
        case .char, .bpe:
            // Learned from text, which is not here; nanoGPT keeps its characters beside the tokens.
            let beside = ["meta.pkl", "tokenizer.json"].map { "\(folder)/\($0)" }
            guard let path = beside.first(where: { Files.kind(of: $0) == .file }) else { throw needed(folder) }
            tokenizer = try Tokenizers.open(path)
        }
        return tokenizer
    }

    private static func needed(_ folder: String) -> TextError {
        .invalidSetting(
            name: "data.tokenizer", value: "one without text",
            requirement: "the one that made the tokens in \(folder), as {\"type\": \"file\", \"path\": \"gpt2/tokenizer.json\"}")
    }

    /// Where the tokens lie in `file`.
    private static func read(_ file: MappedFile) throws -> TokenFile.Part {
        func unusable(_ reason: String) -> TextError { .unreadable(path: file.path, reason: reason) }
        func number(_ place: Int) -> UInt32 {
            UInt32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: 4 * place, as: UInt32.self))
        }
        guard let base = file.bytes.baseAddress else { throw unusable("it is empty") }
        guard file.count >= headerSize, let kind = kinds[number(0)] else {
            guard file.count % 2 == 0 else { throw unusable("\(file.count) bytes are no whole number of tokens of two bytes each") }
            return TokenFile.Part(tokens: base, count: file.count / 2, isWide: false)
        }
        guard number(1) == kind.version else {
            throw unusable("version \(number(1)) of llm.c's tokens, of which this program reads \(kind.version)")
        }
        let width = kind.isWide ? 4 : 2, payload = file.count - headerSize
        guard payload == Int(number(2)) * width else {
            throw unusable("its header speaks of \(number(2)) tokens, but there are \(payload) bytes for them at \(width) each")
        }
        return TokenFile.Part(tokens: base + headerSize, count: payload / width, isWide: kind.isWide)
    }

    private static func bytesPerToken(_ tokens: TokenFile, _ lengths: [Int]) -> Double {
        var sum = 0, start = 0
        var piece = [Int32](repeating: 0, count: 1 << 16)
        while start < tokens.count {
            let count = min(piece.count, tokens.count - start)
            piece.withUnsafeMutableBufferPointer { piece in
                tokens.copy(from: start, into: UnsafeMutableBufferPointer(rebasing: piece[..<count]))
                for id in piece[..<count] { sum += lengths[Int(id)] }
            }
            start += count
        }
        return Double(max(sum, 1)) / Double(max(tokens.count, 1))
    }
}
