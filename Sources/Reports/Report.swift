import Autograd
import Configuration
import Foundation
import Training

/// One page that tells what a comparison, or runs trained one by one, came to.
public struct Report {
    /// The page: HTML with style, drawings and a little script of its own in it, and nothing to be fetched.
    public let html: String
    /// Each drawing alone.
    public let charts: [Chart]
    /// What was damaged or missing and had to be left out.
    public let problems: [String]

    public struct Request {
        /// A comparison's folder, or runs' folders.
        public var paths: [String]
        /// How long samples are; 0 for none.
        public var sampleTokens = 240
        public init(_ paths: [String]) { self.paths = paths }
    }

    /// Reads folders, and writes nothing.
    /// - Parameters:
    ///   - context: where samples are made.
    ///   - progress: told what is being done.
    /// - Throws: `Failure` or `ConfigError` where there is nothing to report on.
    public init(
        _ request: Request, on context: Context, _ registries: Registries = Registries(), progress: (String) -> Void = { _ in }
    ) throws {
        var data: ReportData
        if let only = request.paths.first, request.paths.count == 1, ComparisonFolder.exists(only) {
            data = try ReportData(comparison: ComparisonFolder(path: only), registries)
        } else {
            if let comparison = request.paths.first(where: { ComparisonFolder.exists($0) }) {
                throw Failure("\(comparison) is a comparison, which is reported alone; name it by itself, or only runs")
            }
            data = try ReportData(runs: request.paths, registries)
        }
        var samples: [(ReportVariant, VariantSample)] = []
        if request.sampleTokens > 0 {
            for variant in data.variants {
                progress("sampling \(variant.name)")
                if let sample = VariantSample(
                    of: variant, tokens: request.sampleTokens, on: context, registries, problems: &data.problems)
                {
                    samples.append((variant, sample))
                }
            }
        }
        progress("drawing")
        let drawn = ReportCharts(data)
        html = Page(data: data, charts: drawn, samples: samples, sampleTokens: request.sampleTokens).source
        (charts, problems) = (drawn.all, data.problems)
    }
}
