extension CUDASource {
    /// Products on tensor cores out of shared memory, in bfloat16 with float32 sums.
    ///
    /// What no C++ says stands in the first part, each instruction of PTX in one function; on the host functions of the same names
    /// do the same (Tests/KernelsCUDA/host_tensor_cores.h). Which lane holds which element is the PTX ISA's to say: "Matrix
    /// fragments for mma.m16n8k16 with floating point type" and "ldmatrix". Not yet run on a GPU.
    static let tensorCores = #"""
        #ifndef LOOM_HOST
        #define SHARED_TILES(name) \
            extern __shared__ __align__(256) unsigned char loom_tiles[]; \
            unsigned char *name = loom_tiles
        // An address in shared memory as instructions take it, in bytes.
        DEVICE unsigned shared_address(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }

        // c += a b: 16 rows by 16 times 16 by 8 columns, over a warp. Lane 4g + t holds, two to a register, the lower column below:
        // a: rows g, g + 8, g, g + 8 at columns 2t, 2t + 1 and, in the last two, 8 further; b: rows 2t, 2t + 1 and 8 further of
        // column g; c: row g at columns 2t and 2t + 1, then row g + 8.
        DEVICE void mma(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
            asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
        }
        // Four matrices of 8 rows of 16 bytes, the rows of matrix m at the addresses that lanes 8m ... 8m + 7 give. Lane 4g + t
        // gets of each row g, elements 2t and 2t + 1; transposed: column g, rows 2t and 2t + 1.
        DEVICE void ldmatrix(unsigned (&r)[4], unsigned address) {
            asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address) : "memory");
        }
        DEVICE void ldmatrix_transposed(unsigned (&r)[4], unsigned address) {
            asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address) : "memory");
        }
        // 16 bytes from global to shared memory in the background, zeros where there is nothing: then `from` is not read.
        DEVICE void copy_async(unsigned to, const void *from, bool there) {
            asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                : : "r"(to), "l"(__cvta_generic_to_global(from)), "r"(there ? 16 : 0) : "memory");
        }
        // Ends a group of this thread's copies; waits until at most `groups` of its groups are under way.
        DEVICE void copy_commit() { asm volatile("cp.async.commit_group;" : : : "memory"); }
        template <int groups> DEVICE void copy_wait() { asm volatile("cp.async.wait_group %0;" : : "n"(groups) : "memory"); }

        // Two numbers as bfloat16, to the nearest, ties to even, `low` in the lower half.
        DEVICE unsigned packed(float low, float high) {
            unsigned both;
            asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
            return both;
        }
        // 2^x within 2 units of the last place; what would be subnormal is 0.
        DEVICE float fast_exp2(float x) {
            float y;
            asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
            return y;
        }
        // 1 / x within a unit of the last place; what would be subnormal is 0.
        DEVICE float fast_reciprocal(float x) {
            float y;
            asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
            return y;
        }
        // This warp's number, in a way that tells the compiler that all lanes have the same: branches on it are whole warps'.
        DEVICE int warp_number() { return __shfl_sync(0xffffffffu, (int)threadIdx.x / 32, 0); }
        // The same number, of which the compiler does not know so: what is computed from it stays inside the loop.
        DEVICE unsigned afresh(unsigned x) {
            asm volatile("" : "+r"(x));
            return x;
        }
        #endif

        typedef unsigned short BFloat16;

        // A tile in shared memory, at an address that 256 divides: rows of D elements in chunks of 16 bytes, chunk c of row r at place
        // c ^ (r mod 8). Eight rows below one another have any chunk in different banks, and so has a row its chunks. Where c < 2,
        // the address of chunk c + 2k is that of chunk c, exclusive or k << 5.
        template <int D> DEVICE u32 place(int row, int chunk) { return row * (2 * D) + ((chunk ^ (row & 7)) << 4); }

        // Starts to copy rows first ..< first + ROWS, those from `rows` on as zeros. Rows begin at addresses that 16 divides.
        template <int D, int ROWS, int THREADS> DEVICE void fetch(u32 tile, const BFloat16 *from, Size stride, int first, int rows) {
            constexpr int chunks = D / 8, step = THREADS / chunks;
            static_assert(THREADS % chunks == 0 && step % 8 == 0 && ROWS % step == 0, "a thread keeps its place in rows");
            int row = threadIdx.x / chunks, chunk = threadIdx.x % chunks;
            const BFloat16 *source = from + (Size)(first + row) * stride + 8 * chunk;
            u32 to = tile + place<D>(row, chunk);
            #pragma unroll
            for (int r = 0; r < ROWS; r += step) {
                copy_async(to + r * (2 * D), source, first + row + r < rows);
                source += step * stride;
            }
        }

        // Where a lane reads a left operand of 16 rows from `row` on, or the right one of the same rows transposed.
        template <int D> DEVICE u32 left_place(u32 tile, int row) {
            int lane = threadIdx.x % 32;
            return afresh(tile + place<D>(row + lane % 16, lane / 16));
        }
        // The left operands of 16 M rows, elements 16 k ..< 16 k + 16 of each.
        template <int D, int M> DEVICE void load_left(u32 (&a)[M][4], u32 left, int k) {
            #pragma unroll
            for (int m = 0; m < M; m++) ldmatrix(a[m], (left ^ (k << 5)) + m * (32 * D));
        }
        // Rows from `row` on of a tile, as multiply_rows wants them.
        template <int D, int M> DEVICE auto left_rows(u32 tile, int row) {
            u32 left = left_place<D>(tile, row);
            return [=](u32 (&a)[M][4], int k) { load_left<D, M>(a, left, k); };
        }
        // c = A B^T: A is M times 16 rows of D elements that `left` gives 16 at a time, B a tile of N rows.
        template <int D, int M, int N, typename Left> DEVICE void multiply_rows(float (&c)[M][N / 8][4], Left left, u32 tile) {
            int lane = threadIdx.x % 32;
            u32 right = afresh(tile + place<D>(lane % 8 + lane / 16 * 8, lane / 8 % 2));
            #pragma unroll
            for (int m = 0; m < M; m++)
                #pragma unroll
                for (int n = 0; n < N / 8; n++) c[m][n][0] = c[m][n][1] = c[m][n][2] = c[m][n][3] = 0;
            #pragma unroll
            for (int k = 0; k < D / 16; k++) {
                u32 a[M][4];
                left(a, k);
                #pragma unroll
                for (int n = 0; n < N / 16; n++) {
                    u32 b[4];
                    ldmatrix(b, (right ^ (k << 5)) + n * (32 * D));
                    #pragma unroll
                    for (int m = 0; m < M; m++) {
                        mma(c[m][2 * n], a[m], b[0], b[1]);
                        mma(c[m][2 * n + 1], a[m], b[2], b[3]);
                    }
                }
            }
        }
        // Sums of a product as the left operand of the next one: a lane holds the same elements of both.
        template <int M, int N> DEVICE void as_left(u32 (&a)[M][N / 16][4], const float (&c)[M][N / 8][4]) {
            #pragma unroll
            for (int m = 0; m < M; m++)
                #pragma unroll
                for (int n = 0; n < N / 16; n++) {
                    a[m][n][0] = packed(c[m][2 * n][0], c[m][2 * n][1]);
                    a[m][n][1] = packed(c[m][2 * n][2], c[m][2 * n][3]);
                    a[m][n][2] = packed(c[m][2 * n + 1][0], c[m][2 * n + 1][1]);
                    a[m][n][3] = packed(c[m][2 * n + 1][2], c[m][2 * n + 1][3]);
                }
        }
        // c += A B: A is M times 16 rows of N elements, B a tile of N rows of D.
        template <int D, int M, int N> DEVICE void add_product(float (&c)[M][D / 8][4], const u32 (&a)[M][N / 16][4], u32 tile) {
            u32 right = left_place<D>(tile, 0);
            #pragma unroll
            for (int k = 0; k < N / 16; k++)
                #pragma unroll
                for (int n = 0; n < D / 16; n++) {
                    u32 b[4];
                    ldmatrix_transposed(b, (right ^ (n << 5)) + k * (32 * D));
                    #pragma unroll
                    for (int m = 0; m < M; m++) {
                        mma(c[m][2 * n], a[m][k], b[0], b[1]);
                        mma(c[m][2 * n + 1], a[m][k], b[2], b[3]);
                    }
                }
        }
        struct alignas(8) FourBFloat16 { BFloat16 value[4]; };
        struct alignas(8) TwoWords { u32 word[2]; };
        // Writes sums times a factor (one for rows g of each 16, one for rows g + 8) to rows `row` on of `to`, those below `rows`.
        // Lanes next to one another swap halves, so that each writes 8 bytes and four of them a whole sector.
        template <int D, int M> DEVICE void write_rows(
            const float (&c)[M][D / 8][4], const float (&factor)[M][2], BFloat16 *to, Size stride, int row, int rows, int accumulate) {
            int lane = threadIdx.x % 32;
            bool odd = lane % 2;
            #pragma unroll
            for (int m = 0; m < M; m++)
                #pragma unroll
                for (int h = 0; h < 2; h++) {
                    int r = row + 16 * m + 8 * h + lane / 4;
                    BFloat16 *at = to + (Size)r * stride + (odd ? 8 + 2 * (lane % 4 - 1) : 2 * (lane % 4));
                    #pragma unroll
                    for (int n = 0; n < D / 16; n++) {
                        float f = factor[m][h], a0 = c[m][2 * n][2 * h] * f, a1 = c[m][2 * n][2 * h + 1] * f;
                        float b0 = c[m][2 * n + 1][2 * h] * f, b1 = c[m][2 * n + 1][2 * h + 1] * f;
                        float x0 = __shfl_xor_sync(0xffffffffu, odd ? a0 : b0, 1), x1 = __shfl_xor_sync(0xffffffffu, odd ? a1 : b1, 1);
                        float y[4] = {odd ? x0 : a0, odd ? x1 : a1, odd ? b0 : x0, odd ? b1 : x1};
                        if (r >= rows) continue;
                        if (accumulate) {
                            FourBFloat16 old = *(const FourBFloat16 *)(at + 16 * n);
                            for (int i = 0; i < 4; i++) y[i] += widened(old.value[i]);
                        }
                        *(TwoWords *)(at + 16 * n) = TwoWords{{packed(y[0], y[1]), packed(y[2], y[3])}};
                    }
                }
        }

        """#
}
