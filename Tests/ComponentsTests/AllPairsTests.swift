import Architectures
import Autograd
import Components
import Configuration
import Testing

/// Every two components of different slots work together and learn. No component is named here: they come from the
/// registry, so one that is registered tomorrow is tried tomorrow.
struct AllPairsTests {
    /// One thing to choose: a slot's component, or an option of a few words such as where the norms stand.
    struct Choice: Sendable {
        let section: String, key: String
        let values: [JSON]
    }

    static let choices: [Choice] = Registry.standard.slots.flatMap { slot in
        [Choice(section: slot.name, key: "type", values: slot.components.map { .string($0.name) })]
            + slot.shared.compactMap { option in
                (option.schema["enum"]?.arrayValue).map { Choice(section: slot.name, key: option.name, values: $0) }
            }
    }

    /// Options that a tiny model needs other values of than the defaults, wherever they occur.
    static let small: [String: JSON] = ["heads": 4, "kv_heads": 2, "smear_channels": 6, "value_gate_channels": 5]

    static func config(_ picks: [Int]) -> JSON {
        var json: [String: JSON] = ["context": 8, "layers": 2, "width": 16, "vocab_size": 13]
        for (choice, pick) in zip(choices, picks) {
            var section = json[choice.section]?.objectValue ?? [:]
            section[choice.key] = choice.values[pick]
            json[choice.section] = .object(section)
        }
        for slot in Registry.standard.slots {
            guard var section = json[slot.name]?.objectValue, let type = section["type"]?.stringValue else { continue }
            for (key, value) in small where slot.keys(of: type)?.contains(key) == true { section[key] = value }
            json[slot.name] = .object(section)
        }
        return .object(json)
    }

    /// Rows of picks in which every two values of every two choices meet, by taking the best of some random rows each time.
    static let rows: [[Int]] = {
        var open = Set<[Int]>()
        for a in choices.indices {
            for b in choices.indices where b > a {
                for i in choices[a].values.indices { for j in choices[b].values.indices { open.insert([a, i, b, j]) } }
            }
        }
        func covered(_ row: [Int]) -> [[Int]] {
            row.indices.flatMap { a in row.indices.filter { $0 > a }.map { [a, row[a], $0, row[$0]] } }.filter(open.contains)
        }
        var draw = Philox(key: 3).sequence(stream: 0), rows: [[Int]] = []
        while let pair = open.min(by: { $0.lexicographicallyPrecedes($1) }) {
            let candidates = (0..<60).map { _ in
                var row = choices.map { draw.below($0.values.count) }
                row[pair[0]] = pair[1]
                row[pair[2]] = pair[3]
                return row
            }
            let best = candidates.max { covered($0).count < covered($1).count } ?? []
            open.subtract(covered(best))
            rows.append(best)
        }
        return rows
    }()

    @Test func everySlotIsThere() {
        #expect(AllPairsTests.choices.count >= 9)
        #expect(Set(AllPairsTests.choices.map(\.section)) == Set(ModelConfig.sections))
        #expect(AllPairsTests.rows.count >= 30, "feed-forwards and positions alone make 30 pairs")
    }

    @Test func everyPairLearns() throws {
        let context = Context.cpu(threads: 1)
        for row in AllPairsTests.rows {
            let json = AllPairsTests.config(row)
            let losses = try AllPairsTests.descend(json, context, steps: 3)
            #expect(losses.allSatisfy { $0.isFinite }, "\(json.text(pretty: false)): losses \(losses)")
            for (before, after) in zip(losses, losses.dropFirst()) {
                let share = (before - after) / (before * AllPairsTests.share)
                #expect(abs(share - 1) < 0.2, "\(json.text(pretty: false)): fell \(share) of what the gradient promised")
            }
        }
    }

    /// What each step takes off the loss by the gradient's promise: short steps, so that the promise holds to some
    /// percent wherever the start is, and holds only if the gradient is right.
    static let share: Float = 0.0005

    /// Losses before each of some steps down the gradient, and after the last.
    static func descend(_ json: JSON, _ context: Context, steps: Int, registry: Registry = .standard) throws -> [Float] {
        let model = try Model(ModelConfig(json, registry: registry))
        model.materialize(on: context, training: true, seed: 4)
        let (values, gradients) = (try #require(model.store.values), try #require(model.store.gradients))
        let shape = [3, model.size.context], count = shape[0] * shape[1]
        let tokens = context.tensor(randomTokens(count, vocabulary: model.size.vocabulary), shape)
        let targets = context.tensor(randomTokens(count, vocabulary: model.size.vocabulary, stream: 1), shape)
        return (0...steps).map { _ in
            context.backend.fill(gradients, 0)
            let loss = context.recording {
                let loss = model.loss(Pass(tokens: tokens), targets: targets, scale: 1 / Float(count))
                loss.backward()
                return loss.item
            }
            let slope = context.backend.sumOfSquares(gradients)
            context.backend.accumulate(gradients, scale: -share * loss / Float(max(slope, 1e-30)), into: values)
            return loss
        }
    }
}
