import Analysis
import Architectures
import Autograd
import Components
import Configuration
import Formats
import Foundation
import Testing
import Text
import Training

/// Models of truncated factors.
struct LowRankTests {
    static let config: JSON = [
        "context": 8, "layers": 1, "width": 16, "attention": ["type": "mha", "heads": 2], "head": ["type": "untied"],
    ]
    let context = Context.cpu(threads: 1)
    let model: Model
    init() throws { model = try randomModel(LowRankTests.config, vocabulary: 30, on: context) }

    func values(_ name: String) throws -> [Float] { try #require(model.store.parameters.first { $0.name == name }?.value?.floats) }

    /// Every matrix is its best approximation of the smallest rank that keeps the energy; everything else is as it was.
    @Test func keepsTheEnergy() throws {
        let before = Dictionary(uniqueKeysWithValues: model.store.parameters.map { ($0.name, $0.value?.floats ?? []) })
        let flops = model.accounting.flopsPerToken
        let result = try LowRank.compress(model, energy: 0.6)
        #expect(
            Set(result.changes.map(\.name))
                == Set(
                    ["q", "k", "v", "output"].map { "layers.0.attention.\($0).weight" } + [
                        "layers.0.mlp.up.weight", "layers.0.mlp.down.weight", "head.weight",
                    ]))
        #expect(result.changes.contains { $0.isReplaced })
        for change in result.changes {
            let old = try #require(before[change.name]), new = try values(change.name)
            func spectrum(_ x: [Float]) throws -> Spectrum {
                try Spectrum(
                    values: SingularValues.of(x, rows: change.rows, columns: change.columns, name: ""), rows: change.rows,
                    columns: change.columns)
            }
            let was = try spectrum(old)
            #expect(change.rank == was.rank(keeping: 0.6) && was.rank(keeping: 0.6) < min(change.rows, change.columns))
            guard change.isReplaced else {
                #expect(new == old && change.saved == 0)
                continue
            }
            #expect(change.rank * (change.rows + change.columns) < change.rows * change.columns)
            let lost = zip(old, new).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }.squareRoot()
            #expect(abs(lost / was.energy.squareRoot() - change.error) < 1e-5)
            #expect(abs(was.error(rank: change.rank).frobenius - change.error) < 1e-12)
            for (index, value) in try spectrum(new).values.enumerated() {
                #expect(abs(value - (index < change.rank ? was.values[index] : 0)) < 1e-5 * was.largest)
            }
        }
        let touched = Set(result.changes.filter(\.isReplaced).map(\.name))
        for parameter in model.store.parameters where !touched.contains(parameter.name) {
            #expect(parameter.value?.floats == before[parameter.name])
        }
        #expect(result.before == model.store.count && result.after == result.before - result.saved && result.saved > 0)
        #expect(result.bytesAfter == 4 * result.after && result.flopsBefore == flops && result.flopsAfter == flops - 6 * result.saved)
    }

    /// A checkpoint of factors gives the model back that it was made of, bit for bit, and the same spectra.
    @Test func savedAsFactors() throws {
        let result = try LowRank.compress(model, energy: 0.6), path = temporaryPath("run")
        defer { try? FileManager.default.removeItem(atPath: path) }
        let config = try RunConfig(["model": LowRankTests.config, "data": ["tokenizer": "byte"]])
        let folder = try RunFolder.create(name: "run", out: path)
        try folder.begin(
            config, description: "factors", tokenizer: ByteTokenizer(), model: model, factors: result.factors, step: 7)
        let checkpoint = try Checkpoint.find(in: RunFolder.open(path))
        #expect(try RunConfig(path: folder.configPath).resolved["description"] == "factors" && checkpoint.step == 7)
        let other = try Model(ModelConfig(LowRankTests.config), vocabulary: 30)
        other.materialize(on: context, training: false)
        try checkpoint.load(into: other)
        for (a, b) in zip(model.store.parameters, other.store.parameters) { #expect(a.value?.floats == b.value?.floats, "\(a.name)") }
        let file = try Safetensors.File(path: "\(checkpoint.path)/model.safetensors")
        #expect(file.entries.values.reduce(0) { $0 + $1.range.count } == result.bytesAfter, "the bytes it says")
        for change in result.changes {
            let tensor = try #require(WeightTensor.all(of: other).first { $0.name == change.name })
            let found = try MatrixSpectrum.all([tensor], in: file)[0].spectrum
            #expect((found.values.last ?? 1) < 1e-5 * found.largest || !change.isReplaced)
        }
    }

    /// All of the energy needs all of the rank, whose factors are larger.
    @Test func allOfTheEnergyChangesNothing() throws {
        let before = try values("head.weight"), result = try LowRank.compress(model, energy: 1)
        #expect(result.saved == 0 && result.changes.allSatisfy { !$0.isReplaced })
        #expect(try values("head.weight") == before)
    }

    @Test func matricesOfZeros() throws {
        for parameter in model.store.parameters where parameter.role == .matrix { context.backend.fill(try #require(parameter.value), 0) }
        let result = try LowRank.compress(model, energy: 0.9)
        #expect(result.changes.filter { $0.rank == 0 }.count == 6)
        #expect(try values("layers.0.mlp.up.weight").allSatisfy { $0 == 0 })
    }

    @Test(arguments: [0, -1, 1.01, .nan]) func energiesThatCannotBe(energy: Double) {
        let text = message { _ = try LowRank.compress(model, energy: energy) }
        #expect(text.contains("above 0 and at most 1"), "\(text)")
    }

    @Test func stopping() { #expect(throws: CancellationError.self) { try LowRank.compress(model, energy: 0.5) { done, _ in done == 0 } } }
}
