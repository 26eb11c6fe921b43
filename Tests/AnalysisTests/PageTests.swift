import Analysis
import Architectures
import Autograd
import Configuration
import Foundation
import Testing

/// Pages are well-formed, need nothing from elsewhere, and show what they were given.
struct PageTests {
    func matrix(_ part: String, layer: Int?, head: Int? = nil, _ values: [Double]) -> MatrixSpectrum {
        let name = (layer.map { "layers.\($0)." } ?? "") + part + ".weight"
        let tensor = WeightTensor(
            name: name, layer: layer, part: part, rows: values.count, columns: 9, heads: nil, dtype: "F32", storedRows: values.count)
        return MatrixSpectrum(tensor: tensor, head: head, spectrum: Spectrum(values: values, rows: values.count, columns: 9))
    }

    var snapshot: SpectrumSnapshot {
        SpectrumSnapshot(
            step: 40,
            matrices: [
                matrix("embedding", layer: nil, [3, 2, 1]), matrix("attention.q", layer: 0, [3, 2, 1, 1e-9]),
                matrix("attention.q", layer: 0, head: 0, [2, 1]), matrix("attention.q", layer: 0, head: 1, [2, 0]),
                matrix("attention.q", layer: 1, [0, 0]), matrix("mlp.up", layer: 1, (0..<500).map { exp(-Double($0) / 50) }),
            ])
    }

    @Test func spectrum() {
        let page = PageReader(SpectrumPage(title: "runs/<a> & \"b\"", snapshots: [snapshot]).html)
        #expect(page.elements["svg"] == 4, "embedding, q and up by layer, and layer 0's q by head: \(page.elements)")
        #expect(page.elements["tr"] == 7 && page.text.contains("runs/<a> & \"b\", step 40") && page.text.contains("By head"))
        #expect(page.text.contains("layer 1: effective rank") && !page.text.contains("checkpoints"))
        #expect(page.elements["script"] == nil && page.elements["link"] == nil && page.elements["img"] == nil)
    }

    @Test func overCheckpoints() {
        let page = PageReader(
            SpectrumPage(title: "run", snapshots: [SpectrumSnapshot(step: 20, matrices: snapshot.matrices), snapshot]).html)
        #expect(page.text.contains("Over the checkpoints") && page.elements["svg"] == 7)
    }

    @Test func prompt() {
        let map = AttentionMap(layer: 0, head: 1, weights: [1, 0, 0, 0.5, 0.5, 0, 0.001, 0.499, 0.5], time: 3)
        let lens = PromptObserver.Lens(layer: nil, likeliest: [[(4, 0.5)], [(5, 0.25)], [(6, 1)]], ofNext: [0.1, 0.2])
        let html = PromptPage(
            title: "Attention of run", tokens: ["\"<s>\"", "\"\u{1}&\"", "\"é\""], maps: [map], lenses: [lens], text: { "t\($0)" }
        ).html
        let page = PageReader(html)
        #expect(page.elements["svg"] == 1 && page.elements["tr"] == 4 && page.text.contains("head 1: entropy"))
        #expect(page.text.contains("t5 25 %") && page.text.contains("<s>"))
        #expect(html.contains("class=\"w7\" d=\"M70 0h10v10h-10z\""), "the first token looks at itself")
    }

    /// Curves without points, one point, equal values, huge and tiny numbers: no figure that is not a number.
    @Test(
        arguments: [[], [(1.0, 2.0)], [(1, 2), (2, 2)], [(0, 1e300), (1, 1e-300)], [(0, .nan), (1, .infinity)], [(0, 0), (1, 0)]],
        [true, false])
    func charts(points: [(Double, Double)], logarithmic: Bool) {
        let svg = LineChart(
            title: "a < b", xLabel: "x", yLabel: "y", isLogarithmic: logarithmic,
            curves: [.init(name: "one", color: "red", points: points.map { (x: $0.0, y: $0.1) })]
        ).svg
        _ = PageReader(svg)
        #expect(!svg.contains("nan") && !svg.contains("inf"), "\(svg)")
    }

    @Test func numbers() {
        #expect(
            Page.number(1234.4) == "1234" && Page.number(12_345_678) == "1.23e+07" && Page.number(.infinity) == "∞"
                && Page.number(0.5) == "0.5")
        #expect(Page.percent(1) == "100 %" && Page.percent(0.25) == "25 %" && Page.percent(0.0994) == "9.9 %" && Page.percent(0) == "0.0 %")
        #expect(Page.place(3) == "3" && Page.place(3.14) == "3.1" && Page.escaped("a\u{0}b<>&\"") == "a b&lt;&gt;&amp;&quot;")
    }
}
