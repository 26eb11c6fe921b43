import Architectures
import Autograd
import Components
import Configuration
import Formats
import Foundation
import Testing
import Training

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// Numbers that look random and are the same every time.
func randomNumbers(_ count: Int, stream: UInt64) -> [Float] {
    let context = Context.cpu(threads: 1), tensor = context.zeros([count])
    context.backend.fillNormal(tensor, deviation: 1, key: 11, stream: stream)
    return tensor.floats
}

/// A model with every parameter random, so that nothing hides behind a zero or a one.
func randomModel(_ json: JSON, vocabulary: Int, on context: Context) throws -> Model {
    let model = try Model(ModelConfig(json), vocabulary: vocabulary)
    model.materialize(on: context, training: false)
    for parameter in model.store.parameters {
        guard let value = parameter.value else { continue }
        context.backend.fillNormal(value, deviation: 0.3, key: 1, stream: Philox.stream(named: parameter.name))
    }
    return model
}

/// A safetensors file of float32 tensors by hand: what the writer would write, and what it would not.
func writeSafetensors(_ tensors: [(name: String, shape: [Int], values: [Float])], to path: String) throws {
    var header: [String: JSON] = [:], body = Data()
    for tensor in tensors {
        let start = body.count
        tensor.values.withUnsafeBytes { body.append(contentsOf: $0) }
        header[tensor.name] = [
            "dtype": "F32", "shape": .array(tensor.shape.map { .int($0) }), "data_offsets": [.int(start), .int(body.count)],
        ]
    }
    let text = Data(JSON.object(header).text(pretty: false).utf8)
    try (withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) } + text + body).write(to: URL(fileURLWithPath: path))
}

/// A file name of its own in the system's folder for such; the caller removes it.
func temporaryPath(_ name: String) -> String {
    FileManager.default.temporaryDirectory.path + "/loom-analysis-\(UUID().uuidString)-\(name)"
}

/// What an XML parser finds in a page: its elements and their text.
final class PageReader: NSObject, XMLParserDelegate {
    private(set) var elements: [String: Int] = [:]
    private(set) var text = ""
    private(set) var links: [String] = []

    init(_ html: String, sourceLocation: SourceLocation = #_sourceLocation) {
        super.init()
        let parser = XMLParser(data: Data(html.utf8))
        parser.delegate = self
        let isWellFormed = parser.parse()
        #expect(
            isWellFormed, "line \(parser.lineNumber): \(parser.parserError.map { "\($0)" } ?? "")", sourceLocation: sourceLocation)
        #expect(links.isEmpty, "a page that needs something else: \(links)", sourceLocation: sourceLocation)
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String] = [:]
    ) {
        elements[name, default: 0] += 1
        links += ["href", "src"].compactMap { attributes[$0] }
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
}

/// The message of what `body` throws, which must be one line.
func message(_ sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void) -> String {
    do {
        try body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
        return ""
    } catch {
        #expect(!"\(error)".contains("\n"), "not one line: \(error)", sourceLocation: sourceLocation)
        return "\(error)"
    }
}
