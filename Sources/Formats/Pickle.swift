import Foundation

/// Reads Python's pickles, protocols 0 to 5, and executes nothing: no class is looked up, no function is called. Globals are
/// names; those that are not in a short list are refused.
public enum Pickle {
    /// What a state dict or a table of settings needs.
    static let plain: Set<String> = ["collections.OrderedDict"]

    /// Reads a file such as nanoGPT's `meta.pkl`.
    /// - Throws: `FormatError` naming what is wrong, an unknown global among that.
    public static func read(path: String) throws(FormatError) -> PickleValue {
        let file = try MappedFile(path: path)
        return try read(file.bytes, name: path)
    }

    /// Reads a pickle of plain data.
    /// - Parameter name: what it is called in errors.
    /// - Throws: `FormatError`.
    public static func read(_ data: Data, name: String) throws(FormatError) -> PickleValue {
        try read(Array(data), name: name)
    }

    static func read(
        _ bytes: some Collection<UInt8>, name: String, globals: Set<String> = plain, allowsExternal: Bool = false
    ) throws(FormatError) -> PickleValue {
        guard bytes.count <= longest else {
            throw FormatError(name, "a pickle of \(bytes.count) bytes is larger than any that is read here")
        }
        var machine = PickleMachine(Array(bytes), name: name, globals: globals, allowsExternal: allowsExternal)
        return try machine.run()
    }

    /// A state dict of a thousand layers takes less than a megabyte.
    private static let longest = 64 << 20
}
