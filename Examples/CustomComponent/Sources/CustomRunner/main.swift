import Components
import Foundation
import Runner

var registry = Registry.standard
registry.mlp.register("leaky-gate", "ReLU-gated unit that leaks", LeakyGate.Options.self) { options in
    { LeakyGate(options, at: $0) }
}
registry.attention.register("tied", "values are the keys", TiedAttention.Options.self) { options in
    { try TiedAttention(options, position: $0, at: $1) }
}
exit(LoomCommandLine.run(arguments: CommandLine.arguments, registry: registry))
