import Autograd
import Foundation
import Testing

/// Tokens drawn, held against choosing by sorting everything in double.
struct TokenSamplingTests {
    /// What is kept, and how wide each token of it is.
    static func reference(_ logits: [Float], _ sampling: TokenSampling) -> [(token: Int, weight: Double)] {
        let largest = Double(logits.max() ?? 0)
        let order = logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }
        var kept = order.prefix(sampling.topK ?? logits.count).map { ($0, exp((Double(logits[$0]) - largest) / sampling.temperature)) }
        if let topP = sampling.topP, topP < 1 {
            let wanted = topP * kept.reduce(0) { $0 + $1.1 }
            var sum = 0.0, count = 0
            while sum < wanted, count < kept.count {
                sum += kept[count].1
                count += 1
            }
            kept = Array(kept.prefix(count))
        }
        return kept.sorted { $0.0 < $1.0 }
    }

    static func token(_ logits: [Float], _ sampling: TokenSampling, _ draw: Double) -> Int {
        logits.withUnsafeBufferPointer { Int(sampling.token(of: $0, draw: draw)) }
    }

    /// Logits of all kinds: spread, peaked, many of them equal, some excluded.
    static func logits(_ kind: Int, _ count: Int) -> [Float] {
        var random = Philox(seed: UInt64(kind), domain: .batches).sequence(stream: 3)
        return (0..<count).map { place in
            let number = Float(random.below(2000)) / 100 - 10
            switch kind {
            case 0: return number
            case 1: return (number / 4).rounded()
            case 2: return place % 3 == 1 ? -.infinity : number
            default: return place == count / 2 ? 40 : place % 2 == 0 ? 0 : -0.0
            }
        }
    }

    static let samplings: [TokenSampling] = [
        .init(temperature: 1), .init(temperature: 0.3), .init(temperature: 7, topK: 5), .init(temperature: 7, topK: 300),
        .init(temperature: 2, topK: 1), .init(temperature: 3, topP: 0.9), .init(temperature: 3, topK: 40, topP: 0.5),
        .init(temperature: 1, topP: 1e-9), .init(temperature: 100, topK: 100_000, topP: 0.999),
    ]

    @Test(arguments: samplings.indices, 0..<4)
    func drawsAreThoseOfSortedTokens(_ number: Int, _ kind: Int) {
        let sampling = Self.samplings[number]
        for count in [1, 2, 33, 1000] {
            let logits = Self.logits(kind, count), kept = Self.reference(logits, sampling)
            let total = kept.reduce(0) { $0 + $1.weight }
            var before = 0.0
            for (token, weight) in kept {
                // The middle of where it lies, and near both of its ends.
                for part in weight > total * 1e-4 ? [0.01, 0.5, 0.99] : [] {
                    let found = Self.token(logits, sampling, (before + part * weight) / total)
                    #expect(found == token, "kind \(kind), \(count) logits, \(sampling)")
                }
                before += weight
            }
            let ends = [Self.token(logits, sampling, 0), Self.token(logits, sampling, 1.0.nextDown)]
            #expect(ends.allSatisfy { end in kept.contains { $0.token == end && $0.weight > 0 } })
        }
    }

    @Test func whatIsNotFiniteIsNoCrash() {
        for sampling in Self.samplings {
            #expect(Self.token([.nan, 1, 2], sampling, 0.5) == 0)
            #expect(Self.token([1, .nan, 2], sampling, 0.5) == 2)
            #expect(Self.token([1, -Float.nan, 2, 0] + Array(repeating: 0.5, count: 400), sampling, 0.1) == 2)
            #expect(Self.token([1, .infinity, 2], sampling, 0.5) == 1)
            #expect(Self.token([-.infinity, -.infinity], sampling, 0.5) == 0)
        }
    }
}
