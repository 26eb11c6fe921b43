import Configuration
import Foundation

/// A text to train on, wherever it lies: in memory, or in files that are read from beginning to end as often as need be.
public struct TextSource: Sendable {
    /// How files are read.
    public struct Format: Sendable, Hashable {
        public enum Kind: String, Sendable, OptionEnum {
            /// JSON Lines where the first line is an object with the text field, or where the name says so; otherwise text.
            case auto
            case text
            /// A JSON object a line, one of whose members is the text of a document.
            case jsonl
        }

        public var kind = Kind.auto
        /// The member of a JSON object that is its text.
        public var textField = "text"
        /// What stands between the documents of a file of text; nothing where a file is one document.
        public var documentBreak = ""

        public init() {}
    }

    enum Content: Sendable {
        case memory([UInt8])
        case files([File])
    }

    struct File: Sendable {
        let path: String
        /// Bytes on disk.
        let size: Int
        private let changed: timespec?

        init(path: String) {
            self.path = path
            (size, changed) = Files.state(of: path)
        }

        /// Whether it is as it was when the source was made.
        var isUnchanged: Bool {
            let now = Files.state(of: path)
            return now.size == size && now.changed?.tv_sec == changed?.tv_sec && now.changed?.tv_nsec == changed?.tv_nsec
        }
    }

    /// What the text is called in logs and errors: a name or a path.
    public let name: String
    /// Where the text comes from, for the records of a run.
    public let info: String?
    let content: Content
    let format: Format
    /// The folder that the text lies in, where things made from it may be kept.
    let folder: String?

    /// A text that is in memory.
    public init(_ corpus: Corpus, format: Format = Format()) {
        (name, info, content, folder) = (corpus.name, corpus.info, .memory(corpus.bytes), corpus.folder)
        self.format = format
    }

    /// A file, or a folder: its files and those of the folders in it in order of their paths, hidden ones skipped. A file is
    /// UTF-8 text or JSON Lines, compressed with gzip or not.
    /// - Throws: `TextError`.
    public init(path: String, format: Format = Format()) throws {
        (name, self.format) = (path, format)
        guard Files.kind(of: path) == .folder else {
            // Opened once here, so that what cannot be read is told before anything else is done.
            _ = try ByteStream(path: path)
            content = .files([File(path: path)])
            (info, folder) = ("file \(path)", Files.folderPath(of: path))
            return
        }
        let paths = try Corpus.filePaths(in: path)
        guard !paths.isEmpty else { throw TextError.noFiles(folder: path) }
        content = .files(paths.map { File(path: $0) })
        (info, folder) = ("folder \(path), \(paths.count) files", path)
    }

    /// The text that `source` names, as `Corpus.load` has it.
    public static func load(
        _ source: String, format: Format = Format(), seed: UInt64 = 0, characters: Int = 2_000_000, locations: Locations = Locations()
    ) throws -> TextSource {
        guard !Corpus.knownNames.contains(source), Files.kind(of: source) != nil else {
            return TextSource(
                try Corpus.load(source: source, seed: seed, characters: characters, locations: locations), format: format)
        }
        return try TextSource(path: source, format: format)
    }

    /// Bytes to read: on disk, or in memory.
    public var size: Int {
        switch content {
        case .memory(let bytes): bytes.count
        case .files(let files): files.reduce(0) { $0 + $1.size }
        }
    }

    /// A hash of everything that the text is made from: of the bytes themselves where they are one plain file.
    /// - Throws: `TextError`, or what `progress` throws; it is called with bytes read now and then.
    func fingerprint(progress: (Int) throws -> Void) throws -> String {
        let files: [File]
        switch content {
        case .memory(let bytes): return described(ContentHash(bytes).description)
        case .files(let all): files = all
        }
        var hashes = "", done = 0
        for file in files {
            var hash = ContentHash.Stream(count: file.size)
            try Files.read(file.path) { piece in
                hash.append(piece)
                done += piece.count
                try progress(done)
            }
            let finished = hash.finish()
            if files.count == 1 { return described(finished.description) }
            hashes += "\(finished) "
        }
        return described(ContentHash(Array(hashes.utf8)).description)
    }

    /// - Throws: `TextError.changed` where a file is not as it was when the source was made: what was read belongs to no one text.
    func requireUnchanged() throws {
        guard case .files(let files) = content else { return }
        if let file = files.first(where: { !$0.isUnchanged }) { throw TextError.changed(path: file.path) }
    }

    /// The same bytes read otherwise are another text.
    private func described(_ hash: String) -> String {
        var way = format
        if case .memory = content { (way.kind, way.textField) = (.auto, Format().textField) }
        // Names may say how files are read.
        var names = ""
        if case .files(let files) = content, way.kind == .auto, files.contains(where: { TextReader.isNamedJSONLines($0.path) }) {
            names = files.map { TextReader.isNamedJSONLines($0.path) ? "j" : "t" }.joined()
        }
        guard way != Format() || !names.isEmpty else { return hash }
        return ContentHash(Array("\(hash) \(way.kind) \(way.textField) \(way.documentBreak) \(names)".utf8)).description
    }
}
