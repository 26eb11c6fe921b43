import Configuration
import Foundation
import Reports
import Text
import Training

/// Learns byte pairs from text.
enum TokenizerTrainCommand: Command {
    static let name = "tokenizer train"
    static let summary = "Learn a vocabulary of byte pairs from text."
    static let usage = "FILE|FOLDER … --vocab N --out PATH [--pattern NAME] [--format NAME]"
    static let example = "./runner tokenizer train shakespeare.txt --vocab 8192 --pattern gpt4 --out tokenizer.json"
    static let flags = [
        Flag("--vocab", "N", "tokens: 256 bytes and the merges learned (8192)"),
        Flag("--pattern", "NAME", "how text is cut: \(SplitPattern.allCases.map(\.rawValue).joined(separator: ", ")) (gpt4)"),
        Flag("--format", "NAME", "hf (tokenizer.json), gpt2 (vocab.json and merges.txt), tiktoken, loom (hf)"),
        Flag("--out", "PATH", "the file to write, or the folder"),
        Flag.threads, Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        guard !arguments.positions.isEmpty else { _ = try arguments.exactly(1, "text to learn from"); return }
        guard let path = arguments.string("--out") else {
            throw UsageError("tokenizer train: --out PATH says where to write; it is missing")
        }
        let size = try arguments.int("--vocab", in: 256...1_000_000) ?? 8192
        let pattern = try arguments.pattern() ?? .gpt4
        let format = try arguments.format() ?? .hf
        let threads = try arguments.int("--threads", in: 1...1024)
        guard format == .gpt2 || !FileManager.default.fileExists(atPath: path) || arguments.isFolder(path) else {
            throw UsageError("tokenizer train: \(path) is there already; name another file, or remove it")
        }
        let bytes = try arguments.text(arguments.positions)
        let progress = ProgressLine(), started = Date()
        let tokenizer = try bytes.withUnsafeBufferPointer { text in
            try BPETokenizer.train(on: text, vocabularySize: size, pattern: pattern, threads: threads) { done in
                progress.show("\((256 + done).grouped) of \(size.grouped) tokens")
            }
        }
        progress.clear()
        let seconds = Date().timeIntervalSince(started)
        let written = try Tokenizers.write(tokenizer, as: format, to: path)
        if arguments.has("--json") {
            let result: JSON = [
                "files": .array(written.map { .string($0) }), "vocabulary": .int(tokenizer.vocabularySize), "text_bytes": .int(bytes.count),
                "pattern": .string(pattern.rawValue), "seconds": .double(seconds),
            ]
            emit(result.text() + "\n")
        } else {
            let short = tokenizer.vocabularySize < size ? "; the text has no more pairs" : ""
            say("\(tokenizer.vocabularySize.grouped) tokens from \(bytes.count.grouped) bytes in \(seconds.fixed(2)) s\(short)")
            say("written: \(written.joined(separator: ", "))")
        }
    }
}

/// Text to ids.
enum TokenizerEncodeCommand: Command {
    static let name = "tokenizer encode"
    static let summary = "Turn text into token ids, or show where it is cut."
    static let usage = "TOKENIZER [TEXT] [--file FILE] [--show] [--html FILE]"
    static let example = "./runner tokenizer encode tokenizer.json \"Hello, world\" --show"
    static let flags = [
        Flag("--file", "FILE", "the text from a file, or from standard input with - (so without TEXT as well)"),
        Flag("--special", "HOW", "special tokens in the text: allowed, plain or forbidden (as the tokenizer's own program does)"),
        Flag("--template", "with the tokens that the tokenizer puts around a text"),
        Flag("--lines", "the input is texts as JSON strings, a line each; so are the lists of ids that come out"),
        Flag("--show", "the tokens' text in colours, not ids; with dots between where it is no terminal"),
        Flag("--html", "FILE", "also a page that shows the tokens"),
        Flag.tokenizerPattern, Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        guard (1...2).contains(arguments.positions.count) else { _ = try arguments.exactly(1, "a tokenizer and perhaps a text"); return }
        let tokenizer = try arguments.tokenizer(arguments.positions[0])
        let bytes: [UInt8]
        if arguments.positions.count == 2 {
            guard !arguments.has("--file") else { throw UsageError("tokenizer encode: give the text itself or --file, not both") }
            bytes = Array(arguments.positions[1].utf8)
        } else {
            bytes = try arguments.input(arguments.string("--file") ?? "-")
        }
        let specials = try arguments.specials()
        func encoded(_ bytes: [UInt8]) throws -> [Int32] {
            try bytes.withUnsafeBufferPointer { text -> [Int32] in
                guard let published = tokenizer as? PublishedTokenizer else { return try tokenizer.encode(utf8: text) }
                let ids = try published.encode(utf8: text, specials: specials)
                return arguments.has("--template") ? published.withTemplate(ids) : ids
            }
        }
        if arguments.has("--lines") {
            for (number, line) in bytes.split(separator: 0x0A).enumerated() {
                guard let text = (try? JSON(parsing: Data(line)))?.stringValue else {
                    throw UsageError("tokenizer encode: line \(number + 1) is no JSON string")
                }
                say("[\(try encoded(Array(text.utf8)).map(String.init).joined(separator: ","))]")
            }
            return
        }
        let ids = try encoded(bytes)
        if let path = arguments.string("--html") { try SplitView.page(of: ids, tokenizer).write(to: path) }
        if arguments.has("--json") {
            let result: JSON = [
                "ids": .array(ids.map { .int(Int($0)) }), "tokens": .array(ids.map { .string(tokenizer.decodePiece($0)) }),
                "bytes": .int(bytes.count), "vocabulary": .int(tokenizer.vocabularySize),
            ]
            emit(result.text(pretty: false) + "\n")
        } else if arguments.has("--show") {
            emit(SplitView.text(of: ids, tokenizer, coloured: isatty(1) == 1))
        } else {
            var line = ""
            for id in ids {
                line += line.isEmpty ? "\(id)" : " \(id)"
                // One line, but never the whole of a long text in memory twice.
                if line.utf8.count > 1 << 16 {
                    emit(line)
                    line = " "
                }
            }
            emit(line + "\n")
        }
    }
}

