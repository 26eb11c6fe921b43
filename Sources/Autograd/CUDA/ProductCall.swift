extension CUDAProducts {
    /// A row-major matrix on the device.
    package struct Matrix: Equatable {
        package var address: DeviceAddress
        /// float32 or bfloat16.
        package var type: DType
        /// Elements from one row to the next.
        package var stride: Int
        /// Elements from one matrix of a batch to the next; 0 is the same matrix for all, which only an operand may be.
        package var batchStride: Int

        package init(_ address: DeviceAddress, _ type: DType, stride: Int, batchStride: Int = 0) {
            (self.address, self.type, self.stride, self.batchStride) = (address, type, stride, batchStride)
        }
    }

    /// What happens to a product x before it is stored in c. GELU is the approximation by tanh (`Activation.geluTanh`).
    ///
    /// Everything is in row-major terms. In the library's, c is column-major with n rows, so that a bias over our columns is one
    /// over its rows, which is what it adds; and our b is its A.
    package enum Epilogue: String, CaseIterable {
        case none
        /// c = x + bias[n]
        case bias
        /// c = gelu(x)
        case gelu
        /// c = gelu(x + bias[n])
        case geluBias
        /// aux = x, c = gelu(x)
        case geluAux
        /// aux = x + bias[n], c = gelu(aux)
        case geluAuxBias
        /// c = x·gelu′(aux)
        case geluGradient
        /// c = x·gelu′(aux), bias[n] = the sums of c's columns, written over what was there
        case geluGradientBias
        /// c = x, bias[m] = Σ over k of op(a), written over what was there: with a the transposed output gradient, the bias's gradient
        case sumsOfA
        /// c = x, bias[n] = Σ over k of op(b), written over what was there
        case sumsOfB

        var number: CUBLASLt.Epilogue {
            switch self {
            case .none: .none
            case .bias: .bias
            case .gelu: .gelu
            case .geluBias: .geluBias
            case .geluAux: .geluAux
            case .geluAuxBias: .geluAuxBias
            case .geluGradient: .geluGradient
            case .geluGradientBias: .geluGradientBias
            // Operands change places.
            case .sumsOfA: .sumsOfB
            case .sumsOfB: .sumsOfA
            }
        }

        var readsBias: Bool { self == .bias || self == .geluBias || self == .geluAuxBias }
        var writesBias: Bool { self == .geluGradientBias || self == .sumsOfA || self == .sumsOfB }
        var writesAux: Bool { self == .geluAux || self == .geluAuxBias }
        var readsAux: Bool { self == .geluGradient || self == .geluGradientBias }
        package var hasBias: Bool { readsBias || writesBias }
        package var hasAux: Bool { readsAux || writesAux }
    }

    /// c = epilogue(alpha·op(a)·op(b) + beta·c), with op(a) [m, k], op(b) [k, n], c [m, n]; a batch of them when `batch` is over 1.
    /// c is not read when beta is 0, and neither when there is an addend for beta to multiply.
    package struct Call: Equatable {
        package var a: Matrix, b: Matrix, c: Matrix
        package var transposeA = false, transposeB = false
        package var m: Int, n: Int, k: Int
        package var alpha: Float = 1, beta: Float = 0
        /// What beta multiplies, laid out as c; c itself where it is 0.
        package var addend: DeviceAddress = 0
        package var epilogue = Epilogue.none
        /// [n], or [m] for `.sumsOfA`.
        package var bias: DeviceAddress = 0
        /// c's type where it is nil, which is the only one that the library documents for float32 and bfloat16.
        package var biasType: DType?
        /// [m, n] of c's type, `auxStride` elements from row to row: a multiple of 8.
        package var aux: DeviceAddress = 0
        package var auxStride = 0
        package var batch = 1

        package init(
            _ a: Matrix, _ b: Matrix, transposeA: Bool = false, transposeB: Bool = false, into c: Matrix, m: Int, n: Int, k: Int
        ) {
            (self.a, self.b, self.c) = (a, b, c)
            (self.transposeA, self.transposeB, self.m, self.n, self.k) = (transposeA, transposeB, m, n, k)
        }

        /// Whether c has no elements, so that there is nothing to do.
        var isEmpty: Bool { m == 0 || n == 0 || batch == 0 }

        /// Elements that op(a) sums over are counted along a row of a, unless a is transposed.
        var widths: (a: Int, b: Int, c: Int) { (transposeA ? m : k, transposeB ? k : n, n) }
        var heights: (a: Int, b: Int, c: Int) { (transposeA ? k : m, transposeB ? n : k, m) }

        /// "bfloat16 [8192 × 768]·[768 × 3072] into float32, b transposed, epilogue gelu"
        package var description: String {
            var text = "\(a.type) [\(m) × \(k)]·[\(k) × \(n)] into \(c.type)"
            if b.type != a.type { text = "\(a.type) [\(m) × \(k)]·\(b.type) [\(k) × \(n)] into \(c.type)" }
            if transposeA { text += ", a transposed" }
            if transposeB { text += ", b transposed" }
            if batch != 1 { text += ", \(batch) of them" }
            if epilogue != .none { text += ", epilogue \(epilogue)" }
            return text
        }

        func refused(_ problem: String) -> CUDAError { .product(description, problem: problem) }
    }
}

