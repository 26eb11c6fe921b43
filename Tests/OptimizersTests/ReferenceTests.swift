import Components
import Configuration
import Formats
import Foundation
import Testing
import Training

/// Every update rule, step by step, against PyTorch in float64: `Tests/Fixtures/generate.py` made the file.
struct OptimizerReferenceTests {
    static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/optimizers.safetensors").path
    static let cases: [String: JSON] = {
        guard let file = try? Safetensors.File(path: path), let text = file.metadata["cases"] else { return [:] }
        return (try? JSON(parsing: Data(text.utf8)))?.objectValue ?? [:]
    }()

    @Test func theFixturesAreThere() {
        let algorithms = Set(OptimizerReferenceTests.cases.values.compactMap { $0["algorithm"]?.stringValue })
        #expect(algorithms == ["adamw", "sgd", "muon", "nanochat_muon"], "in \(OptimizerReferenceTests.path)")
        #expect(OptimizerReferenceTests.cases.count >= 28)
    }

    /// The case's hyperparameters under the names of a config.
    static func options(_ json: JSON) throws -> JSON {
        let algorithm = try #require(json["algorithm"]?.stringValue)
        var options: [String: JSON] = ["grad_clip": 0]
        for name in ["lr", "weight_decay", "eps", "momentum", "nesterov", "beta2"] { options[name] = json[name] }
        switch algorithm {
        case "adamw":
            options["type"] = "adamw"
            options["betas"] = .array([try #require(json["beta1"]), try #require(json["beta2"])])
            options["beta2"] = nil
        case "sgd": options["type"] = "sgd"
        default:
            options["type"] = "muon"
            options["variant"] = algorithm == "muon" ? "classic" : "nanochat"
        }
        return .object(options)
    }

    @Test(arguments: cases.keys.sorted())
    func everyStepIsTheReferences(name: String) throws {
        let file = try Safetensors.File(path: OptimizerReferenceTests.path)
        let json = try #require(OptimizerReferenceTests.cases[name])
        let steps = try #require(json["steps"]?.intValue)
        let shape = try #require(file.entries["\(name)/initial"]?.shape)
        // A query weight: a matrix, which every optimizer decays and Muon moves.
        let bench = try Bench(OptimizerReferenceTests.options(json), [("p", shape, .query)])
        try bench.set("p", values: file.floats("\(name)/initial"))
        for step in 0..<steps {
            try bench.set("p", gradient: file.floats("\(name)/grad/\(step)"))
            bench.optimizer.step(step, gradientNorm: bench.optimizer.gradientNorm)
            let found = try bench.values("p"), wanted = try file.floats("\(name)/result/\(step)")
            let largest = wanted.reduce(0) { max($0, abs($1)) }
            let worst = zip(found, wanted).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
            #expect(
                found.count == wanted.count && found.allSatisfy(\.isFinite) && worst <= 2e-5 * largest,
                "\(name), step \(step): off by \(worst), the largest value is \(largest)")
        }
    }
}
