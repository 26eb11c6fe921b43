import Foundation

/// A library opened while running. It stays open: kernels and contexts live in it until the process ends.
package struct DynamicLibrary {
    /// What was opened, for messages.
    package let path: String
    /// The address of a function by name; nil where the library has none such.
    package let symbol: (String) -> UnsafeMutableRawPointer?

    package init(path: String, symbol: @escaping (String) -> UnsafeMutableRawPointer?) {
        (self.path, self.symbol) = (path, symbol)
    }

    package static func open(_ path: String) -> (library: DynamicLibrary?, reason: String) {
        // dlsym takes a handle that is optional on one system and not on the other.
        guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
            return (nil, dlerror().map { String(cString: $0) } ?? "")
        }
        nonisolated(unsafe) let opened = handle
        return (DynamicLibrary(path: path) { dlsym(opened, $0) }, "")
    }

    /// A function as its C type. The caller answers for the type: nothing here can check it.
    /// - Throws: `CUDAError.functionMissing`.
    package func function<Function>(_ name: String, as type: Function.Type) throws(CUDAError) -> Function {
        guard let address = symbol(name) else { throw .functionMissing(name, library: path) }
        return unsafeBitCast(address, to: type)
    }
}
