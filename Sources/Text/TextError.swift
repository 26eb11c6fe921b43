import Foundation

/// Everything that can go wrong between a text on disk and a batch of tokens.
///
/// Each description is one line that says what is wrong, where, and what to do about it; a command line prints it as it is.
public enum TextError: Error, Equatable, Sendable {
    /// Nothing exists at the path.
    case missing(path: String)
    /// The path exists but could not be read.
    case unreadable(path: String, reason: String)
    /// The path could not be written.
    case unwritable(path: String, reason: String)
    /// The source holds no text at all.
    case empty(source: String)
    /// The folder holds no files that could be read as text.
    case noFiles(folder: String)
    /// The bytes at `byteOffset` are not UTF-8.
    case notUTF8(source: String, byteOffset: Int)
    /// A line of a JSON Lines file that cannot be used; lines count from 1.
    case unusableLine(path: String, line: Int, reason: String)
    /// The file was changed while it was read.
    case changed(path: String)
    /// No corpus has this name.
    case unknownCorpus(name: String, nearest: String?, known: [String])
    /// The corpus could not be downloaded; `remedy` says how to go on without.
    case downloadFailed(url: String, reason: String, remedy: String)
    /// A character that is not in a character vocabulary; the offset counts characters (Unicode scalars) from 0.
    case unseenCharacter(scalar: Unicode.Scalar, offset: Int)
    /// A saved tokenizer that does not hold together.
    case damagedTokenizer(reason: String)
    /// Text for a model that came without a tokenizer.
    case noTokenizer
    /// A tokenizer that uses something this program does not have; `what` names it.
    case unsupportedTokenizer(what: String)
    /// A tokenizer that a format has no words for; `reason` says what.
    case unwritableTokenizer(format: String, reason: String)
    /// A file or folder that should be a tokenizer and cannot be used as one.
    case unusableTokenizerFile(path: String, reason: String)
    /// Text that holds a special token where that is not allowed.
    case forbiddenSpecialToken(token: String, offset: Int)
    /// A token file that does not hold together.
    case damagedTokenFile(path: String, reason: String)
    /// A token id that the vocabulary does not have.
    case tokenOutOfRange(id: Int, position: Int, vocabularySize: Int)
    /// Fewer tokens than one window needs.
    case tooFewTokens(source: String, tokens: Int, needed: Int)
    /// Too few characters to be split into a training and a validation part.
    case tooShort(source: String, characters: Int, needed: Int)
    /// A setting outside of what it can be.
    case invalidSetting(name: String, value: String, requirement: String)
}

extension TextError: CustomStringConvertible, LocalizedError {
    public var errorDescription: String? { description }

    public var description: String { TextError.oneLine(message) }

    private var message: String {
        switch self {
        case .missing(let path):
            return "\(path): no such file or folder; check the path"
        case .unreadable(let path, let reason):
            return "\(path): cannot be read (\(reason)); check what it is and its permissions"
        case .unwritable(let path, let reason):
            return "\(path): cannot be written (\(reason)); check permissions and free space"
        case .empty(let source):
            return "\(source): holds no text; give a source with at least a few hundred characters"
        case .noFiles(let folder):
            return "\(folder): the folder has no files with text (hidden files are skipped); put text files into it"
        case .notUTF8(let source, let byteOffset):
            return "\(source): not UTF-8 at byte \(byteOffset); convert it first, for example with iconv -t UTF-8"
        case .changed(let path):
            return "\(path): changed while it was read; nothing of it is kept, so run the same again when it is finished"
        case .unusableLine(let path, let line, let reason):
            return "\(path): line \(line) cannot be used: \(reason)"
        case .unknownCorpus(let name, let nearest, let known):
            let guess = nearest.map { "; did you mean '\($0)'?" } ?? ";"
            return "no corpus is called '\(name)'\(guess) known are \(known.joined(separator: ", ")), or a path to a file or folder"
        case .downloadFailed(let url, let reason, let remedy):
            return "\(url): download failed (\(reason)); \(remedy)"
        case .unseenCharacter(let scalar, let offset):
            return "character \(TextError.named(scalar)) at offset \(offset) is not in the character vocabulary; "
                + "remove it, or train with a byte or bpe tokenizer, which can encode any text"
        case .damagedTokenizer(let reason):
            return "tokenizer data: \(reason); use the file as it was saved with the run, or train again"
        case .noTokenizer:
            return "these weights came without a tokenizer that is understood here, so text cannot be read; "
                + "give token ids instead (sample --ids 1,2,3), or import them again with --tokenizer FOLDER"
        case .unsupportedTokenizer(let what):
            return "the tokenizer uses what is not supported: \(what)"
        case .unwritableTokenizer(let format, let reason):
            return "the tokenizer cannot be written as \(format): it has \(reason)"
        case .unusableTokenizerFile(let path, let reason):
            return "\(path): not a usable tokenizer (\(reason))"
        case .forbiddenSpecialToken(let token, let offset):
            return "the text holds the special token \(token) at byte \(offset); allow special tokens, or read them as plain text"
        case .damagedTokenFile(let path, let reason):
            return "\(path): not a usable token file (\(reason)); delete it and it will be made again"
        case .tokenOutOfRange(let id, let position, let vocabularySize):
            return "token \(id) at position \(position) is outside of the vocabulary of \(vocabularySize); "
                + "use the tokenizer that the tokens were made with"
        case .tooFewTokens(let source, let tokens, let needed):
            return "\(source): \(tokens) tokens, but one window needs \(needed) (context + 1); use a shorter context or more text"
        case .tooShort(let source, let characters, let needed):
            return "\(source): \(characters) characters are too few to split into training and validation; give at least \(needed)"
        case .invalidSetting(let name, let value, let requirement):
            return "\(name) is \(value), but must be \(requirement)"
        }
    }

    /// `'é' (U+00E9)`, or the code point alone where the character does not print.
    private static func named(_ scalar: Unicode.Scalar) -> String {
        let hexadecimal = String(scalar.value, radix: 16, uppercase: true)
        let code = "U+" + String(repeating: "0", count: max(0, 4 - hexadecimal.count)) + hexadecimal
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .unassigned, .privateUse, .lineSeparator, .paragraphSeparator, .spaceSeparator:
            return code
        default:
            return "'\(scalar)' (\(code))"
        }
    }

    /// Names and paths come from outside; a line break or an escape sequence in one must not reach the terminal.
    private static func oneLine(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator: result.append("\u{FFFD}")
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
