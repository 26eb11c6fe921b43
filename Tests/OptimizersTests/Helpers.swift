import Autograd
import Components
import Configuration
import Foundation
import Optimizers
import Testing

/// A few parameters under an optimizer, without a model around them.
struct Bench {
    let context: Context
    let store = ParameterStore()
    let optimizer: Optimizer

    /// - Parameters:
    ///   - parameters: name, shape and kind, which decides role and group.
    ///   - groups: of parameters in another group.
    init(
        _ options: JSON, _ parameters: [(name: String, shape: [Int], kind: ParameterKind)], schedule: Schedule = constantSchedule(),
        width: Int = 768, groups: [String: String] = [:], on context: Context = .cpu(threads: 1)
    ) throws {
        self.context = context
        let size = ModelSize(context: 1, layers: 1, width: width, vocabulary: 1)
        let site = Site(size: size, name: "", path: "model", store: store)
        for parameter in parameters {
            _ = site.parameter(parameter.name, parameter.shape, parameter.kind, group: groups[parameter.name])
        }
        store.materialize(on: context, training: true)
        optimizer = try Optimizer(plan(options), schedule: schedule, store: store, width: width)
    }

    func parameter(_ name: String) throws -> Parameter {
        try #require(store.parameters.first { $0.name == name }, "no parameter \(name)")
    }

    func values(_ name: String) throws -> [Float] { try #require(parameter(name).value).floats }

    func set(_ name: String, values: [Float]? = nil, gradient: [Float]? = nil) throws {
        let parameter = try parameter(name)
        for (numbers, tensor) in [(values, parameter.value), (gradient, parameter.gradient)] {
            guard let numbers else { continue }
            let tensor = try #require(tensor)
            numbers.withUnsafeBytes { context.backend.upload($0, to: tensor) }
        }
    }
}

func plan(_ options: JSON) throws -> OptimizerPlan {
    try OptimizerRegistry.standard.optimizer.read(options, at: "optimizer").make
}

/// The schedule of a config's section, for a run of `steps` at `lr`.
func schedule(_ options: JSON, steps: Int, lr: Double = 1) throws -> Schedule {
    let read = try OptimizerRegistry.standard.schedule.read(options, at: "schedule")
    let shared = Set(ScheduleOptions.options.map(\.name))
    let common = (read.resolved.objectValue ?? [:]).filter { shared.contains($0.key) }
    return Schedule(read.make, try ScheduleOptions.decode(.object(common), at: "schedule"), steps: steps, lr: lr)
}

func constantSchedule() -> Schedule { Schedule(.constant, ScheduleOptions(), steps: 100, lr: 1) }

func expectNear(
    _ found: Double, _ wanted: Double, _ what: String, tolerance: Double = 1e-12, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(
        abs(found - wanted) <= tolerance * max(1, abs(wanted)), "\(what): found \(found), wanted \(wanted)", sourceLocation: sourceLocation)
}
