import Autograd
import Testing

/// How decoding's kernels are launched. What they compute is checked by Tests/KernelsCUDA.
struct DecodeGeometryTests {
    // MARK: Attention

    @Test func oneLongSequenceFillsAGPU() throws {
        let splits = try DecodeSplits(count: 1024, dim: 64, heads: 12, keyHeads: 12, batch: 1, type: .bfloat16)
        #expect(splits.kernel == "attention_decode_bfloat16_1" && splits.splits == 16 && splits.slots == 64)
        #expect(splits.geometry == LaunchGeometry(blocks: (16, 12, 1), threads: 128, sharedBytes: 4 * 66 * 4))
        #expect(splits.combine == LaunchGeometry(blocks: (12, 1, 1), threads: 64))
        #expect(splits.workspaceBytes == 12 * 16 * 66 * 4)
    }

    @Test func manySequencesNeedNoSecondKernel() throws {
        let splits = try DecodeSplits(count: 1024, dim: 64, heads: 12, keyHeads: 12, batch: 64, type: .bfloat16)
        #expect(splits.splits == 1 && splits.slots == 1024 && splits.combine == nil && splits.workspaceBytes == 0)
        #expect(splits.geometry.blocks == (1, 12, 64))
    }

    @Test(arguments: [1, 2, 3, 4, 5, 8, 9, 32])
    func queryHeadsThatShareAKeyGoTogether(_ group: Int) throws {
        let splits = try DecodeSplits(count: 100, dim: 128, heads: 2 * group, keyHeads: 2, batch: 1, type: .int8)
        let together = group == 1 ? 1 : group == 2 ? 2 : group <= 4 ? 4 : 8
        #expect(splits.kernel == "attention_decode_int8_\(together)")
        #expect(splits.geometry.blocks == (splits.splits * ((group + together - 1) / together), 2, 1))
        #expect(splits.geometry.sharedBytes == 4 * together * 130 * 4)
    }

    @Test func everySlotIsInOnePart() throws {
        for count in [0, 1, 31, 64, 65, 1000, 4096, 100_000, 1 << 40, .max] {
            for (keyHeads, batch) in [(1, 1), (12, 1), (8, 33), (64, 1000)] {
                let splits = try DecodeSplits(count: count, dim: 64, heads: keyHeads, keyHeads: keyHeads, batch: batch, type: .float32)
                #expect((1...DecodeSplits.mostSplits).contains(splits.splits))
                let (slots, overflow) = splits.slots.multipliedReportingOverflow(by: splits.splits)
                #expect(overflow || slots >= count)
                #expect((splits.splits - 1) * splits.slots < max(count, 1))
                #expect((splits.combine == nil) == (splits.splits == 1))
            }
        }
    }

