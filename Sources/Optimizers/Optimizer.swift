import Autograd
import Components
import Configuration

/// The recipe of an optimizer as the config gives it: which rule moves which parameter, with what numbers.
public struct OptimizerPlan: Sendable {
    public var lr: Double
    public var momentum: Double
    public var gradClip: Double
    var groups: Groups
    /// The settings and rule of a parameter, before its groups.
    var base: @Sendable (Parameter) -> GroupSettings
    /// Whether weight decay schedules touch the parameter.
    var schedulesDecay: @Sendable (Parameter) -> Bool
    var rule: @Sendable (Parameter, Tensor, Tensor, GroupSettings) -> any UpdateRule
}

/// The optimizers and schedules that configs can name.
public struct OptimizerRegistry: Sendable {
    public var optimizer = Slot<OptimizerPlan>("optimizer")
    public var schedule = Slot<ScheduleShape>("schedule", shared: ScheduleOptions.self)

    public static let standard: OptimizerRegistry = {
        var r = OptimizerRegistry()
        r.optimizer.register("adamw", "Adam with decoupled weight decay (Loshchilov and Hutter 2019)", AdamWOptions.self) {
            options in
            OptimizerPlan(
                lr: options.lr, momentum: 0, gradClip: options.gradClip, groups: options.groups,
                base: { .with(options.lr, $0.decays ? options.weightDecay : 0, options.betas, options.eps) },
                schedulesDecay: { _ in true }, rule: { _, value, gradient, settings in AdamW.make(value, gradient, settings) })
        }
        r.optimizer.register("muon", "Muon for matrices, AdamW for the rest (Jordan et al. 2024)", MuonOptions.self) {
            options in
            OptimizerPlan(
                lr: options.lr, momentum: options.momentum, gradClip: options.gradClip, groups: options.groups,
                base: {
                    $0.role == .matrix
                        ? .with(options.lr, options.weightDecay, options.betas, options.eps)
                        : .with(options.adamwLr, 0, options.betas, options.eps)
                },
                schedulesDecay: { $0.role == .matrix },
                rule: { parameter, value, gradient, settings in
                    guard parameter.role == .matrix else { return AdamW.make(value, gradient, settings) }
                    return Muon(value, gradient, variant: options.variant, beta2: options.beta2)
                })
        }
        r.optimizer.register("sgd", "gradient descent with momentum", SGDOptions.self) { options in
            OptimizerPlan(
                lr: options.lr, momentum: options.momentum, gradClip: options.gradClip, groups: options.groups,
                base: { .with(options.lr, $0.decays ? options.weightDecay : 0, [0, 0], 1) },
                schedulesDecay: { _ in true }, rule: { _, value, gradient, _ in SGD(value, gradient, nesterov: options.nesterov) })
        }
        r.schedule.register("constant", "the same rate throughout, after the warm-up", NoOptions.self) { _ in .constant }
        r.schedule.register("cosine", "half a cosine wave down (Loshchilov and Hutter 2017)", ScheduleShape.CosineOptions.self) {
            .cosine($0)
        }
        r.schedule.register("linear-warmdown", "constant, then straight down: a trapezoid", ScheduleShape.WarmdownOptions.self) {
            .linearWarmdown($0)
        }
        return r
    }()
}

extension GroupSettings {
    fileprivate static func with(_ lr: Double, _ decay: Double, _ betas: [Double], _ eps: Double) -> GroupSettings {
        var settings = GroupSettings()
        (settings.lr, settings.weightDecay, settings.betas, settings.eps) = (lr, decay, betas, eps)
        return settings
    }
}

extension AdamW {
    fileprivate static func make(_ value: Tensor, _ gradient: Tensor, _ settings: GroupSettings) -> AdamW {
        let betas = settings.betas ?? [0.9, 0.95]
        return AdamW(value, gradient, beta1: betas[0], beta2: betas[1], epsilon: settings.eps ?? 1e-8)
    }
}

