/// Windows that together predict every token of a text exactly once, for an exact loss over all of it.
///
/// Isolated documents have windows of their own, whatever the stride.
///
/// Windows start `stride` tokens apart. Each is a full context, and of its targets those count that no window before it
/// has had; with a stride below the context every counted target (but those of the first window) has at least
/// context − stride tokens before it.
public struct StridedWindows: RandomAccessCollection, Sendable {
    /// One window: inputs are the `context` tokens from `start` on, targets those from `start` + 1 on.
    public struct Window: Hashable, Sendable {
        public let start: Int
        /// The targets that count are `countedFrom` ..< context.
        public let countedFrom: Int
    }

    public let context: Int
    public let stride: Int
    private let tokenCount: Int
    /// 0 for running text.
    private let exampleLength: Int
    /// Where windows begin that end with their documents.
    private let documents: [Int]?

    public var startIndex: Int { 0 }
    public let endIndex: Int

    public subscript(position: Int) -> Window {
        precondition(position >= 0 && position < endIndex, "window index out of range")
        if let documents { return Window(start: documents[position], countedFrom: 0) }
        // Examples stand side by side and count whole.
        if exampleLength > 0 { return Window(start: position * exampleLength, countedFrom: 0) }
        // The last window is moved back to end with the text, so that all windows have the same shape.
        let start = Swift.min(position * stride, tokenCount - 1 - context)
        let alreadyCounted = position == 0 ? 0 : (position - 1) * stride + context
        return Window(start: start, countedFrom: alreadyCounted - start)
    }

    fileprivate init(context: Int, stride: Int, tokens: TokenFile) throws {
        try BatchSampler.require(context, named: "the context")
        try BatchSampler.require(stride, named: "the stride")
        guard stride <= context else {
            throw TextError.invalidSetting(name: "the stride", value: "\(stride)", requirement: "at most the context of \(context)")
        }
        let (needed, overflow) = context.addingReportingOverflow(1)
        documents = tokens.isIsolated ? try DocumentWindows(tokens, context: context)?.starts : nil
        guard !overflow, tokens.count >= needed || documents != nil else {
            throw TextError.tooFewTokens(source: tokens.name, tokens: tokens.count, needed: overflow ? context : needed)
        }
        precondition(tokens.examples.map { $0.length == needed } ?? true, "examples fill the context")
        (self.context, self.stride, tokenCount, exampleLength) = (context, stride, tokens.count, tokens.examples?.length ?? 0)
        if let documents {
            endIndex = documents.count
            return
        }
        endIndex = exampleLength > 0 ? tokens.count / exampleLength : 1 + (tokens.count - needed + stride - 1) / stride
    }
}

extension TokenFile {
    /// Windows of `context` tokens that cover all of the tokens, `stride` apart.
    public func stridedWindows(context: Int, stride: Int) throws -> StridedWindows {
        try StridedWindows(context: context, stride: stride, tokens: self)
    }

    /// Fills `inputs` with the tokens from `start` on and `targets` with those one further, −1 where they do not count.
    public func copyWindow(
        start: Int, into inputs: UnsafeMutableBufferPointer<Int32>, targets: UnsafeMutableBufferPointer<Int32>
    ) {
        if case .isolated(let end) = rule { return copyIsolatedWindow(start: start, end: end, into: inputs, targets: targets) }
        copy(from: start, into: inputs)
        copy(from: start + 1, into: targets)
        examples?.mask(targets, start: start)
    }
}
