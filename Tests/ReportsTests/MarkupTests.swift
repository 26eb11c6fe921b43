import Reports
import Testing

struct MarkupTests {
    static let hostile = "</script><img src=x onerror=\"alert('1')\">&amp;\u{0}\u{1B}[2J\u{202E}é 😀]]>\r\n"

    @Test func escaping() throws {
        let source = Markup.tag("p", ["title": MarkupTests.hostile], MarkupTests.hostile).source
        #expect(source.contains("&lt;/script&gt;&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;amp;"))
        #expect(!source.dropFirst().contains("<i") && !source.contains("\u{0}") && !source.contains("\u{202E}"))
        let parsed = try ParsedXML(source)
        #expect(parsed.elements == ["p": 1] && parsed.text.contains("onerror=\"alert('1')\">&amp;"))
    }

    @Test func writing() {
        let list: Markup = .tag("ul", ["class": nil, "id": "a"], [.tag("li", [:], "1 < 2"), .tag("br"), .tag("script")])
        #expect(list.source == #"<ul id="a"><li>1 &lt; 2</li><br/><script></script></ul>"#)
    }
}