extension Parameter {
    /// Whether weight decay touches it unless its group says otherwise: not norms, biases and single numbers.
    fileprivate var decays: Bool { role == .matrix || role == .table || role == .head }
}

/// All parameters of a model on their way.
public final class Optimizer {
    private struct Moving {
        let parameter: Parameter
        let rule: any UpdateRule
        let lr: Double
        let weightDecay: Double
        let schedulesDecay: Bool
    }
    private let moving: [Moving]
    /// How they move, each with its numbers: Muon's matrices together, by those of the first of them; AdamW's all in one go.
    private let stacks: [(stack: MuonStack, numbers: Tensor)]
    private let adamW: [AdamWUpdate]
    private let sgd: [(rule: SGD, numbers: Tensor)]
    private let plan: OptimizerPlan
    private let schedule: Schedule
    private let store: ParameterStore
    private let gradients: Tensor
    /// Of each that moves, [n, `StepNumbers.count`].
    private let numbers: Tensor

    /// - Throws: `ConfigError` for a group that no parameter is in.
    public init(_ plan: OptimizerPlan, schedule: Schedule, store: ParameterStore, width: Int) throws {
        precondition(store.gradients != nil, "the model was made without gradients")
        let gradients = store.gradients.unsafelyUnwrapped
        // A group of a part that this model does not have is no mistake: swapping a component must not need another recipe.
        let known = Set(store.parameters.map(\.group) + ParameterRole.allCases.map(\.rawValue)).union(Parameter.standardGroups)
        for name in plan.groups.settings.keys.sorted() where !known.contains(name) {
            throw ConfigError.unknown("parameter group", name, known: known, at: "optimizer.groups")
        }
        (self.plan, self.schedule, self.store, self.gradients) = (plan, schedule, store, gradients)
        let moving: [Moving] = store.parameters.compactMap { parameter in
            guard let value = parameter.value, let gradient = parameter.gradient else { return nil }
            let groups = plan.groups.settings
            let settings = (groups[parameter.group] ?? GroupSettings())
                .over((groups[parameter.role.rawValue] ?? GroupSettings()).over(plan.base(parameter)))
            let scaled = settings.widthScaled == true ? (768 / Double(width)).squareRoot() : 1
            return Moving(
                parameter: parameter, rule: plan.rule(parameter, value, gradient, settings),
                lr: (settings.lr ?? plan.lr) * scaled, weightDecay: settings.weightDecay ?? 0,
                schedulesDecay: plan.schedulesDecay(parameter))
        }
        let numbers = gradients.context.tensor(moving.map { _ in StepNumbers(lr: 0) })
        func own(_ index: Int) -> Tensor { numbers.slice(index..<index + 1) }
        (self.moving, self.numbers) = (moving, numbers)
        stacks = Optimizer.stacks(of: moving).map { ($0.stack, own($0.first)) }
        adamW = moving.enumerated().compactMap { index, item in (item.rule as? AdamW)?.updating(own(index)) }
        sgd = moving.enumerated().compactMap { index, item in (item.rule as? SGD).map { ($0, own(index)) } }
    }

    /// Matrices of one shape, rate and decay, in the order they were declared.
    private static func stacks(of moving: [Moving]) -> [(first: Int, stack: MuonStack)] {
        struct Alike: Hashable { let rows: Int, columns: Int, lr: Double, weightDecay: Double, schedulesDecay: Bool }
        var kinds: [Alike] = [], alike: [Alike: [(index: Int, rule: Muon)]] = [:]
        for (index, item) in moving.enumerated() {
            guard let rule = item.rule as? Muon else { continue }
            let kind = Alike(
                rows: rule.rows, columns: rule.columns, lr: item.lr, weightDecay: item.weightDecay, schedulesDecay: item.schedulesDecay)
            if alike[kind] == nil { kinds.append(kind) }
            alike[kind, default: []].append((index, rule))
        }
        return kinds.flatMap { kind in
            let all = alike[kind] ?? [], most = all.first.map { MuonStack.most(like: $0.rule) } ?? 1
            return stride(from: 0, to: all.count, by: most).map { start in
                let some = all[start..<min(start + most, all.count)]
                return (first: all[start].index, stack: MuonStack(some.map(\.rule)))
            }
        }
    }

