import Architectures
import Components
import Configuration
import Formats

/// Another program's checkpoint, understood: what model it is of, and where its numbers lie.
struct ForeignModel {
    /// What a person calls it: "gpt2 of Hugging Face".
    var kind: String
    /// What to call the run where nothing else is said.
    var name: String
    /// The `model` section.
    var model: JSON
    var names: NameTable
    var tensors: [String: StoredTensor]
    /// The file or folder, for errors.
    var path: String
    /// Names' ends of tensors that hold nothing learned, such as masks.
    var unlearned: [String] = []
    /// Tensors that must equal others where they are there: tied heads.
    var tied: [String: String] = [:]
    /// What a person should know.
    var notes: [String] = []
    /// Folders where the tokenizer's files may be.
    var tokenizerFolder: String?
}

extension ForeignModel {
    /// Takes prefixes away that wrappers left (`torch.compile`, data parallel training), and lays `prefix` before the names of a model
    /// that was saved without its head.
    mutating func normalizeNames(prefix: String? = nil) {
        for wrapper in ["_orig_mod.", "module."] where !tensors.isEmpty && tensors.keys.allSatisfy({ $0.hasPrefix(wrapper) }) {
            tensors = Dictionary(tensors.map { (String($0.key.dropFirst(wrapper.count)), $0.value) }, uniquingKeysWith: { $1 })
        }
        guard let prefix, !tensors.keys.contains(where: { $0.hasPrefix(prefix) }) else { return }
        tensors = Dictionary(
            tensors.map { ($0.key.hasPrefix("lm_head.") ? $0.key : prefix + $0.key, $0.value) }, uniquingKeysWith: { $1 })
    }

    /// The views that each parameter of `model` is made of, one below another.
    /// - Throws: `FormatError` naming the first tensor that is missing, of another shape, or left over.
    func parts(for model: Model) throws -> [String: [StoredTensor]] {
        let parameters = Dictionary(model.store.parameters.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var parts: [String: [StoredTensor]] = [:], used: Set<String> = []
        for bundle in names.expanded(for: model.store.parameters, layers: model.size.layers) {
            used.formUnion(bundle.theirs)
            try distribute(bundle, parameters, into: &parts)
        }
        if let missing = model.store.parameters.first(where: { parts[$0.name] == nil }) {
            throw FormatError(path, "has no tensor for our \(missing.name); it is no \(kind), or not all of one")
        }
        for (name, other) in tied {
            guard let tensor = tensors[name] else { continue }
            guard let base = tensors[other], tensor.hasSameNumbers(as: base) else {
                throw FormatError(path, "tensor \"\(name)\" should be the same as \"\(other)\", to which the config ties it, but it is not")
            }
            used.insert(name)
        }
        let left = tensors.keys.sorted().first { name in !used.contains(name) && !unlearned.contains { name.hasSuffix($0) } }
        if let left {
            throw FormatError(
                path, "tensor \"\(left)\" has no place in a \(kind) as it is known here; the model does more than its config says")
        }
        return parts
    }

    /// Cuts theirs where ours begin and end.
    private func distribute(
        _ bundle: Bundle, _ parameters: [String: Parameter], into parts: inout [String: [StoredTensor]]
    ) throws {
        var pieces: [StoredTensor] = []
        for name in bundle.theirs {
            guard let tensor = tensors[name] else { throw FormatError(path, "has no tensor \"\(name)\"") }
            guard tensor.type.isFloatingPoint else {
                throw FormatError(path, "tensor \"\(name)\" is of type \(tensor.type.rawValue); weights are floating-point numbers")
            }
            pieces.append(bundle.isTransposed ? tensor.transposed : tensor)
        }
        let wanted = bundle.ours.compactMap { parameters[$0]?.shape }
        guard wanted.count == bundle.ours.count, let row = wanted.first?.dropFirst() else {
            throw FormatError(path, "\"\(bundle.theirs[0])\" has no place in this model")
        }
        let rows = wanted.reduce(0) { $0 + $1[0] }, found = pieces.reduce(0) { $0 + ($1.shape.first ?? 0) }
        let fits = pieces.allSatisfy { !$0.shape.isEmpty && $0.shape.dropFirst() == row }
        guard fits, found == rows || (bundle.mayBePadded && found > rows) else {
            let shapes = pieces.map { "\((bundle.isTransposed ? $0.transposed : $0).shape)" }.joined(separator: " and ")
            throw FormatError(
                path,
                "tensor \"\(bundle.theirs[0])\"\(bundle.theirs.count > 1 ? " and others are" : " is") \(shapes); the config asks for "
                    + "\((bundle.isTransposed ? Array((([rows] + row) as [Int]).reversed()) : [rows] + row))")
        }
        var piece = 0, taken = 0
        for (name, shape) in zip(bundle.ours, wanted) {
            var left = shape[0], own: [StoredTensor] = []
            while left > 0, piece < pieces.count {
                let height = pieces[piece].shape[0], count = min(left, height - taken)
                if let part = pieces[piece].rows(taken..<taken + count) { own.append(part) }
                left -= count
                taken += count
                if taken == height { (piece, taken) = (piece + 1, 0) }
            }
            parts[name] = own
        }
    }
}
