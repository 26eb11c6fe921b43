import Foundation

extension MappedFile {
    /// What a file is that holds no weights, or none that are read here, with what to do; nil where neither its first bytes nor its name
    /// tell. These are what people hand over most often, and "damaged" would send them looking in the wrong place.
    public var otherKind: String? {
        let start = bytes.prefix(64)
        func begins(_ text: String) -> Bool { start.starts(with: text.utf8) }
        let lowered = String(decoding: start, as: UTF8.self).lowercased()
        if begins("version https://git-lfs") {
            return "is a pointer of Git LFS, not the file itself; fetch that with git lfs pull, or download it alone"
        }
        if begins("GGUF") { return "is a GGUF file of llama.cpp, which is not read here; import the safetensors that it was made of" }
        if start.starts(with: [0x89, 0x48, 0x44, 0x46]) {
            return "is an HDF5 file, as TensorFlow writes weights, which is not read here; safetensors or PyTorch's are"
        }
        if lowered.hasPrefix("<!doctype html") || lowered.hasPrefix("<html") {
            return "is a web page; the download went wrong, or needs you to be logged in"
        }
        if start.starts(with: [0x1F, 0x8B]) { return "is compressed with gzip; unpack it first" }
        if path.hasSuffix(".onnx") { return "is an ONNX file, which is not read here; safetensors or PyTorch's are" }
        return nil
    }
}
