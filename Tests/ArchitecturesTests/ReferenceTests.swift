import Architectures
import Autograd
import Components
import Configuration
import Formats
import Foundation
import Testing
import Training

/// Whole models against an independent implementation in PyTorch: `Tests/Fixtures/generate.py` made the files.
struct ReferenceTests {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures").path
    static let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
        .filter { $0.hasSuffix(".safetensors") && $0 != "optimizers.safetensors" }
        .map { String($0.dropLast(".safetensors".count)) }.sorted()

    @Test func fixturesAreThere() { #expect(ReferenceTests.names.count >= 19) }

    @Test(arguments: names)
    func logitsLossAndAllGradients(name: String) throws {
        let file = try Safetensors.File(path: "\(ReferenceTests.folder)/\(name).safetensors")
        let json = try JSON(parsing: Data(#require(file.metadata["config"]).utf8))
        let model = try Model(ModelConfig(#require(json["model"])))
        let context = Context.cpu(threads: 2)
        model.materialize(on: context, training: true, seed: 1)
        let weights = Set(file.entries.keys.filter { $0.hasPrefix("weight/") }.map { String($0.dropFirst(7)) })
        #expect(Set(model.store.parameters.map(\.name)) == weights)
        for parameter in model.store.parameters {
            let value = try #require(parameter.value)
            #expect(file.entries["weight/\(parameter.name)"]?.shape == parameter.shape, "\(parameter.name)")
            try file.withBytes(of: "weight/\(parameter.name)", dtype: "F32", shape: parameter.shape) {
                context.backend.upload($0, to: value)
            }
        }
        let shape = try #require(file.entries["tokens"]?.shape)
        let tokens = context.tensor(try file.int32s("tokens"), shape)
        let targets = try file.int32s("targets")

        let logits = model.logits(Pass(tokens: tokens))
        expectClose(logits.floats, try file.floats("logits"), relative: 2e-5, "logits of \(name)")

        let counted = targets.count { $0 >= 0 }
        let loss = context.recording {
            let loss = model.loss(
                Pass(tokens: tokens), targets: context.tensor(targets, shape), scale: 1 / Float(counted))
            loss.backward()
            return loss.item
        }
        #expect(abs(loss - (try file.floats("loss")[0])) < 1e-5)
        for parameter in model.store.parameters {
            expectClose(
                try #require(parameter.gradient).floats, try file.floats("grad/\(parameter.name)"), relative: 5e-5,
                "gradient of \(parameter.name) in \(name)")
        }
    }
}

/// Expects two arrays to agree within `relative` of the reference's largest value, or 1e-6.
func expectClose(_ found: [Float], _ wanted: [Float], relative: Float, _ what: String) {
    #expect(found.count == wanted.count, "\(what): counts differ")
    let largest = wanted.map(abs).max() ?? 0
    let limit = max(1e-6, relative * largest)
    let worst = zip(found, wanted).map { abs($0 - $1) }.enumerated().max { $0.element < $1.element || $1.element.isNaN }
    if let worst, !(worst.element <= limit) {
        Issue.record("\(what): element \(worst.offset) is \(found[worst.offset]), wanted \(wanted[worst.offset]), limit \(limit)")
    }
}