    /// Sets all gradients to zero.
    public func clearGradients() { gradients.backend.fill(gradients, 0) }

    /// √Σ g² over all parameters.
    public var gradientNorm: Double { gradients.backend.sumOfSquares(gradients).squareRoot() }

    /// Leaves Σ g² over all parameters on the device, as a double.
    public func sumSquares(into total: Tensor) { gradients.backend.sumOfSquares(gradients, into: total) }

    /// The learning rate at `step`, of parameters without a group of their own.
    public func learningRate(_ step: Int) -> Double { plan.lr * schedule.factor(step) }

    /// Moves every parameter by its gradient.
    /// - Parameters:
    ///   - step: counted from 0.
    ///   - norm: what `gradientNorm` was; gradients are scaled down to the clip when it is larger.
    public func step(_ step: Int, gradientNorm norm: Double) {
        prepare(step, gradientScale: GradientClip.factor(norm: norm, limit: plan.gradClip))
        move(clip: nil)
    }

    /// Tells the device the numbers of a step, whose moves are asked for next, or have been captured.
    public func prepare(_ step: Int) { prepare(step, gradientScale: 1) }

    /// Moves every parameter by its gradient, with the numbers last prepared; nothing in it depends on the step but those.
    /// - Parameter squares: the norm of the gradients, as `sumSquares` leaves it.
    public func move(clippingBy squares: Tensor) {
        var clip = GradientClip(squares: squares, limit: Float(plan.gradClip))
        if !sgd.isEmpty {
            gradients.backend.clip(gradients, by: clip)
            // Once is enough; that a step which is not finite is left out stays.
            clip = GradientClip(squares: squares, limit: 0)
        }
        move(clip: clip)
    }

    private func prepare(_ step: Int, gradientScale: Double) {
        let factor = schedule.factor(step), momentum = schedule.momentum(step, usual: plan.momentum)
        numbers.set(
            moving.map { item in
                let decay = item.weightDecay * (item.schedulesDecay ? schedule.decayFactor(step) : 1)
                var numbers = StepNumbers(
                    lr: Float(item.lr * factor), weightDecay: Float(decay), momentum: Float(momentum), gradientScale: Float(gradientScale))
                item.rule.complete(&numbers, step: step + 1)
                return numbers
            })
    }

    private func move(clip: GradientClip?) {
        for (rule, numbers) in sgd { rule.update(numbers) }
        for (stack, numbers) in stacks { stack.update(numbers, clip: clip) }
        if !adamW.isEmpty { gradients.backend.adamW(adamW, clip: clip) }
        store.refreshShadow()
    }

    /// What the rules remember, by name: "layers.0.mlp.up.weight/m".
    public var state: [(name: String, tensor: Tensor)] {
        moving.flatMap { item in item.rule.state.map { ("\(item.parameter.name)/\($0.name)", $0.tensor) } }
    }

    /// The parameter whose values are largest, by their root mean square.
    public var largest: String {
        func size(_ parameter: Parameter) -> Double {
            parameter.value.map { $0.backend.sumOfSquares($0) / Double(max(1, $0.count)) } ?? 0
        }
        return moving.map { ($0.parameter.name, size($0.parameter)) }.max { $0.1 < $1.1 }?.0 ?? "no parameter"
    }

    /// The first parameter with a value or gradient that is not finite.
    public func firstNotFinite() -> String? {
        for item in moving {
            if let gradient = item.parameter.gradient, gradient.backend.firstNotFinite(gradient) != nil {
                return "the gradient of \(item.parameter.name)"
            }
            if let value = item.parameter.value, value.backend.firstNotFinite(value) != nil { return item.parameter.name }
        }
        return nil
    }
}
