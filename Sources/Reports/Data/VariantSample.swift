import Autograd
import Foundation
import Training

/// How a variant writes.
struct VariantSample {
    let text: String
    /// Where it came from, in words.
    let origin: String

    static let seed: UInt64 = 0
    static let temperature = 0.8

    /// A sample of the last checkpoint of the first run that finished; else what the run wrote down while training.
    /// - Parameter tokens: how long.
    /// - Returns: nil where there is neither, with the reason in `problems` unless the runs failed.
    init?(of variant: ReportVariant, tokens: Int, on context: Context, _ registries: Registries, problems: inout [String]) {
        var reason = ""
        for run in variant.runs where !run.hasFailed && RunFolder.exists(run.folder.path) {
            do {
                let loaded = try LoadedRun(run.folder.path, checkpoint: "last", on: context, registries)
                var options = SamplingOptions()
                (options.tokens, options.seed, options.temperature) = (tokens, VariantSample.seed, VariantSample.temperature)
                text = try Sampler(loaded.model, loaded.tokenizer, on: context, endToken: loaded.endToken).text(prompt: "", options)
                origin = "made for this report: checkpoint of step \(loaded.checkpoint.step.grouped), train.seed \(run.seed)"
                return
            } catch {
                reason = "\(error)"
            }
            if let (name, kept) = VariantSample.kept(in: run.folder) {
                (text, origin) = (kept, "written while training, \(name) of train.seed \(run.seed)")
                return
            }
        }
        // Where all runs failed, or none has begun, that has been said.
        if !reason.isEmpty { problems.append("\(variant.name): no sample, \(reason)") }
        return nil
    }

    private static func kept(in folder: RunFolder) -> (name: String, text: String)? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.samplesPath)) ?? []
        guard let name = names.filter({ $0.hasSuffix(".txt") }).max(),
            let data = FileManager.default.contents(atPath: "\(folder.samplesPath)/\(name)")
        else { return nil }
        return ("samples/\(name)", String(String(decoding: data, as: UTF8.self).prefix(4000)))
    }
}
