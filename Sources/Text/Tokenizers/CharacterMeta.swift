import Formats

extension Tokenizers {
    /// The tokenizer of nanoGPT's `meta.pkl`, whose `itos` gives the character of each id.
    /// - Throws: `TextError.damagedTokenizer`.
    package static func characters(meta: PickleValue) throws -> CharTokenizer {
        func damaged(_ reason: String) -> TextError { .damagedTokenizer(reason: reason) }
        guard let pairs = meta["itos"]?.pairs else { throw damaged("a pickle without itos, nanoGPT's table of characters by id") }
        var points = [UInt32?](repeating: nil, count: pairs.count)
        for pair in pairs {
            guard let id = pair.key.intValue, points.indices.contains(id), let scalars = pair.value.stringValue?.unicodeScalars,
                scalars.count == 1, let scalar = scalars.first
            else { throw damaged("an itos that is no table of single characters") }
            points[id] = scalar.value
        }
        let all = points.compactMap { $0 }
        guard all.count == points.count, Set(all).count == all.count else { throw damaged("an itos with a character twice") }
        return try CharTokenizer(codePoints: all)
    }
}