/// One format to another.
enum TokenizerConvertCommand: Command {
    static let name = "tokenizer convert"
    static let summary = "Write a tokenizer in another format."
    static let usage = "TOKENIZER --out PATH [--format NAME]"
    static let example = "./runner tokenizer convert gpt2/ --format hf --out tokenizer.json"
    static let flags = [
        Flag("--format", "NAME", "hf (tokenizer.json), gpt2 (vocab.json and merges.txt), tiktoken, loom (hf)"),
        Flag("--out", "PATH", "the file to write, or the folder"),
        Flag.tokenizerPattern, Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        let tokenizer = try arguments.tokenizer(arguments.exactly(1, "one tokenizer")[0])
        guard let path = arguments.string("--out") else {
            throw UsageError("tokenizer convert: --out PATH says where to write; it is missing")
        }
        let format = try arguments.format() ?? .hf
        guard format == .gpt2 || !FileManager.default.fileExists(atPath: path) || arguments.isFolder(path) else {
            throw UsageError("tokenizer convert: \(path) is there already; name another file, or remove it")
        }
        let written = try Tokenizers.write(tokenizer, as: format, to: path)
        if arguments.has("--json") {
            let result: JSON = ["files": .array(written.map { .string($0) }), "vocabulary": .int(tokenizer.vocabularySize)]
            emit(result.text() + "\n")
        } else {
            say("written: \(written.joined(separator: ", "))")
            if format == .tiktoken, let published = tokenizer as? PublishedTokenizer {
                let specials = published.specialTokens.sorted { $0.value < $1.value }.map { "\($0.key) \($0.value)" }
                say(
                    "not in the file, to be given where it is used: the split pattern \(published.pattern?.rawValue ?? "")"
                        + (specials.isEmpty ? "" : "; special tokens \(specials.joined(separator: ", "))"))
            }
        }
    }
}

/// Ids to text.
enum TokenizerDecodeCommand: Command {
    static let name = "tokenizer decode"
    static let summary = "Turn token ids into text."
    static let usage = "TOKENIZER [ID …] [--file FILE]"
    static let example = "./runner tokenizer decode tokenizer.json 15496 11 995"
    static let flags = [
        Flag("--file", "FILE", "ids from a file, with spaces, commas or line breaks between; from standard input with - or without ids"),
        Flag("--skip-special", "leave special tokens out"),
        Flag.tokenizerPattern, Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        guard let path = arguments.positions.first else { _ = try arguments.exactly(1, "a tokenizer and ids"); return }
        let tokenizer = try arguments.tokenizer(path)
        var words = arguments.positions.dropFirst().map { $0 }
        if words.isEmpty || arguments.has("--file") {
            guard words.isEmpty else { throw UsageError("tokenizer decode: give the ids themselves or --file, not both") }
            words = [String(decoding: try arguments.input(arguments.string("--file") ?? "-"), as: UTF8.self)]
        }
        let ids = try words.flatMap { $0.split { " ,[]\n\r\t".contains($0) } }.map { word in
            guard let id = Int32(word), id >= 0, id < tokenizer.vocabularySize else {
                throw UsageError(
                    "tokenizer decode: \(word.prefix(40)) is no id of this tokenizer; they are 0 to \(tokenizer.vocabularySize - 1)")
            }
            return id
        }
        let text =
            (tokenizer as? PublishedTokenizer)?.decode(ids, skippingSpecials: arguments.has("--skip-special")) ?? tokenizer.decode(ids)
        if arguments.has("--json") {
            let result: JSON = ["text": .string(text), "tokens": .int(ids.count)]
            emit(result.text() + "\n")
        } else {
            emit(text)
            // A prompt behind the text would look like a part of it.
            if isatty(1) == 1, !text.hasSuffix("\n") { emit("\n") }
        }
    }
}