    @Test func kernelsAreThoseThatExist() throws {
        let kernels = Set(CUDASource.all.flatMap(\.kernels))
        for type in [DType.float32, .bfloat16, .int8] {
            for dim in [1, 7, 64, 80, 100, 256, 257, 300, 20_000] {
                for group in [1, 2, 3, 8] {
                    let splits = try DecodeSplits(count: 10, dim: dim, heads: group, keyHeads: 1, batch: 1, type: type)
                    #expect(kernels.contains(splits.kernel), "\(splits.kernel)")
                    #expect(splits.kernel.hasSuffix("any") == (dim > DecodeSplits.largestShared))
                    #expect(splits.kernel.hasSuffix("unaligned") == (dim <= 256 && dim * type.size % 16 != 0))
                    #expect(splits.geometry.sharedBytes <= 99 << 10)
                }
            }
            #expect(
                try DecodeSplits(count: 10, dim: 64, heads: 2, keyHeads: 2, batch: 1, type: type, aligned: false).kernel
                    == "attention_decode_\(type)_unaligned")
        }
    }

    @Test func impossibleSizesAreErrors() {
        func refused(_ count: Int, _ dim: Int, _ heads: Int, _ keyHeads: Int, _ batch: Int, _ type: DType = .float32) -> Bool {
            (try? DecodeSplits(count: count, dim: dim, heads: heads, keyHeads: keyHeads, batch: batch, type: type)) == nil
        }
        #expect(refused(-1, 64, 2, 2, 1) && refused(9, 0, 2, 2, 1) && refused(9, 64, 3, 2, 1) && refused(9, 64, 0, 1, 1))
        #expect(refused(9, 64, 2, 0, 1) && refused(9, 64, 2, 2, 0) && refused(9, 64, 2, 2, 1, .int32))
        #expect(refused(9, 30_000, 2, 2, 1) && refused(9, .max, 2, 2, 1) && refused(9, 64, .max, .max, 1))
        #expect(!refused(9, 64, 2, 2, .max))  // too many blocks, which the launch says
        #expect(!refused(9, 64, 2, 2, 1))
    }

    // MARK: Products

    @Test func productsOfAModel() throws {
        // GPT-2's: one row by the output of attention, and by the head.
        let small = try DecodeProductGeometry(m: 1, n: 768, k: 768, type: .bfloat16, multiprocessors: 132)
        #expect(small.kernel == "decode_product_bfloat16_1" && small.split == 1)
        #expect(small.geometry == LaunchGeometry(blocks: (384, 1, 1), threads: 64))
        let deep = try DecodeProductGeometry(m: 1, n: 768, k: 3072, type: .bfloat16, multiprocessors: 132)
        #expect(deep.split == 4 && deep.geometry == LaunchGeometry(blocks: (384, 1, 1), threads: 256))
        let head = try DecodeProductGeometry(m: 3, n: 50257, k: 768, type: .int8, group: 64, multiprocessors: 132)
        #expect(head.kernel == "decode_product_int8_4" && head.split == 1)
        #expect(head.geometry == LaunchGeometry(blocks: (132 * 16, 1, 1), threads: 256))
    }

    @Test func howRowsAreSharedDependsOnTheWeightAlone() throws {
        for (n, k) in [(1, 8), (768, 3072), (50257, 768), (5, 1 << 20)] {
            let splits = try (1...16).flatMap { m in
                try [1, 108, 132].map {
                    try DecodeProductGeometry(m: m, n: n, k: k, type: .bfloat16, multiprocessors: $0).split
                }
            }
            #expect(Set(splits).count == 1)
        }
    }

    @Test func productKernelsAreThoseThatExist() throws {
        let kernels = Set(CUDASource.all.flatMap(\.kernels))
        for type in [DType.float32, .bfloat16, .int8] {
            for m in 1...20 {
                for (k, group) in [(1024, 64), (1024, 5), (1023, 64), (16, 1000)] {
                    for aligned in [true, false] {
                        let product = try DecodeProductGeometry(
                            m: m, n: 100, k: k, type: type, group: group, aligned: aligned, multiprocessors: 132)
                        #expect(kernels.contains(product.kernel), "\(product.kernel)")
                        let isPlain = !aligned || k == 1023 || m > 16 || (type == .int8 && group == 5)
                        #expect(product.kernel.hasSuffix("any") == isPlain)
                        #expect(product.geometry.threads % (32 * product.split) == 0 && product.geometry.threads <= 256)
                        #expect(product.geometry.blocks.x >= 1)
                    }
                }
            }
        }
    }

    @Test func impossibleProductsAreErrors() {
        func refused(_ m: Int, _ n: Int, _ k: Int, _ group: Int = 1, _ type: DType = .float32) -> Bool {
            (try? DecodeProductGeometry(m: m, n: n, k: k, type: type, group: group, multiprocessors: 0)) == nil
        }
        #expect(refused(0, 1, 1) && refused(1, 0, 1) && refused(1, 1, 0) && refused(1, 1, 1, 0) && refused(1, 1, 1, 1, .int32))
        #expect(refused(1, .max, 2) && refused(1, 1, .max) && !refused(.max, 1, 1) && !refused(1, .max, 1))
    }
}