extension CUDAProducts.Call {
    /// What can be known without the library, which would give a number for it.
    /// - Throws: `CUDAError.product`.
    package func check() throws(CUDAError) {
        let sizes = 1...Int(Int32.max)
        for (name, size) in [("m", m), ("n", n), ("k", k), ("batch", batch)] where !sizes.contains(size) {
            throw refused("\(name) is \(size), of \(sizes.lowerBound) to \(sizes.upperBound)")
        }
        guard CUBLASLt.DataType(a.type) != nil, a.type == b.type else { throw refused("operands are float32 or bfloat16, both the same") }
        if addend != 0 { try check("the addend", addend, c.type) }
        guard CUBLASLt.DataType(c.type) != nil, a.type == .bfloat16 || c.type == .float32 else {
            throw refused("a product of float32 is float32, one of bfloat16 is that or float32")
        }
        let widths = widths
        for (name, matrix, width) in [("a", a, widths.a), ("b", b, widths.b), ("c", c, widths.c)] {
            try check(name, matrix.address, matrix.type)
            guard matrix.stride >= width else { throw refused("rows of \(name) have \(width) elements and are \(matrix.stride) apart") }
            guard matrix.batchStride >= 0 else { throw refused("\(name) has the batch stride \(matrix.batchStride)") }
        }
        try checkEpilogue()
        if batch > 1 {
            guard epilogue == .none else { throw refused("a batch has no epilogue") }
            guard let one = elements(of: c, width: n), c.batchStride >= one else { throw refused("the outputs of the batch overlap") }
        }
        // What is asked for must be countable in bytes.
        let heights = heights
        for (matrix, width, height) in [(a, widths.a, heights.a), (b, widths.b, heights.b), (c, widths.c, heights.c)] {
            guard bytes(of: matrix, width: width, height: height) != nil else { throw refused("it has more bytes than can be counted") }
        }
    }

    private func checkEpilogue() throws(CUDAError) {
        if epilogue.hasBias {
            guard CUBLASLt.DataType(biasType ?? c.type) != nil else { throw refused("a bias is float32 or bfloat16") }
            try check("the bias", bias, biasType ?? c.type)
        }
        if epilogue.hasAux {
            try check("aux", aux, c.type)
            guard auxStride >= n, auxStride % 8 == 0 else {
                throw refused("rows of aux have \(n) elements and are \(auxStride) apart, which must be a multiple of 8")
            }
            guard bytes(of: .init(aux, c.type, stride: auxStride), width: n, height: m) != nil else {
                throw refused("it has more bytes than can be counted")
            }
        }
        // Whether the library scales the sums too is not written anywhere.
        if epilogue == .sumsOfA || epilogue == .sumsOfB, alpha != 1 { throw refused("sums of an operand go with alpha 1, not \(alpha)") }
    }

    private func check(_ name: String, _ address: DeviceAddress, _ type: DType) throws(CUDAError) {
        guard address != 0 else { throw refused("\(name) has no memory") }
        guard address % UInt64(type.size) == 0 else { throw refused("\(name) is not aligned to its elements") }
    }

    /// Elements from the first of a matrix of m rows to behind its last; nil where they cannot be counted.
    private func elements(of matrix: CUDAProducts.Matrix, width: Int) -> Int? {
        let (rows, overflow) = (m - 1).multipliedReportingOverflow(by: matrix.stride)
        let (all, more) = rows.addingReportingOverflow(width)
        return overflow || more ? nil : all
    }

    /// Bytes from the first element of a matrix, or a batch of them, to behind the last; nil where they cannot be counted.
    func bytes(of matrix: CUDAProducts.Matrix, width: Int, height: Int) -> Int? {
        let (rows, first) = (height - 1).multipliedReportingOverflow(by: matrix.stride)
        let (matrices, second) = (batch - 1).multipliedReportingOverflow(by: matrix.batchStride)
        let (one, third) = rows.addingReportingOverflow(width)
        let (all, fourth) = one.addingReportingOverflow(matrices)
        let (bytes, fifth) = all.multipliedReportingOverflow(by: matrix.type.size)
        return first || second || third || fourth || fifth ? nil : bytes
    }
}

extension CUDAProducts {
    /// All that descriptors and the choice of an algorithm depend on. Neither sees alpha and beta.
    package struct Key: Hashable {
        let types: [DType]
        let transposeA: Bool, transposeB: Bool
        let sizes: [Int]
        let epilogue: Epilogue
        /// Of a, b, c, bias and aux, in bytes: an algorithm may ask for it.
        let alignments: [Int]

        package init(_ call: Call) {
            let (bias, aux) = (call.epilogue.hasBias ? call.bias : 0, call.epilogue.hasAux ? call.aux : 0)
            types = [call.a.type, call.b.type, call.c.type, call.epilogue.hasBias ? call.biasType ?? call.c.type : call.c.type]
            (transposeA, transposeB) = (call.transposeA, call.transposeB)
            let strides = [call.a.stride, call.b.stride, call.c.stride, call.epilogue.hasAux ? call.auxStride : 0]
            let batches = call.batch == 1 ? [0, 0, 0] : [call.a.batchStride, call.b.batchStride, call.c.batchStride]
            sizes = [call.m, call.n, call.k] + strides + [call.batch] + batches
            epilogue = call.epilogue
            // The addend's and c's bits together are aligned as the worse of them.
            alignments = [call.a.address, call.b.address, call.c.address | call.addend, bias, aux].map(Self.alignment)
        }

        /// At most 16: the widest load of one thread, and what the tensor memory accelerator asks of a matrix. Keys would only
        /// multiply beyond.
        static func alignment(_ address: DeviceAddress) -> Int { address == 0 ? 16 : 1 << min(4, address.trailingZeroBitCount) }

        /// The same key in another process.
        package var text: String {
            let transposes = (transposeA ? "t" : "n") + (transposeB ? "t" : "n")
            let words = types.map(\.rawValue) + [transposes, epilogue.rawValue] + (sizes + alignments).map(String.init)
            return words.joined(separator: " ")
        }
    }
}
