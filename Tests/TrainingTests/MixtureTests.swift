import Architectures
import Autograd
import Configuration
import Foundation
import Testing
import Training

/// Mixtures of experts in training: what is counted, what is logged, and that experts are used alike.
struct MixtureTests {
    static let changes = [
        #"model.mlp={"type": "moe", "experts": 4, "active": 2, "hidden": 16, "balance": 0.05}"#, "train.log_statistics=10",
        "train.steps=30",
    ]

    @Test func parametersThatATokenMeets() throws {
        let all = try Model(tiny(MixtureTests.changes).model, vocabulary: 256).accounting
        let single = try Model(tiny(MixtureTests.changes + ["model.mlp.experts=2"]).model, vocabulary: 256).accounting
        // Two layers with two experts more, of three matrices, and two more rows of the router.
        #expect(all.parameters - single.parameters == 2 * (2 * 3 * 24 * 16 + 2 * 24))
        #expect(all.productParameters - single.productParameters == 2 * 2 * 24, "only the router grows for a token")
    }

    @Test func useIsLoggedAndBalanced() throws {
        let folder = try TemporaryFolder()
        func shares(_ name: String, _ more: [String]) throws -> [Statistics.ExpertUse] {
            let run = try RunFolder.create(name: name, out: "\(folder.path)/\(name)")
            #expect(try trainer(tiny(MixtureTests.changes + more), in: run).run() == .finished)
            let lines = run.statistics()
            #expect(lines.map(\.step) == [1, 10, 20, 30])
            return try #require(lines.last?.experts)
        }
        let use = try shares("balanced", [])
        #expect(use.map(\.layer) == [0, 1])
        for layer in use {
            #expect(layer.shares.count == 4 && abs(layer.shares.reduce(0, +) - 1) < 1e-5)
            #expect((layer.shares.max() ?? 1) <= 0.5, "no more than one of a token's two choices falls on one expert")
        }
        // What the loss is for: the less it counts, the less alike experts are used.
        func unevenness(_ balance: String) throws -> Float {
            let use = try shares("balance-\(balance)", ["model.mlp.balance=\(balance)"])
            return use.reduce(0) { $0 + $1.shares.reduce(0) { $0 + ($1 - 0.25) * ($1 - 0.25) } }
        }
        let (without, with) = (try unevenness("0"), try unevenness("1"))
        #expect(with < 0.5 * without, "\(with) with the loss, \(without) without")
        #expect(
            message { _ = try tiny(["model.mlp={\"type\": \"moe\", \"experts\": 2, \"active\": 3}"]) }.contains(
                "active 3 is more than experts 2"))
    }
}
