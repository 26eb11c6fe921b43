/// The functions of cuBLASLt that Loom calls, with C's types; each but two returns 0 or the number of an error. A table, so that a
/// test can put a function that fails in the place of any of them.
///
/// Names, types and numbers were held against cublasLt.h of cuBLAS 12.9 and 13.10, and the libraries of both export these names and
/// take these attributes on a machine without a GPU. There `cublasLtCreate` fails, so that no product was ever made by them.
package struct CUBLASLt {
    package typealias Out<T> = UnsafeMutablePointer<T>?

    package var create: (Out<CUDAHandle?>) -> Int32
    package var destroy: (CUDAHandle?) -> Int32
    /// 131000 is 13.10.0.
    package var version: () -> Int
    package var statusString: (Int32) -> UnsafePointer<CChar>?

    /// What is computed: type of the sums, type of alpha and beta.
    package var createOperation: (Out<CUDAHandle?>, Int32, Int32) -> Int32
    package var destroyOperation: (CUDAHandle?) -> Int32
    package var setOperation: SetAttribute

    /// A matrix: element type, rows, columns, elements from one column to the next.
    package var createLayout: (Out<CUDAHandle?>, Int32, UInt64, UInt64, Int64) -> Int32
    package var destroyLayout: (CUDAHandle?) -> Int32
    package var setLayout: SetAttribute

    package var createPreference: (Out<CUDAHandle?>) -> Int32
    package var destroyPreference: (CUDAHandle?) -> Int32
    package var setPreference: SetAttribute

    package var heuristic: Heuristic
    package var checkAlgorithm: CheckAlgorithm
    /// Algorithm, attribute, where to, how many bytes, how many were written.
    package var algorithmAttribute: (UnsafeRawPointer?, Int32, UnsafeMutableRawPointer?, Int, Out<Int>) -> Int32
    package var multiply: Multiply

    /// Descriptor, attribute, its value, bytes of it.
    package typealias SetAttribute = (CUDAHandle?, Int32, UnsafeRawPointer?, Int) -> Int32
    /// Handle, operation, layouts of A, B, C and D, preference, how many are wanted, `HeuristicResult`s, how many there are.
    package typealias Heuristic = (
        CUDAHandle?, CUDAHandle?, CUDAHandle?, CUDAHandle?, CUDAHandle?, CUDAHandle?, CUDAHandle?, Int32, UnsafeMutableRawPointer?,
        Out<Int32>
    ) -> Int32
    /// Handle, operation, layouts of A, B, C and D, algorithm, a `HeuristicResult`.
    package typealias CheckAlgorithm = (
        CUDAHandle?, CUDAHandle?, CUDAHandle?, CUDAHandle?, CUDAHandle?, CUDAHandle?, UnsafeRawPointer?, UnsafeMutableRawPointer?
    ) -> Int32
    /// Handle, operation, alpha, A and its layout, B, beta, C, D, algorithm, workspace, its bytes, stream.
    package typealias Multiply = (
        CUDAHandle?, CUDAHandle?, UnsafeRawPointer?, DeviceAddress, CUDAHandle?, DeviceAddress, CUDAHandle?, UnsafeRawPointer?,
        DeviceAddress, CUDAHandle?, DeviceAddress, CUDAHandle?, UnsafeRawPointer?, DeviceAddress, Int, CUDAHandle?
    ) -> Int32

    /// What the library says of an error: "the requested functionality is not supported".
    package func reason(_ status: Int32) -> String { statusString(status).map { String(cString: $0) } ?? "error \(status)" }

    /// - Throws: `CUDAError.call` for any status but 0.
    package func check(_ status: Int32, _ function: String) throws(CUDAError) {
        guard status == 0 else { throw .call(function, reason: reason(status)) }
    }
}

extension CUBLASLt {
    /// Something the library made, given back when nobody holds it.
    package final class Descriptor {
        package let handle: CUDAHandle
        private let destroy: (CUDAHandle?) -> Int32

        package init(
            _ function: String, in library: CUBLASLt, destroy: @escaping (CUDAHandle?) -> Int32, create: (Out<CUDAHandle?>) -> Int32
        ) throws(CUDAError) {
            var handle: CUDAHandle?
            try library.check(create(&handle), function)
            guard let handle else { throw .call(function, reason: "it gave nothing") }
            (self.handle, self.destroy) = (handle, destroy)
        }

        deinit { _ = destroy(handle) }
    }

    package func makeOperation(computing: Compute) throws(CUDAError) -> Descriptor {
        try Descriptor("cublasLtMatmulDescCreate", in: self, destroy: destroyOperation) {
            createOperation($0, computing.rawValue, DataType.float32.rawValue)
        }
    }

    package func makeLayout(_ type: DataType, rows: Int, columns: Int, stride: Int) throws(CUDAError) -> Descriptor {
        try Descriptor("cublasLtMatrixLayoutCreate", in: self, destroy: destroyLayout) {
            createLayout($0, type.rawValue, UInt64(max(0, rows)), UInt64(max(0, columns)), Int64(stride))
        }
    }

    package func makePreference() throws(CUDAError) -> Descriptor {
        try Descriptor("cublasLtMatmulPreferenceCreate", in: self, destroy: destroyPreference, create: createPreference)
    }

    package func set<Value: BitwiseCopyable>(
        _ attribute: OperationAttribute, of operation: Descriptor, to value: Value
    ) throws(CUDAError) {
        try check(
            withUnsafeBytes(of: value) { setOperation(operation.handle, attribute.rawValue, $0.baseAddress, $0.count) },
            "cublasLtMatmulDescSetAttribute(\(attribute))")
    }

    package func set<Value: BitwiseCopyable>(_ attribute: LayoutAttribute, of layout: Descriptor, to value: Value) throws(CUDAError) {
        try check(
            withUnsafeBytes(of: value) { setLayout(layout.handle, attribute.rawValue, $0.baseAddress, $0.count) },
            "cublasLtMatrixLayoutSetAttribute(\(attribute))")
    }

    package func set<Value: BitwiseCopyable>(
        _ attribute: PreferenceAttribute, of preference: Descriptor, to value: Value
    ) throws(CUDAError) {
        try check(
            withUnsafeBytes(of: value) { setPreference(preference.handle, attribute.rawValue, $0.baseAddress, $0.count) },
            "cublasLtMatmulPreferenceSetAttribute(\(attribute))")
    }
}
