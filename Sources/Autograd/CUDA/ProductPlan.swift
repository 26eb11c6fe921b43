extension CUDAProducts {
    /// One shape's descriptors and algorithm.
    ///
    /// The library counts columns first. A row-major matrix is, byte for byte, its transpose column-major; so cᵀ = op(b)ᵀ·op(a)ᵀ is
    /// asked for, with our b as its A, our a as its B, and no transposition more or less. The other way, to declare every
    /// matrix row-major, would leave the bias on rows of c, where no layer has one.
    final class Plan {
        let operation: CUBLASLt.Descriptor
        let a: CUBLASLt.Descriptor, b: CUBLASLt.Descriptor, c: CUBLASLt.Descriptor
        let preference: CUBLASLt.Descriptor
        var algorithm: CUBLASLt.Algorithm?
        private let library: CUBLASLt
        private var bias: DeviceAddress = 0, aux: DeviceAddress = 0

        init(_ call: Call, library: CUBLASLt, precision: Precision, workspaceBytes: Int) throws(CUDAError) {
            self.library = library
            let compute: CUBLASLt.Compute = call.a.type == .float32 && precision == .tf32 ? .tf32 : .float32
            operation = try library.makeOperation(computing: compute)
            let (widths, heights) = (call.widths, call.heights)
            a = try Self.layout(call.a, widths.a, heights.a, call, library)
            b = try Self.layout(call.b, widths.b, heights.b, call, library)
            c = try Self.layout(call.c, widths.c, heights.c, call, library)
            preference = try library.makePreference()

            let transposed = CUBLASLt.Transposition.transposed.rawValue
            if call.transposeB { try library.set(.transposeA, of: operation, to: transposed) }
            if call.transposeA { try library.set(.transposeB, of: operation, to: transposed) }
            if call.epilogue != .none { try library.set(.epilogue, of: operation, to: call.epilogue.number.rawValue) }
            if call.epilogue.hasBias, let type = call.biasType, type != call.c.type, let number = CUBLASLt.DataType(type) {
                try library.set(.biasType, of: operation, to: number.rawValue)
            }
            if call.epilogue.hasAux { try library.set(.auxiliaryStride, of: operation, to: Int64(call.auxStride)) }
            // The heuristic reads alignments off these.
            try point(bias: call.bias, aux: call.aux, of: call)

            try library.set(.workspaceBytes, of: preference, to: UInt64(workspaceBytes))
            // Sums over k that were split are put together in a step of their own, in float32 and in one order: the same bits every
            // time. Of the other schemes one adds to the output as parts come, and both round parts to the output's type.
            try library.set(.reductionSchemes, of: preference, to: CUBLASLt.Reduction.computeType)
            let key = Key(call)
            for (attribute, index) in [
                (CUBLASLt.PreferenceAttribute.alignmentA, 1), (.alignmentB, 0), (.alignmentC, 2), (.alignmentD, 2),
            ] { try library.set(attribute, of: preference, to: UInt32(key.alignments[index])) }
        }

        private static func layout(
            _ matrix: Matrix, _ width: Int, _ height: Int, _ call: Call, _ library: CUBLASLt
        ) throws(CUDAError) -> CUBLASLt.Descriptor {
            guard let type = CUBLASLt.DataType(matrix.type) else { throw call.refused("\(matrix.type) is no type of a product") }
            let layout = try library.makeLayout(type, rows: width, columns: height, stride: matrix.stride)
            if call.batch > 1 {
                try library.set(.batchCount, of: layout, to: Int32(clamping: call.batch))
                try library.set(.batchStride, of: layout, to: Int64(matrix.batchStride))
            }
            return layout
        }

        /// The pointers are the operation's, which is read when a product is asked for; a captured one keeps what it read.
        func point(bias: DeviceAddress, aux: DeviceAddress, of call: Call) throws(CUDAError) {
            if call.epilogue.hasBias, bias != self.bias {
                try library.set(.biasPointer, of: operation, to: bias)
                self.bias = bias
            }
            if call.epilogue.hasAux, aux != self.aux {
                try library.set(.auxiliaryPointer, of: operation, to: aux)
                self.aux = aux
            }
        }
    }
}
