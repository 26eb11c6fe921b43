import Components
import Foundation
import Runner

var registry = Registry.standard
registry.mlp.register("leaky-gate", "ReLU-gated unit that leaks", LeakyGate.Options.self) { options in
    { LeakyGate(options, at: $0) }
}
exit(LoomCommandLine.run(arguments: CommandLine.arguments, registry: registry))
