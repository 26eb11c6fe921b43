import Autograd
import Testing

struct FlashAttentionTilesTests {
    /// The kernels' own text asserts what a block takes; here that Swift says the same.
    @Test(arguments: [64, 128])
    func swiftAndKernelsAgree(_ headDim: Int) throws {
        let tiles = try #require(FlashAttentionTiles(headDim: headDim))
        for (kernel, shape) in [(tiles.forward, "Forward"), (tiles.keys, "Keys"), (tiles.queries, "Queries")] {
            let type = "\(shape)\(headDim)"
            let stated =
                "static_assert(\(type)::rows == \(kernel.rows) && \(type)::threads == \(kernel.threads) && "
                + "\(type)::bytes == \(kernel.sharedBytes), \"\(kernel.name)\");"
            let family = try #require(CUDASource.all.first { $0.kernels.contains(kernel.name) })
            #expect(family.text.contains(stated))
            #expect(kernel.sharedBytes <= 99 << 10 && kernel.threads <= LaunchGeometry.mostThreads)
        }
        #expect(CUDASource.all.contains { $0.kernels.contains(tiles.delta) })
    }

    @Test func blocksCoverAllRows() throws {
        let tiles = try #require(FlashAttentionTiles(headDim: 64))
        #expect(tiles.forward.geometry(count: 0, heads: 1, batch: 1).blocks == (1, 1, 1))
        #expect(tiles.forward.geometry(count: 128, heads: 12, batch: 4).blocks == (1, 12, 4))
        #expect(tiles.keys.geometry(count: 129, heads: 3, batch: 4).blocks == (2, 3, 4))
        #expect(tiles.queries.geometry(count: .max, heads: 1, batch: 1).blocks.x == Int.max / 128 + 1)
        #expect(tiles.deltaGeometry(batch: 2, heads: 3, queries: 64, multiprocessors: 100).blocks == (12, 1, 1))
        #expect(tiles.deltaGeometry(batch: .max, heads: .max, queries: .max, multiprocessors: 100).blocks.x <= 3200)
    }

    @Test func whatDoesNotFitIsLeftToTheGeneralKernels() {
        for headDim in [0, 32, 80, 256, .max] { #expect(FlashAttentionTiles(headDim: headDim) == nil) }
        func fits(headDim: Int = 64, rows: Int = 1000, distance: Int = 0, strides: [Int] = [768, 64], offsets: [Int] = [0, 64]) -> Bool {
            FlashAttentionTiles.fits(headDim: headDim, rows: rows, distance: distance, strides: strides, offsets: offsets)
        }
        #expect(fits() && fits(headDim: 128, distance: -500) && fits(strides: [8], offsets: [8]))
        #expect(!fits(headDim: 96) && !fits(rows: 1 << 29) && !fits(distance: .min) && !fits(distance: 1 << 30))
        #expect(!fits(strides: [768, 4]) && !fits(offsets: [0, 2]))
    }
}
