import Foundation
import Training

/// What was found, in a sentence or two.
struct Headline {
    let sentence: String
    /// What has to be said with it.
    let more: [String]

    init(_ data: ReportData) {
        let (sentence, more) = Headline.found(data)
        (self.sentence, self.more) = (sentence.unbroken, more.map(\.unbroken))
    }

    private static func found(_ data: ReportData) -> (sentence: String, more: [String]) {
        let sentence: String
        var more: [String] = []
        let rows = data.variants.map(\.row)
        guard let name = data.best, let best = rows.first(where: { $0.name == name }), let loss = best.loss else {
            if rows.count == 1, let loss = rows[0].loss {
                sentence = "\(rows[0].name) reaches a validation loss of \(Headline.loss(loss)) nats a token on \(data.textName)."
            } else {
                sentence =
                    rows.contains { $0.loss != nil } ? "These runs do not compare: see the warnings." : "Nothing has been measured yet."
            }
            return (sentence, more)
        }
        let near = rows.filter(\.isWithinNoiseOfBest), unjudged = rows.filter(\.isUnjudgedAgainstBest)
        let seeds = best.seedsFinished == 1 ? "one seed" : "\(best.seedsFinished) seeds"
        let others = rows.filter { $0.loss != nil && $0.name != name }
        let place = "over \(seeds) on \(data.textName)"
        if others.isEmpty {
            sentence = "\(name) is the only variant with a result: \(Headline.loss(loss)) nats a token, \(place)."
        } else if !best.isJudged {
            sentence = "\(name) has the lowest validation loss, but training took unequal times: the variants cannot be judged."
        } else if best.seedsFinished < 2 {
            sentence = "\(name) has the lowest validation loss, \(Headline.loss(loss)) nats a token \(place)."
            more.append("With one seed nothing says how much of that is chance; three or more would.")
        } else if near.isEmpty, !unjudged.isEmpty {
            sentence =
                "\(name) has the lowest validation loss\(CompareTable.restriction(rows, name)), \(Headline.loss(loss)) nats a token \(place)."
            more.append("Too few seeds in common with it to judge: \(unjudged.map(\.name).joined(separator: ", ")).")
        } else if near.isEmpty {
            sentence = "\(name) is best\(Headline.against(best, data)), \(place)."
        } else if near.count == others.count {
            let those = others.count == 1 ? "\(others[0].name) is" : "all others are"
            sentence = "No winner: \(name) has the lowest loss, but \(those) within noise of it, \(place)."
        } else {
            sentence =
                "\(name) has the lowest loss\(Headline.against(best, data)), \(place); within noise of it: \(Headline.some(near.map(\.name)))."
        }
        if !others.isEmpty, best.seedsFinished > 1 {
            let above = best.aboveFloor.map { ", \($0.fixed(3)) above the entropy of the text, which no model can go below" } ?? ""
            more.append("Its validation loss is \(Headline.loss(loss)) nats a token\(above).")
        }
        if let runnerUp = others.first, near.isEmpty, unjudged.isEmpty, best.seedsFinished > 1, let difference = runnerUp.differenceToBest,
            runnerUp.name != data.baseline
        {
            more.append("Next is \(runnerUp.name), \(difference.mean.fixed(4)) above it\(Headline.p(difference)).")
        }
        return (sentence, more)
    }

    /// Of many names the first few; the table has them all.
    private static func some(_ names: [String]) -> String {
        names.count <= 4 ? names.joined(separator: ", ") : names.prefix(3).joined(separator: ", ") + " and \(names.count - 3) more"
    }

    /// ", 0.1752 nats a token below the baseline small (p < 0.001)"
    private static func against(_ best: ComparisonRow, _ data: ReportData) -> String {
        guard !best.isBaseline else { return ", and it is the baseline: nothing beat it" }
        guard let difference = best.difference else { return "" }
        let interval = difference.interval == nil ? "" : difference.estimate.halfWidth.map { " ± \($0.fixed(4))" } ?? ""
        let amount = "\(difference.mean.magnitude.fixed(4))\(interval) nats a token below the baseline \(data.baseline)"
        return ": \(amount)\(difference.verdict == .noise ? ", which is within noise" : "")\(p(difference))"
    }

    private static func p(_ difference: PairedDifference) -> String {
        difference.pValue.map { " (p \($0 < 0.001 ? "< 0.001" : "= \($0.fixed(3))"))" } ?? ""
    }

    private static func loss(_ estimate: Estimate) -> String {
        estimate.mean.fixed(4) + CompareTable.spread(estimate.interval == nil ? nil : estimate.halfWidth)
    }
}

extension String {
    /// With figures that no line end tears apart.
    fileprivate var unbroken: String {
        [" ± ", "(p < ", "(p = "].reduce(self) { text, part in
            text.replacingOccurrences(of: part, with: part.replacingOccurrences(of: " ", with: "\u{A0}"))
        }
    }
}
