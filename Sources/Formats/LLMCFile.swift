/// A checkpoint of llm.c: 256 numbers of 32 bits, then GPT-2's parameters, each for all layers at once; float32 (version 3) or
/// bfloat16 (version 5).
public struct LLMCFile: Sendable {
    public let context: Int, vocabulary: Int, layers: Int, heads: Int, width: Int, paddedVocabulary: Int
    /// By llm.c's names; those of layers with the layer behind: `qkvw.0`.
    public let tensors: [String: StoredTensor]

    static let magic: Int32 = 20_240_326
    private static let headerSize = 256 * 4

    public static func isOne(_ file: MappedFile) -> Bool { file.integer(Int32.self, at: 0) == magic }

    /// - Throws: `FormatError` for another version, sizes that cannot be, or a file of another length than they say.
    public init(_ file: MappedFile) throws(FormatError) {
        let path = file.path
        var header: [Int] = []
        for index in 0..<8 {
            guard let number = file.integer(Int32.self, at: 4 * index) else { throw FormatError(path, "is cut short within its header") }
            header.append(Int(number))
        }
        guard header[0] == Int(LLMCFile.magic), file.count >= LLMCFile.headerSize else {
            throw FormatError(path, "is no checkpoint of llm.c, or cut short within its header")
        }
        let type: ElementType
        switch header[1] {
        case 3: type = .float32
        case 5: type = .bfloat16
        default: throw FormatError(path, "is version \(header[1]) of llm.c's checkpoints; 3 (float32) and 5 (bfloat16) are read")
        }
        let (context, vocabulary, layers, heads, width, padded) = (header[2], header[3], header[4], header[5], header[6], header[7])
        guard (1...1 << 24).contains(context), (1...1 << 24).contains(vocabulary), (1...1024).contains(layers), (1...4096).contains(heads),
            (1...1 << 17).contains(width), (vocabulary...1 << 24).contains(padded)
        else { throw FormatError(path, "has impossible sizes in its header; it is damaged") }
        (self.context, self.vocabulary, self.layers, self.heads) = (context, vocabulary, layers, heads)
        (self.width, paddedVocabulary) = (width, padded)
        // The largest of these products is below 2⁵⁰, so no sum overflows.
        let parts: [(String, [Int], isLayered: Bool)] = [
            ("wte", [padded, width], false), ("wpe", [context, width], false), ("ln1w", [width], true), ("ln1b", [width], true),
            ("qkvw", [3 * width, width], true), ("qkvb", [3 * width], true), ("attprojw", [width, width], true),
            ("attprojb", [width], true), ("ln2w", [width], true), ("ln2b", [width], true), ("fcw", [4 * width, width], true),
            ("fcb", [4 * width], true), ("fcprojw", [width, 4 * width], true), ("fcprojb", [width], true), ("lnfw", [width], false),
            ("lnfb", [width], false),
        ]
        let count = parts.reduce(0) { $0 + $1.1.reduce($1.isLayered ? layers : 1, *) }
        guard file.count == LLMCFile.headerSize + count * type.size else {
            throw FormatError(
                path,
                "has \(file.count) bytes where its header asks for \(LLMCFile.headerSize + count * type.size); it is cut short or damaged")
        }
        var all: [String: StoredTensor] = [:], start = LLMCFile.headerSize
        for (name, shape, isLayered) in parts {
            for layer in 0..<(isLayered ? layers : 1) {
                let end = start + shape.reduce(type.size, *), full = isLayered ? "\(name).\(layer)" : name
                all[full] = try StoredTensor(name: full, type: type, shape: shape, in: start..<end, of: file)
                start = end
            }
        }
        tensors = all
    }
}
