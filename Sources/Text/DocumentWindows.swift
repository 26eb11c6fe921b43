/// Where the windows of a tokenized text begin that lie on its documents.
///
/// A document reaches from the end token before it to the one behind it, or from the beginning, or to the end; its n
/// targets make ⌈n / context⌉ windows, one after another.
struct DocumentWindows: Sendable {
    let starts: [Int]
    /// The last token, which is only a target.
    private let end: Int

    /// The windows of `tokens` for a context; nil where they lie anywhere.
    /// - Throws: `TextError` where there is no document.
    init?(_ tokens: TokenFile, context: Int) throws {
        let separator: Int32, isIsolated = tokens.isIsolated
        switch tokens.rule {
        case .anywhere: return nil
        case .aligned(let end), .isolated(let end): separator = end
        }
        var starts: [Int] = [], begin = 0
        // Windows that run on need a whole context behind them.
        let last = isIsolated ? tokens.count - 2 : tokens.count - 1 - context
        func add(_ document: Range<Int>) {
            for start in stride(from: document.lowerBound, to: document.upperBound, by: context) where start <= last {
                starts.append(start)
            }
        }
        var piece = [Int32](repeating: 0, count: 1 << 16), done = 0
        while done < tokens.count {
            let count = min(piece.count, tokens.count - done)
            piece.withUnsafeMutableBufferPointer { piece in
                tokens.copy(from: done, into: UnsafeMutableBufferPointer(rebasing: piece[..<count]))
                for index in 0..<count where piece[index] == separator {
                    add(begin..<done + index)
                    begin = done + index
                }
            }
            done += count
        }
        if begin < tokens.count - 1 { add(begin..<tokens.count - 1) }
        guard !starts.isEmpty else {
            throw TextError.tooFewTokens(source: tokens.name, tokens: tokens.count, needed: isIsolated ? 2 : context + 1)
        }
        (self.starts, self.end) = (starts, tokens.count - 1)
    }

    /// Targets of window `number` before the next one begins: those that count where windows are isolated.
    func targets(of number: Int) -> Int { (number + 1 < starts.count ? starts[number + 1] : end) - starts[number] }
}

extension TokenFile {
    /// Whether a window holds no more than one document.
    public var isIsolated: Bool { if case .isolated = rule { true } else { false } }

    /// Fills a window that ends with its document: behind that inputs are the end token, and targets do not count.
    func copyIsolatedWindow(
        start: Int, end: Int32, into inputs: UnsafeMutableBufferPointer<Int32>, targets: UnsafeMutableBufferPointer<Int32>
    ) {
        let there = min(inputs.count, count - 1 - start)
        copy(from: start, into: UnsafeMutableBufferPointer(rebasing: inputs[..<there]))
        copy(from: start + 1, into: UnsafeMutableBufferPointer(rebasing: targets[..<there]))
        let length = targets[..<there].firstIndex(of: end).map { $0 + 1 } ?? there
        for index in length..<inputs.count { (inputs[index], targets[index]) = (end, -1) }
    }
}
