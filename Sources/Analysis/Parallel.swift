import Foundation
import Synchronization

/// `body` of every item, several at once, in the items' order.
/// - Parameters:
///   - threads: how many at once; nil for one a core.
///   - cost: what an item's work grows with; items of like cost run together.
///   - progress: called between items on the calling thread with how many are done; returns false to stop.
/// - Throws: what `body` throws, the first in the items' order, or `CancellationError` when stopped.
func concurrently<Item: Sendable, Result: Sendable>(
    _ items: [Item], threads: Int?, cost: (Item) -> Int, progress: (Int) -> Bool, _ body: @Sendable (Item) throws -> Result
) throws -> [Result] {
    let order = items.indices.sorted { (cost(items[$1]), $0) < (cost(items[$0]), $1) }
    let width = max(1, threads ?? ProcessInfo.processInfo.activeProcessorCount)
    let results = Mutex([Swift.Result<Result, any Error>?](repeating: nil, count: items.count))
    for start in stride(from: 0, to: order.count, by: width) {
        guard progress(start) else { throw CancellationError() }
        let group = Array(order[start..<min(order.count, start + width)])
        DispatchQueue.concurrentPerform(iterations: group.count) { place in
            let result = Swift.Result { try body(items[group[place]]) }
            results.withLock { $0[group[place]] = result }
        }
        if results.withLock({ all in group.contains { if case .failure = all[$0] { true } else { false } } }) { break }
    }
    _ = progress(items.count)
    let all = results.withLock { $0 }
    for case .failure(let error)? in all { throw error }
    return try all.compactMap { try $0?.get() }
}
