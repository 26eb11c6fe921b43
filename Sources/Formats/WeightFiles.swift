import Configuration
import Foundation

/// Weights by name, from one file or from several that an index puts together.
public enum WeightFiles {
    /// The tensors of one safetensors or PyTorch file, told apart by content.
    /// - Throws: `FormatError`.
    public static func tensors(path: String) throws -> [String: StoredTensor] {
        let file = try MappedFile(path: path)
        if let kind = file.otherKind { throw FormatError(path, kind) }
        if TorchFile.isArchive(file) || TorchFile.isBarePickle(file) {
            let torch = try TorchFile(file)
            return try torch.tensors(torch.stateDict)
        }
        return try Safetensors.File(file).tensors()
    }

    /// The tensors of all files that an index such as `model.safetensors.index.json` names.
    /// - Throws: `FormatError` for an index that is none, a file that is missing, or a tensor that is not where it should be.
    public static func tensors(index path: String) throws -> [String: StoredTensor] {
        guard let data = FileManager.default.contents(atPath: path), let json = try? JSON(parsing: data),
            let map = json["weight_map"]?.objectValue, !map.isEmpty
        else { throw FormatError(path, "is no index of weights: an object with a weight_map is expected") }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        var all: [String: StoredTensor] = [:]
        let names = Dictionary(grouping: map.keys) { map[$0]?.stringValue ?? "" }
        for (name, wanted) in names.sorted(by: { $0.key < $1.key }) {
            // A file beside the index and none elsewhere.
            guard !name.isEmpty, !name.contains("/"), !name.hasPrefix(".") else {
                throw FormatError(path, "names \(shown(name)) as a file beside it")
            }
            let found = try tensors(path: "\(folder)/\(name)")
            for tensor in wanted {
                guard let stored = found[tensor] else {
                    throw FormatError(path, "says that \(name) has tensor \(shown(tensor)), but it has not")
                }
                all[tensor] = stored
            }
        }
        return all
    }
}

extension Safetensors.File {
    /// All tensors where they lie in the file.
    public func tensors() throws(FormatError) -> [String: StoredTensor] {
        var all: [String: StoredTensor] = [:]
        for name in entries.keys { all[name] = try tensor(name) }
        return all
    }
}
