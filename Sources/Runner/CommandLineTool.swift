import Autograd
import Components
import Configuration
import Foundation
import Reports
import Text
import Training

/// A subcommand: its words for people, its flags, what it does.
protocol Command {
    static var name: String { get }
    static var summary: String { get }
    static var usage: String { get }
    static var example: String { get }
    static var flags: [Flag] { get }
    static func run(_ arguments: Arguments, _ registries: Registries) throws
}

/// The command line of Loom. Another package with components of its own calls it with its registry:
/// ```swift
/// var registry = Registry.standard
/// registry.mlp.register("reglu", "ReLU-gated unit", FeedForwardOptions.self) { … }
/// exit(LoomCommandLine.run(arguments: CommandLine.arguments, registry: registry))
/// ```
public enum LoomCommandLine {
    static var commands: [any Command.Type] {
        [
            TrainCommand.self, SampleCommand.self, EvalCommand.self, InspectCommand.self, ComponentsCommand.self,
            DiffCommand.self, BenchCommand.self, KVCommand.self, CompareCommand.self, ReportCommand.self, SpectrumCommand.self,
            ImportCommand.self, ExportCommand.self, PrepareCommand.self,
            TokenizerTrainCommand.self, TokenizerEncodeCommand.self, TokenizerDecodeCommand.self, TokenizerCompareCommand.self,
            TokenizerConvertCommand.self,
        ]
    }

    /// Runs a command line.
    /// - Parameters:
    ///   - arguments: the program's name first.
    ///   - registry: what configs can name.
    /// - Returns: the exit status: 0; 1 for a failure, 2 for wrong usage or a wrong config, 130 for an interrupt.
    public static func run(arguments: [String], registry: Registry = .standard) -> Int32 {
        run(arguments: arguments, registries: Registries(components: registry))
    }

    /// The same with optimizers, schedules and tokenizers of one's own as well.
    public static func run(arguments: [String], registries: Registries) -> Int32 {
        // A limit on file sizes is an error to be told like a full disk, and no reason to be killed.
        signal(SIGXFSZ, SIG_IGN)
        let status = obey(arguments, registries)
        guard let reason = StandardOutput.takeFailure() else { return status }
        complain("standard output could not be written (\(reason)); what was printed is not complete")
        return status == 0 ? 1 : status
    }

    private static func obey(_ arguments: [String], _ registries: Registries) -> Int32 {
        let words = Array(arguments.dropFirst())
        guard let name = words.first, name != "--help", name != "-h", name != "help" else {
            say(help)
            return words.isEmpty ? 2 : 0
        }
        // Some commands have two words: tokenizer train.
        let group = commands.filter { $0.name.hasPrefix(name + " ") }
        if !group.isEmpty, words.count < 2 || ["--help", "-h", "help"].contains(words[1]) {
            say("usage: ./runner \(name) COMMAND …\n\n\(list(group))\n\n./runner \(name) COMMAND --help tells more.")
            return words.count < 2 ? 2 : 0
        }
        let full = group.isEmpty ? name : "\(name) \(words[1])"
        guard let command = commands.first(where: { $0.name == full }) else {
            if !group.isEmpty {
                let known = group.map { String($0.name.dropFirst(name.count + 1)) }
                let hint = nearest(to: words[1], in: known).map { "did you mean \($0)?" } ?? "there are: \(known.joined(separator: ", "))"
                complain("unknown command \"\(full)\"; \(hint)")
                return 2
            }
            let hint =
                nearest(to: name, in: commands.map { $0.name }).map { "did you mean \($0)?" }
                ?? "there are: \(commands.map { $0.name }.joined(separator: ", "))"
            complain("unknown command \"\(name)\"; \(hint)")
            return 2
        }
        let rest = Array(words.dropFirst(group.isEmpty ? 1 : 2))
        do {
            let arguments = try Arguments(rest, command: full, flags: command.flags)
            guard !arguments.wantsHelp else {
                say(helpText(of: command))
                return 0
            }
            try command.run(arguments, registries)
            return 0
        } catch is Interrupted {
            return 130
        } catch let error as ConfigError {
            complain(error.description)
            return 2
        } catch let error as UsageError {
            complain(error.description)
            return 2
        } catch {
            complain("\(error)")
            return 1
        }
    }

    /// One line to standard error.
    static func complain(_ message: String) {
        let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
        Files.tell("runner: \(line)\n")
    }

    private static var help: String {
        return """
            Loom: decoder-only transformers from JSON configs.

            usage: ./runner COMMAND …

            \(list(commands))

            ./runner COMMAND --help tells more. A first run:
              ./runner train configs/gqa-rope.json
              ./runner sample runs/gqa-rope --prompt "# The Red Kite"
            """
    }

    private static func list(_ commands: [any Command.Type]) -> String {
        let width = commands.map { $0.name.count }.max() ?? 0
        return commands.map { "  \($0.name.padded(to: width))  \($0.summary)" }.joined(separator: "\n")
    }

    private static func helpText(of command: any Command.Type) -> String {
        let rows = (command.flags + [Flag("--help", "this text")]).map { flag in
            (flag.value.map { "\(flag.name) \($0)" } ?? flag.name, flag.help)
        }
        let width = rows.map { $0.0.count }.max() ?? 0
        return """
            \(command.summary)

            usage: ./runner \(command.name) \(command.usage)

            \(rows.map { "  \($0.0.padded(to: width))  \($0.1)" }.joined(separator: "\n"))

            example:
              \(command.example)
            """
    }
}

/// Ends a command whose work was interrupted, after it has said how to go on.
struct Interrupted: Error {}

/// Flags that several commands share.
extension Flag {
    static let set = Flag("--set", "KEY.PATH=VALUE", repeats: true, "change one setting, such as model.layers=4; repeatable")
    static let json = Flag("--json", "output for machines")
    static let device = Flag("--device", "DEVICE", "cpu, cuda or auto (auto)")
    static let threads = Flag("--threads", "N", "threads to compute on; by default one a core")
    static let seed = Flag("--seed", "N", "seed of everything random")
    static let data = Flag("--data", "SOURCE", "other text: stories, tinyshakespeare, a file or folder, or - for standard input")
}

extension Arguments {
    /// The device that `--device` and `--threads` ask for.
    /// - Parameter usual: where `--device` is not given.
    func device(_ usual: DeviceChoice.Kind = .auto) throws -> DeviceChoice {
        let name = string("--device") ?? usual.rawValue
        guard let kind = DeviceChoice.Kind(rawValue: name) else {
            throw UsageError("--device \(name) is unknown; use cpu, cuda or auto")
        }
        let threads = try int("--threads", in: 1...1024)
        if kind == .cuda, threads != nil { throw UsageError("--threads is for the CPU; leave it out with --device cuda") }
        // Whoever names threads means the CPU.
        return DeviceChoice(threads == nil ? kind : .cpu, threads: threads) { FileHandle.standardError.write(Data("note: \($0)\n".utf8)) }
    }

    /// The overrides that `--set`, `--seed` and `--data` stand for.
    func overrides() throws -> [String] {
        var all = strings("--set")
        if let seed = try int("--seed", in: 0...Int.max) { all.append("train.seed=\(seed)") }
        if let data = try string("--data").map({ $0 == "-" ? try KeptInput.path() : $0 }) {
            all.append("data.source=\(JSON.string(data).text(pretty: false))")
        }
        return all
    }
}
