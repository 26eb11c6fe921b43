import Architectures
import Autograd
import Components
import Configuration
import Optimizers
import Testing
import Text
import Training

/// Any component of any small config swapped for any other registered one, with nothing but `--set model.SLOT=NAME`: the
/// recipe, its groups and its schedule stay what they are, and it trains.
struct SwapTests {
    /// Small enough for hundreds of models; the sizes that components themselves need stay whole.
    static let reduced = [
        "model.width=48", "model.layers=2", "model.context=16", "train.batch=1", "train.grad_accumulation=1",
        "data.source=stories", "data.characters=60000", "data.tokenizer=byte",
    ]

    /// Windows of a config that are longer than the reduced context.
    static func windows(_ name: String) throws -> [String] {
        let file = try RunConfig.load("\(repository)/configs/\(name).json")
        return (file[path: "model.attention.short_window"] == nil ? [] : ["model.attention.short_window=8"])
            + (file[path: "model.attention.window"]?.intValue == nil ? [] : ["model.attention.window=8"])
    }

    @Test(arguments: SmallConfigTests.names)
    func everySlotOf(name: String) throws {
        let context = Context.cpu(threads: 1), path = "\(repository)/configs/\(name).json"
        let whole = try RunConfig(path: path, overrides: SwapTests.reduced + SwapTests.windows(name))
        let data = try dataset(whole)
        var swaps = 0
        for slot in Registry.standard.slots {
            for component in slot.components {
                // The component's own name is tried too: it must change nothing.
                let change = "model.\(slot.name)=\(component.name)"
                let config = try RunConfig(path: path, overrides: SwapTests.reduced + SwapTests.windows(name) + [change])
                let isOwn = whole.resolved[path: "model.\(slot.name).type"] == .string(component.name)
                #expect((config.resolved == whole.resolved) == isOwn, "\(change)")
                let losses = try SwapTests.losses(config, data, on: context)
                #expect(losses.count == 3 && losses.allSatisfy(\.isFinite), "\(name) with \(change): \(losses)")
                // Seen again and again, one batch is learned: the parts work together and not only run.
                #expect(losses[2] < losses[0], "\(name) with \(change): \(losses)")
                swaps += isOwn ? 0 : 1
            }
        }
        #expect(swaps >= 17, "attention 2, position 4, norm 1, mlp 5, residual 1, head 1, init 3")
    }

    /// The losses of three steps on one batch, by the config's own optimizer after its warm-up.
    static func losses(_ config: RunConfig, _ data: Dataset, on context: Context) throws -> [Double] {
        let model = try Trainer.model(config, tokenizer: data.tokenizer), train = config.train
        model.materialize(on: context, training: true, seed: 1)
        let optimizer = try Optimizer(config.plan, schedule: config.schedule, store: model.store, width: model.size.width)
        let step = TrainingStep(model, optimizer, on: context, train)
        let length = model.size.context
        var ids = [Int32](repeating: 0, count: length + 1)
        ids.withUnsafeMutableBufferPointer { data.train.copy(from: 0, into: $0) }
        return (0..<3).map { index in
            let number = config.schedule.options.warmup + index
            let (loss, norm) = step.gradients(number) { _ in
                (context.tensor(Array(ids.dropLast()), [1, length]), context.tensor(Array(ids.dropFirst()), [1, length]))
            }
            step.update(number, gradientNorm: norm)
            return loss
        }
    }
}
