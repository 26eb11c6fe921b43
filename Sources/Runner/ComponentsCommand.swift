import Components
import Configuration
import Reports
import Training

/// Lists what configs can name.
enum ComponentsCommand: Command {
    static let name = "components"
    static let summary = "Every component, its options, their defaults and what they mean."
    static let usage = "[SECTION] [TYPE]"
    static let example = "./runner components attention gqa"
    static let flags = [Flag("--schema", "print the JSON Schema of configs, as in configs/schema.json"), Flag.json]

    static func run(_ arguments: Arguments, _ registries: Registries) throws {
        if arguments.has("--schema") {
            emit(registries.schema.text() + "\n")
            return
        }
        guard arguments.positions.count <= 2 else {
            throw UsageError("components: expected a section and a type at most; ./runner components --help shows an example")
        }
        var slots = registries.slots.map { (path: $0.path, slot: $0.slot) }
        if let wanted = arguments.positions.first {
            let names = slots.map(\.slot.name)
            slots = slots.filter { $0.slot.name == wanted || $0.path == wanted }
            if slots.isEmpty {
                let hint = nearest(to: wanted, in: names).map { "; did you mean \($0)?" } ?? ""
                throw UsageError("components: unknown section \(wanted)\(hint) (there are: \(names.joined(separator: ", ")))")
            }
        }
        let type = arguments.positions.count == 2 ? arguments.positions[1] : nil
        if let type, let slot = slots.first?.slot, !slot.components.contains(where: { $0.name == type }) {
            throw UsageError("components: \(ConfigError.unknown("\(slot.name) type", type, known: slot.components.map(\.name)))")
        }
        if arguments.has("--json") {
            emit(json(slots, type).text() + "\n")
            return
        }
        for (index, (path, slot)) in slots.enumerated() {
            if index > 0 { say("") }
            say(path)
            show(slot, only: type)
        }
    }

    private static func show(_ slot: SlotDescription, only type: String?) {
        let chosen = slot.components.filter { type == nil || $0.name == type }
        // Options that all components have, alike in everything, stand once, behind them.
        let everywhere =
            chosen.count < 2
            ? []
            : chosen[0].options.filter { option in
                chosen.allSatisfy { $0.options.contains { $0.name == option.name && $0.schema == option.schema } }
            }.map(\.name)
        for component in chosen {
            say("  \(component.name.padded(to: 16))  \(component.summary)")
            show(component.options.filter { !everywhere.contains($0.name) })
        }
        let shared = slot.shared + (chosen.first?.options.filter { everywhere.contains($0.name) } ?? [])
        guard !shared.isEmpty else { return }
        if chosen.count > 1 { say("  all of these") }
        show(shared)
    }

    private static func show(_ options: [OptionDescription]) {
        for option in options {
            say("    \(option.name.padded(to: 20))  \(option.help)")
            say("    \("".padded(to: 20))  \(option.allowed); default \(option.defaultValue.brief)")
        }
    }

    private static func json(_ slots: [(path: String, slot: SlotDescription)], _ type: String?) -> JSON {
        .object(
            Dictionary(
                slots.map { path, slot in
                    let components = slot.components.filter { type == nil || $0.name == type }.map { component -> JSON in
                        [
                            "type": .string(component.name), "summary": .string(component.summary),
                            "options": .object(
                                Dictionary(
                                    (component.options + slot.shared).map { ($0.name, $0.schema) }, uniquingKeysWith: { a, _ in a })),
                        ]
                    }
                    return (path, .array(components))
                }, uniquingKeysWith: { a, _ in a }))
    }
}
