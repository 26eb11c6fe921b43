import Analysis
import Configuration
import Foundation
import Reports
import Text
import Training

/// What `inspect` shows of a prompt on its way through a run's model: attention maps and the logit lens.
struct InspectPrompt {
    static let flags = [
        Flag("--attention", "PROMPT", "of a run: where every head looks, its entropy and mean distance"),
        Flag("--lens", "PROMPT", "of a run: what the model would say after every layer"),
        Flag("--top", "N", "with --lens: likeliest tokens to name (3)"),
        Flag("--html", "FILE", "with --attention or --lens: a page of them"),
    ]

    private let arguments: Arguments
    private let run: LoadedRun

    /// Shows what the flags ask for.
    /// - Returns: whether any of them did.
    static func show(_ source: String, _ arguments: Arguments, _ registries: Registries) throws -> Bool {
        guard arguments.has("--attention") || arguments.has("--lens") else {
            for flag in ["--top", "--html"] where arguments.has(flag) {
                throw UsageError("inspect: \(flag) goes with --attention PROMPT or --lens PROMPT")
            }
            return false
        }
        if arguments.has("--top"), !arguments.has("--lens") { throw UsageError("inspect: --top goes with --lens PROMPT") }
        for flag in ["--set", "--config", "--data", "--memory"] where arguments.has(flag) {
            throw UsageError("inspect: \(flag) shows a model's shape, --attention and --lens a run at work; use one of them")
        }
        for flag in ["--attention", "--lens"] where arguments.string(flag)?.isEmpty ?? false {
            throw UsageError("inspect: \(flag) needs a prompt of at least one token")
        }
        let run = try LoadedRun(source, checkpoint: arguments.string("--checkpoint"), on: arguments.device(), registries)
        try InspectPrompt(arguments: arguments, run: run).show(source)
        return true
    }

    private func show(_ source: String) throws {
        let top = try arguments.int("--top", in: 1...run.model.size.vocabulary) ?? min(3, run.model.size.vocabulary)
        let attention = try arguments.string("--attention").map { prompt in
            let ids = try ids(prompt, "--attention")
            let maps = PromptObserver.look(at: run.model, on: run.context, ids: ids, maps: true, top: nil).maps
            guard !maps.isEmpty else { throw Failure("no attention of \(source) shows where it looks") }
            return (ids: ids, maps: maps)
        }
        let lens = try arguments.string("--lens").map { prompt in
            let ids = try ids(prompt, "--lens")
            return (ids: ids, lenses: PromptObserver.look(at: run.model, on: run.context, ids: ids, maps: false, top: top).lenses)
        }
        if let page = arguments.string("--html") { try write(page, source, attention, lens) }
        if arguments.has("--json") {
            var json: [String: JSON] = ["run": .string(source), "step": .int(run.checkpoint.step)]
            json["attention"] = attention.map { self.json($0.ids, $0.maps) }
            json["lens"] = lens.map { self.json($0.ids, $0.lenses) }
            emit(JSON.object(json).text() + "\n")
            return
        }
        if let attention { tell(attention.ids, attention.maps) }
        if attention != nil, lens != nil { say("") }
        if let lens { tell(lens.ids, lens.lenses) }
        if let page = arguments.string("--html") { say("\nwrote \(page)") }
    }

    private func ids(_ prompt: String, _ flag: String) throws -> [Int32] {
        let ids = try run.tokenizer is IdTokenizer ? listed(prompt, flag) : run.tokenizer.encode(prompt)
        let limit = run.model.size.context
        guard !ids.isEmpty else { throw UsageError("inspect: \(flag) needs a prompt of at least one token") }
        guard ids.count <= limit else {
            throw UsageError(
                "inspect: \(flag): the prompt has \(ids.count.grouped) tokens, more than the context of \(limit.grouped); shorten it")
        }
        if flag == "--attention", arguments.has("--html"), ids.count > PromptPage.longestMap {
            throw UsageError(
                "inspect: the prompt has \(ids.count.grouped) tokens, and --html draws at most \(PromptPage.longestMap); shorten it")
        }
        return ids
    }

