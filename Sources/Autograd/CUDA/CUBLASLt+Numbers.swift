/// Numbers of cublasLt.h, cublas_api.h and library_types.h, the same in cuBLAS 12.9 and 13.10.
extension CUBLASLt {
    /// cudaDataType_t: CUDA_R_32F, CUDA_R_16BF.
    package enum DataType: Int32 {
        case float32 = 0, bfloat16 = 14

        /// Nil for what no product takes.
        package init?(_ type: DType) {
            switch type {
            case .float32: self = .float32
            case .bfloat16: self = .bfloat16
            case .int32, .int8: return nil
            }
        }
    }

    /// cublasComputeType_t: CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_FAST_TF32.
    package enum Compute: Int32 { case float32 = 68, tf32 = 77 }

    /// cublasOperation_t: CUBLAS_OP_N, CUBLAS_OP_T.
    package enum Transposition: Int32 { case none = 0, transposed = 1 }

    /// cublasLtMatmulDescAttributes_t, with the bytes of a value.
    package enum OperationAttribute: Int32 {
        /// 4
        case transposeA = 3, transposeB = 4
        /// 4
        case epilogue = 7
        /// 8
        case biasPointer = 8
        /// 8
        case auxiliaryPointer = 11
        /// 8
        case auxiliaryStride = 12
        /// 4, `DataType`
        case biasType = 26
    }

    /// cublasLtMatrixLayoutAttribute_t.
    package enum LayoutAttribute: Int32 {
        /// 4
        case batchCount = 5
        /// 8, elements
        case batchStride = 6
    }

    /// cublasLtMatmulPreferenceAttributes_t.
    package enum PreferenceAttribute: Int32 {
        /// 8
        case workspaceBytes = 1
        /// 4
        case reductionSchemes = 3
        /// 4 each
        case alignmentA = 5, alignmentB = 6, alignmentC = 7, alignmentD = 8
    }

    /// cublasLtEpilogue_t: what is done to a product before it is stored, in the library's column-major terms.
    package enum Epilogue: UInt32 {
        case none = 1, bias = 4, gelu = 32, geluBias = 36, geluAux = 160, geluAuxBias = 164
        case geluGradient = 192, geluGradientBias = 208, sumsOfA = 256, sumsOfB = 512
    }

    /// cublasLtReductionScheme_t: how the parts of sums that were split over k are put together.
    package enum Reduction {
        /// Parts in float32 in the workspace, added in a step of their own.
        package static let computeType: UInt32 = 2
        /// Parts added one after another to the output itself, in its type; parts kept in the output's type.
        package static let inPlace: UInt32 = 1, outputType: UInt32 = 4
    }

    /// CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, 4 bytes.
    package static let reductionOfAlgorithm: Int32 = 3

    package enum Status {
        package static let invalidValue: Int32 = 7, notSupported: Int32 = 15
    }

    /// cublasLtMatmulAlgo_t, 64 bytes that only the library understands.
    package struct Algorithm: Hashable, Sendable {
        package static let byteCount = 64
        package let bytes: [UInt8]

        /// Nil for any other number of bytes.
        package init?(_ bytes: [UInt8]) {
            guard bytes.count == Self.byteCount else { return nil }
            self.bytes = bytes
        }
    }

    /// cublasLtMatmulHeuristicResult_t: an algorithm, the workspace it takes, and whether the entry is valid.
    package struct HeuristicResult: Equatable {
        package static let byteCount = 96
        private static let workspaceOffset = 64, stateOffset = 72

        package let algorithm: Algorithm
        package let workspaceBytes: Int
        package let state: Int32

        /// From memory as the library fills it; nil for any other number of bytes.
        package init?(_ memory: UnsafeRawBufferPointer) {
            guard memory.count == Self.byteCount, let algorithm = Algorithm([UInt8](memory.prefix(Algorithm.byteCount))) else {
                return nil
            }
            self.algorithm = algorithm
            let bytes = memory.loadUnaligned(fromByteOffset: Self.workspaceOffset, as: UInt64.self)
            workspaceBytes = Int(clamping: bytes)
            state = memory.loadUnaligned(fromByteOffset: Self.stateOffset, as: Int32.self)
        }
    }
}