/// Several tokenizers on one text.
enum TokenizerCompareCommand: Command {
    static let name = "tokenizer compare"
    static let summary = "How well and how fast several tokenizers encode a text."
    static let usage = "TOKENIZER … --file FILE"
    static let example = "./runner tokenizer compare gpt2/ mine.json runs/small/tokenizer.json --file shakespeare.txt"
    static let flags = [
        Flag("--file", "FILE", "the text: a file or a folder, or standard input with -"),
        Flag("--threads", "N", "threads to encode on; by default one a core"),
        Flag.tokenizerPattern, Flag.json,
    ]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        guard !arguments.positions.isEmpty else { _ = try arguments.exactly(1, "tokenizers"); return }
        guard let file = arguments.string("--file") else {
            throw UsageError("tokenizer compare: --file FILE names the text; it is missing")
        }
        let tokenizers = try arguments.positions.map { ($0, try arguments.tokenizer($0)) }
        let bytes = try file == "-" ? arguments.input("-") : arguments.text([file])
        let threads = try arguments.int("--threads", in: 1...1024)
        let rows = try tokenizers.map { name, tokenizer in
            do {
                return try TokenizerMeasurement(name, tokenizer, on: bytes, threads: threads)
            } catch let error as TextError {
                throw Failure("\(name) cannot encode the text: \(error)")
            }
        }
        if arguments.has("--json") {
            let rows = rows.map { row -> JSON in
                [
                    "tokenizer": .string(row.name), "kind": .string(row.kind), "vocabulary": .int(row.vocabulary),
                    "tokens": .int(row.tokens),
                    "bytes_per_token": .double(row.bytesPerToken), "used_tokens": .int(row.usedTokens), "seconds": .double(row.seconds),
                    "bytes_per_second": .double(row.bytesPerSecond), "decodes_to_the_text": .bool(row.isLossless),
                ]
            }
            emit(JSON.array(rows).text() + "\n")
            return
        }
        let width = max(9, rows.map(\.name.count).max() ?? 0)
        say("\(bytes.count.grouped) bytes of \(file)")
        say("\("tokenizer".padded(to: width))  vocabulary      used        tokens  bytes/token      MB/s")
        for row in rows {
            say(
                "\(row.name.padded(to: width))  \(row.vocabulary.grouped.leftPadded(to: 10))  \(row.usedTokens.grouped.leftPadded(to: 8))  "
                    + "\(row.tokens.grouped.leftPadded(to: 12))  \(row.bytesPerToken.fixed(3).leftPadded(to: 11))  "
                    + "\((row.bytesPerSecond / 1e6).fixed(1).leftPadded(to: 8))"
                    + (row.isLossless ? "" : "  (decodes to another text)"))
        }
    }
}

extension Flag {
    static let tokenizerPattern = Flag(
        "--pattern", "NAME", "how text is cut, for files that do not say: tiktoken's ranks, vocab and merges")
}

extension Arguments {
    fileprivate func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }

    fileprivate func pattern() throws -> SplitPattern? {
        guard let name = string("--pattern") else { return nil }
        guard let pattern = SplitPattern(rawValue: name) else {
            throw UsageError("--pattern \(name) is unknown; there are \(SplitPattern.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return pattern
    }

    fileprivate func format() throws -> TokenizerFormat? {
        guard let name = string("--format") else { return nil }
        guard let format = TokenizerFormat(rawValue: name) else {
            throw UsageError("--format \(name) is unknown; there are \(TokenizerFormat.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return format
    }

    fileprivate func specials() throws -> SpecialTokens? {
        switch string("--special") {
        case nil: return nil
        case "allowed"?: return .allowed
        case "plain"?: return .plain
        case "forbidden"?: return .forbidden
        case let other?: throw UsageError("--special \(other) is unknown; use allowed, plain or forbidden")
        }
    }

    /// The tokenizer of a file, a folder, or a run.
    fileprivate func tokenizer(_ path: String) throws -> any Tokenizer {
        if path == "byte" { return ByteTokenizer() }
        return try Tokenizers.open(path, pattern: string("--pattern"))
    }

    /// The text of files and folders, one after the other.
    fileprivate func text(_ paths: [String]) throws -> [UInt8] {
        var bytes: [UInt8] = []
        for path in paths {
            let part = try path == "-" ? input("-") : Corpus.load(source: path).bytes
            if bytes.isEmpty { bytes = part } else { bytes += [0x0A] + part }
        }
        return bytes
    }

    /// All bytes of a file or of standard input.
    fileprivate func input(_ path: String) throws -> [UInt8] {
        if path == "-" { return Array((try? FileHandle.standardInput.readToEnd()) ?? Data()) }
        return try TextFile.bytes(of: path)
    }
}
