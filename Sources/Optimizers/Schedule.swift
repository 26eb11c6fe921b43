import Components
import Configuration
import Foundation

/// What all schedules share.
public struct ScheduleOptions: OptionGroup {
    public var warmup = 0
    public var momentumWarmup = 0
    public var momentumStart: Double?
    public var weightDecay = Decay.constant
    public init() {}

    public enum Decay: String, OptionEnum { case constant, cosine }

    public static var options: [Option<Self>] {
        [
            Option("warmup", \.warmup, .atLeast(0), help: "steps over which the learning rate rises from nearly zero"),
            Option(
                "momentum_warmup", \.momentumWarmup, .atLeast(0), help: "steps over which momentum goes from momentum_start to its value"),
            Option("momentum_start", \.momentumStart, .fraction, help: "momentum at the first step; by default the optimizer's"),
            Option(
                "weight_decay", \.weightDecay,
                help: "constant, or a cosine to zero over the run (of matrices alone when Muon moves them)"),
        ]
    }
}

/// The shape of a schedule: the learning rate's factor by step.
public enum ScheduleShape: Sendable {
    case constant
    /// Half a cosine wave, down to the end of the run or to its `decaySteps`.
    case cosine(CosineOptions)
    /// Constant, then a straight line down over the last share of the run: a trapezoid.
    case linearWarmdown(WarmdownOptions)

    public struct CosineOptions: OptionGroup {
        public var decaySteps: Int?
        public var minLr: Double?
        public init() {}
        public static var options: [Option<Self>] {
            [
                Option("decay_steps", \.decaySteps, .atLeast(1), help: "step at which min_lr is reached; by default the last"),
                minimum(\.minLr, usual: "a tenth"),
            ]
        }
    }

    public struct WarmdownOptions: OptionGroup {
        public var warmdown = 0.65
        public var minLr: Double?
        public var momentumEnd: Double?
        public init() {}
        public static var options: [Option<Self>] {
            [
                Option("warmdown", \.warmdown, .within(0...1), help: "share of the run over which the rate falls, at its end"),
                minimum(\.minLr, usual: "zero"),
                Option("momentum_end", \.momentumEnd, .fraction, help: "momentum at the last step, reached along the warmdown"),
            ]
        }
    }

    /// The rate that the schedule ends with, where the config names it.
    public var minLr: Double? {
        switch self {
        case .constant: nil
        case .cosine(let options): options.minLr
        case .linearWarmdown(let options): options.minLr
        }
    }

    private static func minimum<Group>(
        _ keyPath: WritableKeyPath<Group, Double?> & Sendable, usual: String
    ) -> Option<Group> {
        Option(
            "min_lr", keyPath, .atLeast(0),
            help: "learning rate at the end; groups with rates of their own fall by the same factor; by default \(usual)",
            carriesOver: false)
    }
}

/// Factors for every step of a run: learning rate, momentum, weight decay.
public struct Schedule: Sendable {
    public let shape: ScheduleShape
    public let options: ScheduleOptions
    public let steps: Int
    /// The optimizer's learning rate, which `min_lr` is compared with.
    public let lr: Double

    public init(_ shape: ScheduleShape, _ options: ScheduleOptions, steps: Int, lr: Double) {
        (self.shape, self.options, self.steps, self.lr) = (shape, options, steps, lr)
    }

    /// The factor on every learning rate at `step`, counted from 0.
    public func factor(_ step: Int) -> Double {
        if step < options.warmup { return Double(step + 1) / (Double(options.warmup) + 1) }
        switch shape {
        case .constant:
            return 1
        case .cosine(let cosine):
            let floor = floor(cosine.minLr ?? lr / 10), end = cosine.decaySteps ?? steps
            guard step < end else { return floor }
            let progress = Double(step - options.warmup) / Double(max(1, end - options.warmup))
            return floor + 0.5 * (1 + cos(.pi * progress)) * (1 - floor)
        case .linearWarmdown(let warmdown):
            let left = left(of: warmdown, step)
            return left + (1 - left) * floor(warmdown.minLr ?? 0)
        }
    }

    /// A rate as a factor of the optimizer's.
    private func floor(_ minimum: Double) -> Double { lr > 0 ? minimum / lr : 0 }

    /// Muon's or SGD's momentum at `step`.
    public func momentum(_ step: Int, usual: Double) -> Double {
        if step < options.momentumWarmup, let start = options.momentumStart {
            return start + (usual - start) * Double(step) / Double(options.momentumWarmup)
        }
        guard case .linearWarmdown(let warmdown) = shape, let end = warmdown.momentumEnd else { return usual }
        return end + (usual - end) * left(of: warmdown, step)
    }

    /// The factor on scheduled weight decay at `step`.
    public func decayFactor(_ step: Int) -> Double {
        options.weightDecay == .constant ? 1 : 0.5 * (1 + cos(.pi * Double(step) / Double(max(1, steps))))
    }

    /// 1 before the warmdown, falling to 0 at the end.
    private func left(of warmdown: ScheduleShape.WarmdownOptions, _ step: Int) -> Double {
        let length = (warmdown.warmdown * Double(steps)).rounded()
        guard length > 0 else { return 1 }
        return min(1, max(0, Double(steps - step) / length))
    }
}
