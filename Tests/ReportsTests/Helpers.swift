import Configuration
import Foundation
import Testing
import Training

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// A new folder that is gone when the test is over.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/loom-reports-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
        return "\(path)/\(name)"
    }
}

/// What is in a piece of XML: the names of its elements, their ids, and the text between them.
final class ParsedXML: NSObject, XMLParserDelegate {
    private(set) var elements: [String: Int] = [:]
    private(set) var ids: [String] = []
    private(set) var references: [String] = []
    private(set) var text = ""

    /// - Throws: where `source` is not well-formed.
    init(_ source: String) throws {
        super.init()
        let parser = XMLParser(data: Data(source.utf8))
        parser.delegate = self
        let isWhole = parser.parse()
        try #require(isWhole, "line \(parser.lineNumber), column \(parser.columnNumber): \(parser.parserError as Any)")
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?, attributes: [String: String]
    ) {
        elements[name, default: 0] += 1
        if let id = attributes["id"] { ids.append(id) }
        for key in ["aria-labelledby", "href", "clip-path"] {
            guard let value = attributes[key] else { continue }
            if key == "aria-labelledby" { references += value.split(separator: " ").map(String.init) }
            if value.hasPrefix("#") { references.append(String(value.dropFirst())) }
            if value.hasPrefix("url(#") { references.append(String(value.dropFirst(5).dropLast())) }
        }
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
}