    /// The ids that stand for a prompt where weights came without a tokenizer.
    private func listed(_ prompt: String, _ flag: String) throws -> [Int32] {
        let size = run.model.size.vocabulary
        let ids = prompt.split(separator: ",", omittingEmptySubsequences: false).map { word in
            Int32(word.filter { !$0.isWhitespace }).flatMap { $0 >= 0 && $0 < size ? $0 : nil }
        }
        let known = ids.compactMap { $0 }
        guard known.count == ids.count else {
            throw UsageError(
                "inspect: these weights came without a tokenizer, so the prompt is token ids from 0 to \(size - 1): \(flag) 1,2,3")
        }
        return known
    }

    /// A token in quotes, line breaks and the like escaped.
    private func text(_ id: Int32) -> String { JSON.string(run.tokenizer.decode([id])).text(pretty: false) }

    private typealias Attention = (ids: [Int32], maps: [AttentionMap])
    private typealias Lenses = (ids: [Int32], lenses: [PromptObserver.Lens])

    private func write(_ page: String, _ source: String, _ attention: Attention?, _ lens: Lenses?) throws {
        func whole(_ title: String, _ ids: [Int32], _ maps: [AttentionMap], _ lenses: [PromptObserver.Lens]) -> PromptPage {
            PromptPage(
                title: "\(title) of \(source), step \(run.checkpoint.step)", tokens: ids.map(text), maps: maps, lenses: lenses, text: text)
        }
        if let attention, let lens, attention.ids != lens.ids {
            throw UsageError("inspect: one page is of one prompt; give --attention and --lens the same, or write two pages")
        }
        guard let ids = attention?.ids ?? lens?.ids else { return }
        let title = attention == nil ? "Logit lens" : lens == nil ? "Attention" : "Attention and logit lens"
        try writePage(whole(title, ids, attention?.maps ?? [], lens?.lenses ?? []).html, to: page, "inspect")
    }

    private func tell(_ ids: [Int32], _ maps: [AttentionMap]) {
        say("attention over \(ids.count) tokens, step \(run.checkpoint.step.grouped)\n")
        say("layer  head  entropy, nats  mean distance  first token")
        for map in maps {
            say(
                String(map.layer).leftPadded(to: 5) + String(map.head).leftPadded(to: 6) + map.entropy.fixed(3).leftPadded(to: 15)
                    + map.meanDistance.fixed(2).leftPadded(to: 15) + "\((100 * map.firstTokenShare).fixed(1)) %".leftPadded(to: 13))
        }
    }

    private func tell(_ ids: [Int32], _ lenses: [PromptObserver.Lens]) {
        say("what the model would say after each layer, step \(run.checkpoint.step.grouped)")
        for (position, id) in ids.enumerated() {
            let next = position + 1 < ids.count ? ", then \(text(ids[position + 1]))" : ""
            say("\n\(position) \(text(id))\(next)")
            for lens in lenses {
                let words = lens.likeliest[position].map { "\(text($0.token)) \((100 * $0.probability).fixed(1)) %" }
                say("  \((lens.layer.map { "layer \($0)" } ?? "embedding").padded(to: 10)) \(words.joined(separator: "   "))")
            }
        }
    }

    private func tokens(_ ids: [Int32]) -> JSON { .array(ids.map { .string(run.tokenizer.decode([$0])) }) }

    private func json(_ ids: [Int32], _ maps: [AttentionMap]) -> JSON {
        [
            "tokens": tokens(ids),
            "heads": .array(
                maps.map { map in
                    [
                        "layer": .int(map.layer), "head": .int(map.head), "entropy": .double(map.entropy),
                        "mean_distance": .double(map.meanDistance), "first_token_share": .double(map.firstTokenShare),
                        "weights": .array(
                            (0..<map.time).map { query in .array((0...query).map { .double(Double(map[query, $0])) }) }),
                    ]
                }),
        ]
    }

    private func json(_ ids: [Int32], _ lenses: [PromptObserver.Lens]) -> JSON {
        [
            "tokens": tokens(ids),
            "layers": .array(
                lenses.map { lens in
                    [
                        "layer": lens.layer.map { .int($0) } ?? .null,
                        "next_token_probability": .array(lens.ofNext.map { .double($0) }),
                        "top": .array(
                            lens.likeliest.map { position in
                                .array(
                                    position.map {
                                        [
                                            "token": .string(run.tokenizer.decode([$0.token])), "id": .int(Int($0.token)),
                                            "probability": .double($0.probability),
                                        ]
                                    })
                            }),
                    ]
                }),
        ]
    }
}
