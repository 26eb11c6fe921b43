import Configuration

/// Settings of one group of parameters that differ from the optimizer's.
public struct GroupSettings: OptionGroup, Equatable {
    public var lr: Double?
    public var weightDecay: Double?
    public var betas: [Double]?
    public var eps: Double?
    public var widthScaled: Bool?
    public init() {}

    public static var options: [Option<Self>] {
        [
            Option("lr", \.lr, .atLeast(0), help: "learning rate of the group"),
            Option("weight_decay", \.weightDecay, .atLeast(0), help: "weight decay of the group"),
            Option("betas", \.betas, .fraction, help: "AdamW's two decay rates, where AdamW moves the group"),
            Option("eps", \.eps, .above(0), help: "AdamW's epsilon, where AdamW moves the group"),
            Option("width_scaled", \.widthScaled, help: "multiply lr by √(768 / width)"),
        ]
    }

    public func validate() throws {
        if let betas, betas.count != 2 { throw OptionMismatch("betas must be two numbers, found \(betas.count)") }
    }

    /// These settings, where set; the others' elsewhere.
    func over(_ other: GroupSettings) -> GroupSettings {
        var result = other
        if let lr { result.lr = lr }
        if let weightDecay { result.weightDecay = weightDecay }
        if let betas { result.betas = betas }
        if let eps { result.eps = eps }
        if let widthScaled { result.widthScaled = widthScaled }
        return result
    }
}

/// Settings by role (`matrix`, `table`, `head`, `norm`, `bias`, `scalar`) or finer group (`value_embedding`, `x0_scale`).
public struct Groups: OptionValue {
    public var settings: [String: GroupSettings] = [:]

    public static func decode(_ json: JSON) throws -> Groups {
        guard let members = json.objectValue else { throw OptionMismatch(expected: kind, found: json) }
        var groups = Groups()
        for (name, value) in members {
            do {
                groups.settings[name] = try GroupSettings.decode(value, at: name)
            } catch let error as ConfigError {
                throw OptionMismatch("\(error.path): \(error.message)")
            }
        }
        return groups
    }

    public var json: JSON {
        .object(settings.mapValues { .object($0.json.filter { $0.value != .null }) })
    }
    public static var schema: [String: JSON] {
        let members = Dictionary(GroupSettings.descriptions.map { ($0.name, $0.schema) }, uniquingKeysWith: { a, _ in a })
        return [
            "type": "object",
            "additionalProperties": [
                "type": "object", "properties": .object(members), "additionalProperties": false,
            ],
        ]
    }
    public static var kind: String { "an object of groups, each with settings of its own" }
}

// Numbers that are tuned for one optimizer do not carry over to another: a config that names only a new type gets that
// optimizer's own defaults for them, not the old one's learning rate.

/// Options of `adamw`.
public struct AdamWOptions: OptionGroup {
    public var lr = 1e-3
    public var betas = [0.9, 0.95]
    public var eps = 1e-8
    public var weightDecay = 0.1
    public var gradClip = 1.0
    public var groups = Groups()
    public init() {}
    public static var options: [Option<Self>] {
        [
            Option("lr", \.lr, .atLeast(0), help: "learning rate before the schedule", carriesOver: false),
            Option("betas", \.betas, .fraction, help: "decay rates of the two moments"),
            Option("eps", \.eps, .above(0), help: "added to the root of the second moment"),
            Option(
                "weight_decay", \.weightDecay, .atLeast(0), help: "decoupled decay of matrices, tables and the head",
                carriesOver: false),
            Option("grad_clip", \.gradClip, .atLeast(0), help: "largest norm of all gradients together; 0 for no clipping"),
            Option(
                "groups", \.groups, help: "settings by role or group, such as {\"norm\": {\"weight_decay\": 0.01}}",
                carriesOver: false),
        ]
    }
    public func validate() throws {
        if betas.count != 2 { throw OptionMismatch("betas must be two numbers, found \(betas.count)") }
    }
}

/// Options of `muon`: Muon for matrices, AdamW for everything else.
public struct MuonOptions: OptionGroup {
    public var lr = 0.02
    public var momentum = 0.95
    var variant = Muon.Variant.nanochat
    public var beta2 = 0.9
    public var weightDecay = 0.0
    public var adamwLr = 1e-3
    public var betas = [0.9, 0.95]
    public var eps = 1e-8
    public var gradClip = 0.0
    public var groups = Groups()
    public init() {}
    public static var options: [Option<Self>] {
        [
            Option("lr", \.lr, .atLeast(0), help: "Muon's learning rate before the schedule", carriesOver: false),
            Option("momentum", \.momentum, .fraction, help: "Nesterov momentum", carriesOver: false),
            Option("variant", \.variant, help: "nanochat's form or the classic one"),
            Option("beta2", \.beta2, .fraction, help: "decay of the second moment of nanochat's form"),
            Option("weight_decay", \.weightDecay, .atLeast(0), help: "decay of matrices", carriesOver: false),
            Option("adamw_lr", \.adamwLr, .atLeast(0), help: "learning rate of everything that is no matrix"),
            Option("betas", \.betas, .fraction, help: "AdamW's decay rates"),
            Option("eps", \.eps, .above(0), help: "AdamW's epsilon"),
            Option("grad_clip", \.gradClip, .atLeast(0), help: "largest norm of all gradients together; 0 for no clipping"),
            Option("groups", \.groups, help: "settings by role or group", carriesOver: false),
        ]
    }
    public func validate() throws {
        if betas.count != 2 { throw OptionMismatch("betas must be two numbers, found \(betas.count)") }
    }
}

/// Options of `sgd`.
public struct SGDOptions: OptionGroup {
    public var lr = 0.1
    public var momentum = 0.9
    public var nesterov = false
    public var weightDecay = 0.0
    public var gradClip = 1.0
    public var groups = Groups()
    public init() {}
    public static var options: [Option<Self>] {
        [
            Option("lr", \.lr, .atLeast(0), help: "learning rate before the schedule", carriesOver: false),
            Option("momentum", \.momentum, .fraction, help: "share of the last update that goes into the next", carriesOver: false),
            Option("nesterov", \.nesterov, help: "look ahead along the momentum"),
            Option("weight_decay", \.weightDecay, .atLeast(0), help: "decay of matrices, tables and the head", carriesOver: false),
            Option("grad_clip", \.gradClip, .atLeast(0), help: "largest norm of all gradients together; 0 for no clipping"),
            Option("groups", \.groups, help: "settings by role or group", carriesOver: false),
        ]
    }
}
