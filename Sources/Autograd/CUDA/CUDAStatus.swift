extension CUDADriver {
    /// Numbers of errors that get words of their own.
    package enum Status {
        static let outOfMemory: Int32 = 2
        static let noDevice: Int32 = 100
    }

    /// What the driver says of an error: "CUDA_ERROR_ILLEGAL_ADDRESS, an illegal memory access was encountered".
    package func reason(_ status: Int32) -> String {
        var name: UnsafePointer<CChar>?, text: UnsafePointer<CChar>?
        let parts = [
            errorName(status, &name) == 0 ? name.map { String(cString: $0) } : nil,
            errorString(status, &text) == 0 ? text.map { String(cString: $0) } : nil,
        ]
        let known = parts.compactMap { $0 }
        return known.isEmpty ? "error \(status)" : known.joined(separator: ", ")
    }

    /// - Throws: `CUDAError.call` for any status but 0.
    package func check(_ status: Int32, _ function: String) throws(CUDAError) {
        guard status == 0 else { throw .call(function, reason: reason(status)) }
    }
}
