/// A file of `torch.save`: a zip archive of a pickle and of storages that its tensors lie in. Nothing of it is executed.
public struct TorchFile: Sendable {
    /// What the pickle holds: tensors are `call`s of what would rebuild them; `tensor(_:name:)` reads one.
    public let content: PickleValue
    private let archive: ZipArchive
    /// The folder in the archive.
    private let prefix: String

    /// What PyTorch's own files ask for, and only as data.
    private static let globals: Set<String> = Pickle.plain
        .union(storageTypes.keys)
        .union(["torch.storage.UntypedStorage", "torch.Size", "torch.device", rebuildTensor, rebuildParameter])
        .union(["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"].map { "torch.\($0)" })
    private static let rebuildTensor = "torch._utils._rebuild_tensor_v2", rebuildParameter = "torch._utils._rebuild_parameter"

    private static let storageTypes: [String: ElementType] = [
        "torch.DoubleStorage": .float64, "torch.FloatStorage": .float32, "torch.HalfStorage": .float16, "torch.BFloat16Storage": .bfloat16,
        "torch.LongStorage": .int64, "torch.IntStorage": .int32, "torch.ShortStorage": .int16, "torch.CharStorage": .int8,
        "torch.ByteStorage": .uint8, "torch.BoolStorage": .bool,
    ]

    /// Whether `path` begins like a zip archive.
    public static func isArchive(_ file: MappedFile) -> Bool { file.integer(UInt32.self, at: 0) == 0x0403_4b50 }

    /// Whether `path` begins like a bare pickle of protocol 2 or later, as files of PyTorch before 1.6 do.
    public static func isBarePickle(_ file: MappedFile) -> Bool {
        file.integer(UInt8.self, at: 0) == 0x80 && (2...5).contains(file.integer(UInt8.self, at: 1) ?? 0)
    }

    /// - Throws: `FormatError` for what is no such file, is damaged, or asks for anything besides tensors and plain data.
    public init(_ file: MappedFile) throws(FormatError) {
        let path = file.path
        if TorchFile.isBarePickle(file) {
            throw FormatError(
                path,
                "is a bare pickle, as PyTorch before 1.6 wrote files; if you trust who made it, load it with a newer PyTorch and "
                    + "torch.save it again")
        }
        guard TorchFile.isArchive(file) else { throw FormatError(path, "is no file of torch.save") }
        archive = try ZipArchive(file)
        let pickles = archive.entries.keys.filter { $0.hasSuffix("/data.pkl") }
        guard pickles.count == 1, let name = pickles.first, let pickle = archive.entries[name] else {
            throw FormatError(path, "is a zip archive without a data.pkl; it is no file of torch.save")
        }
        prefix = String(name.dropLast("data.pkl".count))
        guard archive.entries["\(prefix)constants.pkl"] == nil else {
            throw FormatError(path, "is a TorchScript program; save its state_dict() with torch.save and take that")
        }
        if let order = archive.entries["\(prefix)byteorder"], let bytes = file.slice(try archive.range(of: order).lowerBound, order.size),
            !bytes.elementsEqual("little".utf8)
        {
            throw FormatError(path, "was written on a big-endian machine, which is not read here")
        }
        let range = try archive.range(of: pickle)
        guard let bytes = file.slice(range.lowerBound, range.count) else { throw FormatError(path, "is cut short") }
        content = try Pickle.read(bytes, name: path, globals: TorchFile.globals, allowsExternal: true)
    }

    /// The dictionary of weights: the whole content, or the entry of it in which some wrap it.
    public var stateDict: PickleValue {
        ["state_dict", "model_state_dict", "model"].compactMap { content[$0] }.first { $0.pairs != nil } ?? content
    }

    /// The tensor that `value` stands for; nil when it is none.
    /// - Parameter name: what errors call it.
    /// - Throws: `FormatError` for a tensor whose storage is missing or smaller than it says.
    public func tensor(_ value: PickleValue, name: String) throws(FormatError) -> StoredTensor? {
        var value = value
        if case .call(TorchFile.rebuildParameter, let arguments) = value, let inner = arguments.first { value = inner }
        guard case .call(TorchFile.rebuildTensor, let arguments) = value else { return nil }
        let path = archive.file.path
        guard arguments.count >= 4, case .external(let place) = arguments[0], let storage = place.items, storage.count >= 5,
            storage[0] == .string("storage"), case .global(let typeName) = storage[1], let key = storage[2].stringValue,
            let offset = arguments[1].intValue, let shape = arguments[2].items?.map(\.intValue),
            let strides = arguments[3].items?.map(\.intValue), !shape.contains(nil), !strides.contains(nil)
        else { throw FormatError(path, "describes tensor \(shown(name)) wrongly; the file is damaged") }
        guard let type = TorchFile.storageTypes[typeName] else {
            throw FormatError(path, "tensor \(shown(name)) is made of \(typeName), which is not read here")
        }
        guard let entry = archive.entries["\(prefix)data/\(key)"] else {
            throw FormatError(path, "does not have the storage of tensor \(shown(name)); the file is damaged")
        }
        return try StoredTensor(
            name: name, type: type, shape: shape.compactMap { $0 }, strides: strides.compactMap { $0 }, offset: offset,
            in: archive.range(of: entry), of: archive.file)
    }

    /// The tensors of a state dict, under their names; what is no tensor is left out.
    /// - Throws: `FormatError` for one that is damaged, or a value that is no dictionary.
    public func tensors(_ dictionary: PickleValue) throws(FormatError) -> [String: StoredTensor] {
        guard let pairs = dictionary.pairs else { throw FormatError(archive.file.path, "has no state dict: a dictionary of tensors") }
        var all: [String: StoredTensor] = [:]
        for pair in pairs {
            guard let name = pair.key.stringValue, let tensor = try tensor(pair.value, name: name) else { continue }
            all[name] = tensor
        }
        return all
    }
}
