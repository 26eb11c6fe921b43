import Configuration
import Foundation

/// How the documents of a text stand in the tokens, and how windows lie on them.
public enum Documents: String, Sendable, Codable, OptionEnum {
    /// Joined by line breaks, nothing telling one from the next.
    case joined
    /// An end token before, between and behind them; windows lie anywhere.
    case separated
    /// Separated, and every window begins at a document, or where the window before it in that document ended; a short document
    /// is followed by the next ones.
    case aligned
    /// Aligned, and no window holds more than one document: what is left of it does not count.
    case isolated
}

/// Where windows may lie in tokens.
enum WindowRule: Sendable, Equatable {
    case anywhere
    case aligned(end: Int32)
    case isolated(end: Int32)

    init(_ documents: Documents, end: Int32?) {
        switch (documents, end) {
        case (.aligned, let end?): self = .aligned(end: end)
        case (.isolated, let end?): self = .isolated(end: end)
        default: self = .anywhere
        }
    }
}

extension Tokenizer {
    public func encode(documents: [Range<Int>], of text: UnsafeBufferPointer<UInt8>, end: Int32) throws -> [Int32] {
        try DocumentGroups.encode(documents) { group, output in
            for document in group {
                output.append(contentsOf: try encode(utf8: UnsafeBufferPointer(rebasing: text[document])))
                output.append(end)
            }
        }
    }
}

/// Documents in as many groups as the machine has threads, of about the same length.
enum DocumentGroups {
    /// Below this starting threads costs more than it brings.
    private static let leastBytes = 100_000

    /// The tokens that `encode` appends for each group, on threads of their own.
    static func encode(
        _ documents: [Range<Int>], _ encode: (ArraySlice<Range<Int>>, inout [Int32]) throws -> Void
    ) throws -> [Int32] {
        Parallel.joined(
            try Parallel.map(of(documents)) { group in
                var output: [Int32] = []
                output.reserveCapacity(group.reduce(0) { $0 + $1.count } / 3 + 16)
                try encode(group, &output)
                return output
            })
    }

    static func of(_ documents: [Range<Int>], threads: Int = ProcessInfo.processInfo.activeProcessorCount) -> [ArraySlice<Range<Int>>] {
        let total = documents.reduce(0) { $0 + $1.count }, wanted = min(threads, 1 + total / leastBytes)
        guard wanted > 1 else { return [documents[...]] }
        var groups: [ArraySlice<Range<Int>>] = [], start = 0, bytes = 0
        for (index, document) in documents.enumerated() {
            bytes += document.count
            guard bytes >= total / wanted * (groups.count + 1), groups.count < wanted - 1 else { continue }
            groups.append(documents[start...index])
            start = index + 1
        }
        return groups + [documents[start...]]
    }
}
