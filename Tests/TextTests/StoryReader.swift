import Foundation
import Testing
import Text
/// Reads a story sentence by sentence, keeps what it says, and checks whatever it says again.
struct StoryReader {
    var faults: [String] = []
    var questions = 0
    private var female: [String: Bool] = [:]
    private var place: [String: String] = [:]
    private var home: [String: String] = [:]
    private var trait: [String: String] = [:]
    /// noun -> a name, or "under the bench in the garden"
    private var location: [String: String] = [:]
    private var adjective: [String: String] = [:]
    private var goods: [String: [String: Int]] = [:]
    /// In the order in which lists tell them.
    private var order: [String] = []
    private var foundAt: [String: String] = [:]
    private var givenBy: [String: String] = [:]
    private var subject = "", thing = "", asked: (question: String, asker: String, other: String)?
    private var people: [String] = []

    private static let numbers = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
    ]
    private static let kinds = ["apple", "pear", "plum", "nut", "egg", "bun", "shell", "cookie"]
    private static let women: Set = ["Anna", "Bella", "Cora", "Dora", "Ella", "Greta", "Ida", "Julia", "Lena", "Mia", "Nora", "Rosa"]

    mutating func read(_ story: String) {
        for line in story.split(separator: "\n").dropFirst() {
            for sentence in StoryReader.sentences(String(line)) {
                let count = faults.count
                understand(sentence)
                if faults.count > count { faults.append("in: " + sentence) }
            }
        }
    }

    /// Splits at sentence ends outside brackets; a quotation that ends a sentence ends it too.
    private static func sentences(_ line: String) -> [String] {
        let c = Array(line)
        var result: [String] = [], start = 0, depth = 0, quoted = false
        for i in c.indices {
            if c[i] == "(" { depth += 1 }
            if c[i] == ")" { depth -= 1 }
            if c[i] == "\"" { quoted.toggle() }
            let last = i + 1 >= c.count
            guard last || (c[i + 1] == " " && depth == 0 && !quoted) else { continue }
            let closed = ".?!)".contains(c[i]) || (c[i] == "\"" && ".?!".contains(c[i - 1]))
            guard closed, last || c[i + 2].isUppercase || c[i + 2] == "\"" || c[i + 2] == "(" else { continue }
            result.append(String(c[start...i]))
            start = min(i + 2, c.count)
        }
        return result
    }

    private func match(_ text: String, _ pattern: String) -> [String]? {
        guard let regex = Patterns.shared[pattern], let m = regex.firstMatch(in: text, range: NSRange(text.startIndex..., in: text))
        else { return nil }
        return (1..<max(1, m.numberOfRanges)).map { Range(m.range(at: $0), in: text).map { String(text[$0]) } ?? "" }
    }

    private mutating func expect(_ condition: Bool, _ what: String) { if !condition { faults.append(what) } }

    private func number(_ word: String) -> Int { StoryReader.numbers.firstIndex(of: word.lowercased()) ?? -1 }
    private func kind(_ word: String) -> String { word.hasSuffix("s") ? String(word.dropLast()) : word }
    private func count(_ person: String, _ kind: String) -> Int { goods[person]?[kind] ?? 0 }
    private func amount(_ n: Int, _ kind: String) -> String { StoryReader.numbers[n] + " " + kind + (n == 1 ? "" : "s") }
    private func list(_ items: [String]) -> String {
        items.isEmpty ? "nothing" : items.count == 1 ? items[0] : items.dropLast().joined(separator: ", ") + " and " + items.last!
    }
    private func here(_ person: String) -> [String] { people.filter { $0 != person && place[$0] == place[person] } }
    private func she(_ person: String) -> String { female[person] == true ? "She" : "He" }

    private func belongings(_ person: String) -> String {
        list(
            order.filter { location[$0] == person }.map { "the \(adjective[$0] ?? "") \($0)" }
                + StoryReader.kinds.filter { count(person, $0) > 0 }.map { amount(count(person, $0), $0) })
    }

    /// "the red kite", "the kite", or "it": the noun.
    private mutating func noun(_ text: String) -> String {
        if text == "it" { return thing }
        let words = text.split(separator: " ").map(String.init)
        let noun = words.last ?? ""
        expect(location[noun] != nil, "unknown thing \(text)")
        if words.count == 3 { expect(adjective[noun] == words[1], "\(text) is \(adjective[noun] ?? "?")") }
        thing = noun
        return noun
    }

    private mutating func enter(_ name: String, girl: String? = nil) {
        expect(place[name] == nil && !people.contains(name), "\(name) twice")
        people.append(name)
        female[name] = StoryReader.women.contains(name)
        if let girl, !girl.isEmpty { expect((girl == "girl") == female[name], "\(name) is no \(girl)") }
    }

    private mutating func new(_ adjective: String, _ noun: String, _ owner: String) {
        expect(location[noun] == nil, "second \(noun)")
        location[noun] = owner
        self.adjective[noun] = adjective
        order.append(noun)
        thing = noun
    }

    private mutating func move(_ person: String, to there: String) {
        expect(place[person] != there, "\(person) is there already")
        place[person] = there
    }

    /// The place's name in "in the garden".
    private func last(_ text: String) -> String { text.split(separator: " ").last.map(String.init) ?? "" }

    private mutating func understand(_ sentence: String) {
        if sentence.hasPrefix("(") { return aside(sentence) }
        if let question = asked {
            asked = nil
            guard let m = match(sentence, #"^"(.*)," (?:said (\w+)|answered (\w+)|(she|he) said)\.$"#) else {
                return faults.append("no answer")
            }
            if m[3].isEmpty {
                expect(m[1] + m[2] == question.other, "wrong speaker")
            } else {
                expect(m[3] == she(question.other).lowercased() && female[question.other] != female[question.asker], "pronoun")
            }
            subject = question.other
            return check(question.question, answer: m[0], asker: question.asker, other: question.other)
        }
        if sentence.hasPrefix("\"") {
            if let m = match(sentence, #"^"Thank you, (\w+)," said (\w+)\.$"#) {
                expect(givenBy[thing + ">" + m[1]] == m[0] || lastGift == m[0] + m[1], "thanks")
            }
            return
        }
        if pending != nil { return answerQuiz(sentence) }
        if sentence.hasSuffix("?") { pending = sentence; return }
        var text = sentence
        for lead in ["Then ", "Soon ", "After that, ", "At noon, ", "In the afternoon, ", "In the evening, ", "At the end of the day, "]
        where text.hasPrefix(lead) && !text.hasPrefix("Then there") && !text.hasPrefix("Then they") {
            if lead.hasPrefix("At the end") { return summary(String(text.dropFirst(lead.count))) }
            text = String(text.dropFirst(lead.count))
        }
        if told(text) { return }
        let words = text.split(separator: " ", maxSplits: 1).map(String.init)
        if ["She", "He", "she", "he"].contains(words[0]) {
            expect(words[0].capitalized == she(subject), "pronoun for \(subject)")
        } else {
            guard people.contains(words[0].replacingOccurrences(of: ",", with: "")) else { return faults.append("not understood") }
            subject = words[0]
        }
        act(subject, words.count > 1 ? words[1] : "")
    }

    private var pending: String?
    private var lastGift = ""

    /// Sentences that do not start with who acts.
    private mutating func told(_ text: String) -> Bool {
        if let m = match(text, #"^(\w+), an? (\w+) (girl|boy), was \w+ the (\w+)\.$"#), people.isEmpty {
            enter(m[0], girl: m[2]); (trait[m[0]], place[m[0]], subject) = (m[1], m[3], m[0])
        } else if let m = match(text, #"^There once was an? (\w+) (girl|boy) named (\w+)\.$"#) {
            enter(m[2], girl: m[1]); (trait[m[2]], subject) = (m[0], m[2])
        } else if let m = match(text, #"^One \w+ morning, (\w+) was \w+ the (\w+)\.$"#) {
            if m[0] == "she" || m[0] == "he" { expect(m[0].capitalized == she(subject), "pronoun") } else { enter(m[0]); subject = m[0] }
            place[subject] = m[1]
        } else if let m = match(
            text,
            #"^(Her|His) (\w+) (\w+)(?:, an? (\w+) (girl|boy),)? was \w+ the (\w+)( too)?(?: and had an? (\w+) (\w+)| with (\w+) (\w+))?\.$"#
        ) {
            expect((m[0] == "Her") == female[people[0]], "possessive")
            enter(m[2], girl: m[4])
            if m[1] == "brother" || m[1] == "sister" { expect((m[1] == "sister") == female[m[2]], "relation") }
            if !m[3].isEmpty { trait[m[2]] = m[3] }
            place[m[2]] = m[5]
            expect(!m[6].isEmpty == !here(m[2]).isEmpty, "too")
            if !m[8].isEmpty { new(m[7], m[8], m[2]) }
            if !m[10].isEmpty { goods[m[2], default: [:]][kind(m[10])] = number(m[9]) }
        } else if let m = match(text, #"^Now (\w+) had (\w+) (\w+)\.$"#), number(m[1]) >= 0 {
            let person = people.contains(m[0]) ? m[0] : subject
            expect(amount(count(person, kind(m[2])), kind(m[2])) == m[1] + " " + m[2], "sum")
        } else if let m = match(text, #"^That made (\w+) (\w+)\.$"#) {
            expect(amount(count(subject, kind(m[1])), kind(m[1])) == m[0] + " " + m[1], "sum")
        } else if let m = match(text, #"^(?:Then there (?:was|were) )?(\w+) (\w+) (?:was |were )?left\.$"#), number(m[0]) >= 0 {
            expect(amount(count(subject, kind(m[1])), kind(m[1])) == m[0].lowercased() + " " + m[1], "rest")
            expect(text.contains("was") == (number(m[0]) == 1), "was or were")
        } else if let m = match(text, #"^Now (\w+) had (the \w+ \w+), and (\w+) had (the \w+ \w+)\.$"#) {
            expect(location[noun(m[1])] == m[0] && location[noun(m[3])] == m[2], "trade")
        } else if let m = match(text, #"^Now (\w+) had (the \w+ \w+), just as (\w+) had wanted\.$"#) {
            expect(location[noun(m[1])] == m[0] && m[2] == people[0], "goal")
        } else if let m = match(text, #"^So (\w+) had found (\w+) at last\.$"#) {
            expect(place[m[0]] == place[m[1]], "meeting")
        } else if text.hasPrefix("In the \(nested) was a") {
            // "In the box was a bag, and in the bag was a red ring."
            var outer = nested
            for part in text.dropLast().replacingOccurrences(of: "and in", with: "in").components(separatedBy: ", ") {
                guard let m = match(part, #"^[Ii]n the (\w+) was an? (\w+)(?: (\w+))?$"#) else { return false }
                expect(m[0] == outer, "nesting")
                outer = m[1]
                if m[2].isEmpty {
                    nest.append(m[0] + ">" + m[1])
                } else {
                    new(m[1], m[2], subject); foundAt[m[2] + ">" + subject] = place[subject]
                }
            }
        } else if let m = match(text, #"^With the (\w+) in (his|her) hand, (he|she) put (.*)\.$"#) {
            expect(m[0] == thing && (m[1] == "her") == female[subject] && m[2].capitalized == she(subject), "hand")
            expect(
                m[3] == list(nest.reversed().map { "the " + $0.split(separator: ">")[1] + " into the " + $0.split(separator: ">")[0] }),
                "order")
        } else {
            return match(
                text,
                #"^(It was a \w+ morning in \w+|Now there were enough .*|Now the \w+ \w+ was hidden, .*|A (bird|dog|cart) .*|The (wind|sun) .*|It began .*|This made .*|It had been a good day|Then they all .*)\.$"#
            ) != nil
        }
        return true
    }

    private mutating func act(_ s: String, _ text: String) {
        if let m = match(text, #"^lived near the (\w+)\.$"#) {
            home[s] = m[0]
        } else if let m = match(text, #"^was an? (\w+) (girl|boy) who lived near the (\w+)\.$"#) {
            (trait[s], home[s]) = (m[0], m[2]); expect((m[1] == "girl") == female[s], "gender")
        } else if let m = match(text, #"^had (?:an? (\w+) (\w+)|(\w+) (\w+))(?: and an? (\w+) (\w+))?\.$"#), home[s] != nil, order.isEmpty,
            goods[s] == nil
        {
            if !m[1].isEmpty { new(m[0], m[1], s) } else { goods[s] = [kind(m[3]): number(m[2])] }
            if !m[5].isEmpty { new(m[4], m[5], s) }
        } else if text.hasPrefix("wanted to ") || text.hasPrefix("had got what ") || text == "would try again tomorrow." {
            if let m = match(text, #"(the [a-z ]+)( to|\.)"#) { _ = noun(m[0]) }
        } else if let m = match(
            text, #"^(?:walked|went|ran|walked slowly|hurried) to the (\w+)(?: and met (.*)| to talk to (.*)| to look for (.*))?\.$"#)
        {
            move(s, to: m[0])
            for met in m[1...2] where !met.isEmpty { expect(met == list(here(s)), "company") }
            if !m[3].isEmpty { expect(location[noun(m[3])]?.hasSuffix(" " + m[0]) == true, "search") }
        } else if let m = match(text, #"^and (\w+) went to the (\w+) together\.$"#) {
            expect(place[s] == place[m[0]], "together"); move(s, to: m[1]); move(m[0], to: m[1])
        } else if let m = match(text, #"^gave (?:(\w+) (the [a-z ]+)|(the [a-z ]+|it) to (\w+))\.$"#) {
            let item = noun(m[1] + m[2]), to = m[0] + m[3]
            expect(location[item] == s && place[s] == place[to] && s != to, "gift")
            location[item] = to
            givenBy[item + ">" + to] = s
            lastGift = s + to
        } else if let m = match(text, #"^gave (\w+) (\w+) (\w+)\.$"#) {
            let n = number(m[1]), k = kind(m[2])
            expect(n > 0 && count(s, k) >= n && place[s] == place[m[0]] && amount(n, k) == m[1] + " " + m[2], "gift of goods")
            goods[s, default: [:]][k, default: 0] -= n
            goods[m[0], default: [:]][k, default: 0] += n
            lastGift = s + m[0]
        } else if let m = match(text, #"^found an? (\w+) (\w+) .*\.$"#) {
            new(m[0], m[1], s); foundAt[m[1] + ">" + s] = place[s]
        } else if let m = match(
            text, #"^(?:hid|left) (the \w+ \w+|the \w+|it) ((?:under|behind|in|between) .*?)(?: (when|while) (.*))?\.$"#)
        {
            let item = noun(m[0])
            expect(location[item] == s, "hiding")
            location[item] = m[1] + " | " + (place[s] ?? "")
            if m[2] == "when" { expect(here(s).isEmpty, "nobody looking") }
            if m[2] == "while" { expect(m[3] == list(here(s)) + (here(s).count > 1 ? " were" : " was") + " watching", "watching") }
        } else if let m = match(text, #"^looked (.*?)(?: and found (.*)|, but there was nothing)\.$"#) {
            let found = order.filter { location[$0] == m[0] + " | " + (place[s] ?? "") }
            expect(m[1] == (found.isEmpty ? "" : list(found.map { "the \(adjective[$0] ?? "") \($0)" })), "search")
            for item in found { location[item] = s; foundAt[item + ">" + s] = place[s]; thing = item }
        } else if let m = match(text, #"^traded (.*) for (\w+)'s (\w+) (\w+)\.$"#) {
            let mine = noun(m[0]), theirs = noun("the " + m[2] + " " + m[3])
            expect(location[mine] == s && location[theirs] == m[1] && place[s] == place[m[1]], "trade")
            (location[mine], location[theirs]) = (m[1], s)
        } else if let m = match(text, #"^(?:picked|baked|collected|bought|gathered) (\w+)( more)? (\w+)\.$"#) {
            let k = kind(m[2])
            expect(m[1].isEmpty == (count(s, k) == 0) && amount(number(m[0]), k) == m[0] + " " + m[2], "more")
            goods[s, default: [:]][k, default: 0] += number(m[0])
        } else if let m = match(text, #"^ate (?:(all the|the last) (\w+)|(\w+) (\w+))\.$"#) {
            let k = kind(m[1] + m[3]), n = m[0].isEmpty ? number(m[2]) : count(s, k)
            expect(n > 0 && n <= count(s, k) && (m[0].isEmpty || (m[0] == "the last") == (n == 1)), "meal")
            goods[s, default: [:]][k, default: 0] -= n
        } else if let m = match(text, #"^counted the (\w+): (.*)\.$"#) {
            let n = count(s, kind(m[0]))
            expect(n > 1 && m[1] == StoryReader.numbers[1...max(n, 1)].joined(separator: ", "), "counting")
        } else if let m = match(text, #"^asked (\w+), "(.*)\?"$"#) {
            expect(place[s] == place[m[0]], "asked from afar")
            asked = (m[1], s, m[0])
        } else if let m = match(text, #"^came upon a (\w+)\.$"#) {
            nested = m[0]
        } else if let m = match(text, #"^(?:remembered|told (\w+)) that (.*)\.$"#) {
            statement(m[1])
        } else if let m = match(text, #"^thought of (\w+), who was \w+ the (\w+)\.$"#) {
            expect(place[m[0]] == m[1], "thought")
        } else if let m = match(text, #"^(?:and (\w+) (?:sang|played|danced|talked)|smiled at (\w+)).*\.$"#) {
            expect(place[s] == place[m[0] + m[1]], "company")
        } else if match(text, #"^(laughed|yawned|sat down to rest|sang a little song|waited for a while)\.$"#) != nil {
        } else if match(text, #"^said, ".*"$"#) == nil {
            faults.append("not understood")
        }
    }

    private var nested = "", nest: [String] = []

    /// "Ben had the kite" or "the kite was under the bench in the garden"
    private mutating func statement(_ text: String) {
        if let m = match(text, #"^(\w+) had (the .*)$"#) {
            expect(location[noun(m[1])] == m[0], "statement")
        } else if let m = match(text, #"^(the .*) was (.*) (?:in|at|on) the (\w+)$"#) {
            expect(location[noun(m[0])] == m[1] + " | " + m[2], "statement")
        } else {
            faults.append("not understood")
        }
    }

    private func whereabouts(_ noun: String) -> String {
        (location[noun] ?? "").replacingOccurrences(of: " | ", with: " @ ")
    }

    /// Answers in speech. Who did not see a thing go may not know where it is.
    private mutating func check(_ question: String, answer: String, asker: String, other: String) {
        questions += 1
        if let m = match(question, #"^(Where is|Who has) (the .*)$"#) {
            let item = noun(m[1]), owner = location[item] ?? ""
            if answer == "I do not know" { return expect(owner != other, "knows") }
            if owner == other { return expect(answer == "I have it", "has it") }
            if people.contains(owner) { return expect(answer == owner + " has it", "has it") }
            if m[0] == "Who has" { return expect(answer == "Nobody has it", "nobody") }
            let place = match(answer, #"^It is (.*) (?:in|at|on) the (\w+)$"#) ?? ["", ""]
            expect(place[0] + " | " + place[1] == owner, "place")
        } else if let m = match(question, #"^Where is (\w+)$"#) {
            let a = match(answer, #"^(\w+) is \w+ the (\w+)$"#) ?? ["", ""]
            expect(a[0] == she(m[0]) && a[1] == place[m[0]], "where")
        } else if let m = match(question, #"^How many (\w+) do you have$"#) {
            let n = count(other, kind(m[0]))
            expect(answer == "I have " + (n == 0 ? "none" : n == 1 ? "only one" : StoryReader.numbers[n]), "how many")
        } else if question == "What do you have" {
            expect(answer == "I have " + belongings(other), "what")
        } else if question == "Where do you live" {
            expect(answer == "I live near the " + (home[other] ?? "?"), "home")
        } else if let m = match(question, #"^Where did you find (the .*)$"#) {
            let item = noun(m[0])
            expect(last(answer) == foundAt[item + ">" + other], "found")
        } else if let m = match(question, #"^Who gave you (the .*)$"#) {
            let giver = givenBy[noun(m[0]) + ">" + other]
            expect(answer == (giver == asker ? "You did" : (giver ?? "?") + " did"), "giver")
        } else {
            faults.append("question not understood")
        }
    }

    private mutating func answerQuiz(_ answer: String) {
        let question = String((pending ?? "").dropLast())
        pending = nil
        questions += 1
        if let m = match(question, #"^Who had (the .*)$"#) {
            let owner = location[noun(m[0])] ?? ""
            expect(answer == (people.contains(owner) ? owner : "Nobody") + " had it.", "who had")
        } else if let m = match(question, #"^Where was (the .*)$"#) {
            let a = match(answer, #"^It was (.*) (?:in|at|on) the (\w+)\.$"#) ?? ["", ""]
            expect(a[0] + " | " + a[1] == location[noun(m[0])], "where was")
        } else if let m = match(question, #"^Where did (\w+) find (the .*)$"#) {
            expect(match(answer, #"^It was found \w+ the (\w+)\.$"#) == [foundAt[noun(m[1]) + ">" + m[0]] ?? "?"], "found")
        } else if let m = match(question, #"^Who gave (the .*) to (\w+)$"#) {
            expect(answer == (givenBy[noun(m[0]) + ">" + m[1]] ?? "?") + " did.", "giver")
        } else if let m = match(question, #"^Where was (\w+)$"#) {
            expect(match(answer, #"^(\w+) was \w+ the (\w+)\.$"#) == [she(m[0]), place[m[0]] ?? "?"], "where")
        } else if let m = match(question, #"^Where did (\w+) live$"#) {
            expect(answer == she(m[0]) + " lived near the " + (home[m[0]] ?? "?") + ".", "home")
        } else if let m = match(question, #"^How many (\w+) did (\w+) have$"#) {
            let n = count(m[1], kind(m[0]))
            expect(answer == she(m[1]) + " had " + (n == 1 ? "only one" : StoryReader.numbers[n]) + ".", "how many")
        } else if let m = match(question, #"^How many (\w+) were there$"#) {
            let all = people.map { count($0, kind(m[0])) }.reduce(0, +)
            expect(answer == "There were " + StoryReader.numbers[all] + ".", "how many in all")
        } else if let m = match(question, #"^Who had more (\w+), (\w+) or (\w+)$"#) {
            let richer = count(m[1], kind(m[0])) > count(m[2], kind(m[0])) ? m[1] : m[2]
            expect(count(m[1], kind(m[0])) != count(m[2], kind(m[0])) && answer == richer + " had more.", "more")
        } else {
            faults.append("question not understood")
        }
    }

    private mutating func summary(_ text: String) {
        guard text != "everyone was tired." else { return }
        var first: String?
        for part in text.dropLast().components(separatedBy: ", and ") {
            guard let m = match(part, #"^(\w+) (?:had (.*)|was (?:\w+ the (\w+)|(there) too))$"#) else {
                return faults.append("not understood")
            }
            if !m[1].isEmpty { expect(m[1] == belongings(m[0]), "belongings") }
            if !m[2].isEmpty { expect(m[2] == place[m[0]], "place") }
            if !m[3].isEmpty { expect(place[m[0]] == place[first ?? ""], "there too") }
            first = m[0]
        }
    }

    private mutating func aside(_ sentence: String) {
        let parts = sentence.filter { $0 != ")" && $0 != "." }.dropFirst().components(separatedBy: " (")
        let person = parts[0].split(separator: " ").first.map(String.init) ?? ""
        for (index, part) in parts.enumerated() {
            let lead = index == 0 ? person + " " : (part.hasPrefix("and ") ? "and " : "as you know, ") + she(person).lowercased() + " "
            guard part.hasPrefix(lead) else { faults.append("aside"); continue }
            let fact = String(part.dropFirst(lead.count))
            if let m = match(fact, #"^was \w+ the (\w+)$"#) {
                expect(place[person] == m[0], "place")
            } else if let m = match(fact, #"^was an? (\w+) (girl|boy)$"#) {
                expect(trait[person] == m[0] && (m[1] == "girl") == female[person], "trait")
            } else if let m = match(fact, #"^lived near the (\w+)$"#) {
                expect(home[person] == m[0], "home")
            } else if let m = match(fact, #"^had (.*)$"#) {
                expect(m[0] == belongings(person), "belongings")
            } else {
                faults.append("not understood")
            }
        }
    }
}

/// Compiled patterns, made once.
private final class Patterns: @unchecked Sendable {
    static let shared = Patterns()
    private let lock = NSLock()
    private var compiled: [String: NSRegularExpression] = [:]

    subscript(pattern: String) -> NSRegularExpression? {
        lock.withLock {
            if let regex = compiled[pattern] { return regex }
            let regex = try? NSRegularExpression(pattern: pattern)
            compiled[pattern] = regex
            return regex
        }
    }
}
