extension CUDASource {
    /// What flash attention's kernels share: how raw scores become z in base 2, what is hidden, what dropout keeps.
    ///
    /// Lane 4g + t of a warp holds, of 16 M rows by N columns, x[m][n][e]: row 16m + g + 8(e / 2), column 8n + 2t + e mod 2.
    static let flashShared = #"""
        const float LOG2E = 1.44269504088896341f, LN2 = 0.693147180559945309f;

        // A call in 32 bits: fewer than 2^29 rows, and positions of queries and keys as close; a window as long hides nothing.
        struct Terms {
            int queries, keys, offset, window;  // key j lies i + offset - j back from query i
            float scale, cap, ratio, slope;     // in base 2: scale, softcap and slope times log2 e; ratio: scale / softcap
            bool capped, sloped;
        };
        DEVICE Terms terms_of(const Call &call, Size head) {
            const Size most = 1 << 29;
            Terms terms;
            terms.queries = (int)call.queries;
            terms.keys = (int)call.keys;
            terms.offset = (int)max(-most, min(most, call.query_position - call.key_position));
            terms.window = (int)min(2 * most, call.window);
            terms.scale = call.scale * LOG2E;
            terms.capped = call.softcap > 0;
            terms.cap = call.softcap * LOG2E;
            terms.ratio = terms.capped ? call.scale / call.softcap : 0.0f;
            terms.sloped = call.slopes != 0;
            terms.slope = terms.sloped ? call.slopes[head] * LOG2E : 0.0f;
            return terms;
        }
        // Within some 2e-7 of tanh.
        DEVICE float fast_tanh(float x) { return fmaf(-2.0f, fast_reciprocal(1.0f + fast_exp2(x * (2 * LOG2E))), 1.0f); }

        // Sets to `hidden` what nobody sees: SIGN 1 where rows are queries, -1 where they are keys. `origin` is the distance of
        // m = n = e = 0; columns from `left` on, counted from this lane's first, do not exist.
        template <int SIGN, int M, int N>
        DEVICE void hide(float (&x)[M][N / 8][4], const Terms &terms, int origin, int left, float hidden) {
            #pragma unroll
            for (int m = 0; m < M; m++)
                #pragma unroll
                for (int n = 0; n < N / 8; n++)
                    #pragma unroll
                    for (int e = 0; e < 4; e++) {
                        int distance = origin + SIGN * (16 * m + e / 2 * 8 - (8 * n + e % 2));
                        if ((u32)distance > (u32)terms.window || 8 * n + e % 2 >= left) x[m][n][e] = hidden;
                    }
        }

        // A bit 4 (m N / 8 + n) + e for each element of 16 M rows by N columns from `query` and `key` on: whether dropout keeps it.
        // Where blocks of four random numbers are whole here, lanes share them out, so that each is made once. To be asked before
        // there are scores, while registers are free.
        template <int SIGN, int M, int N> DEVICE u64 kept_bits(const Call &call, Size b, Size head, int query, int key) {
            static_assert(M * N <= 128, "64 bits");
            int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, own = g % 4;
            u64 bits = 0, rows = ((call.first_example + (u64)b) * (u64)call.heads + (u64)head) * (u64)call.queries;
            if (!(call.dropout > 0)) return bits;
            bool whole = call.key_position % 4 == 0;
            #pragma unroll 1
            for (int x = 0; x < M * N / 8; x++) {
                // Rows are queries: lanes 2x and 2x + 1 share the blocks of rows g and g + 8. Rows are keys: lanes of four g share
                // those of two rows' halves and two columns.
                int down = x / (N / 8) * 16, right = x % (N / 8) * 8, row, column;
                u32 four = 0, kept_here = 0;
                #pragma unroll 1
                for (int e = 0; e < (whole ? 1 : 4); e++) {
                    if (!whole) row = g + e / 2 * 8, column = 2 * t + e % 2;
                    else if (SIGN > 0) row = g + t % 2 * 8, column = t / 2 * 4;
                    else row = g / 4 * 4 + own / 2 * 8, column = 2 * t + own % 2;
                    row += down, column += right;
                    u64 i = rows + (u64)(query + (SIGN > 0 ? row : column));
                    u64 element = (i << 32) + (u64)(call.key_position + key + (SIGN > 0 ? column : row));
                    Numbers numbers = philox(element / 4, call.dropout_key, stream_of(call));
                    four = 0;
                    #pragma unroll
                    for (int l = 0; l < 4; l++) four |= (u32)kept(numbers.lane[l], call.dropout) << l;
                    kept_here |= (four >> (u32)(element % 4) & 1) << e;
                }
                if (whole && SIGN > 0) {
                    u32 other = __shfl_xor_sync(0xffffffffu, four, 1), shift = t % 2 * 2;
                    kept_here = ((t % 2 ? other : four) >> shift & 3) | ((t % 2 ? four : other) >> shift & 3) << 2;
                } else if (whole) {
                    kept_here = (four >> own & 1) << own;
                    #pragma unroll
                    for (int y = 1; y < 4; y++) kept_here |= (__shfl_xor_sync(0xffffffffu, four, 4 * y) >> own & 1) << (own ^ y);
                }
                bits |= (u64)kept_here << (4 * x);
            }
            return bits;
        }
        // Multiplies what dropout keeps by `factor`, and sets the rest to 0.
        template <int M, int N> DEVICE void drop(float (&x)[M][N / 8][4], u64 bits, float factor) {
            #pragma unroll
            for (int m = 0; m < M; m++)
                #pragma unroll
                for (int n = 0; n < N / 8; n++)
                    #pragma unroll
                    for (int e = 0; e < 4; e++) x[m][n][e] = bits >> (4 * (m * N / 8 + n) + e) & 1 ? x[m][n][e] * factor : 0.0f;
        }

        """#

    /// Attention forward on tensor cores in bfloat16, for head dimensions of 64 and 128 (FlashAttention-2, Dao 2023,
    /// arXiv:2307.08691): what `attention` computes, with weights rounded to bfloat16 before they meet the values. Sums, softmax
    /// and lse are float32. Rows must begin at addresses that 16 divides (`FlashAttentionTiles.fits`); the call's `tile` is not used.
    ///
    /// The same instructions on every architecture from sm_80 on: Hopper's own products, which read both operands from shared memory
    /// for four warps at once (wgmma), are not used.
    static let flashAttention = CUDASource(
        name: "flash_attention",
        body: attentionShared + tensorCores + flashShared + #"""
            // A block of four warps holds 64 M queries of one head, a warp 16 M of them with their sums in registers. Tiles of N
            // keys and of N values come in turn, through R places in shared memory: before a tile is used, all have done with the
            // one before, whose place the tile R - 1 further on is then copied to.
            template <int D, int M, int N, int R> struct Forward {
                static constexpr int threads = 128, rows = 64 * M, tile = 2 * D * N, bytes = 2 * D * rows + R * tile;
            };
            template <int D, int M, int N, int R> DEVICE void flash_forward(
                const Call &call, const BFloat16 *q, const BFloat16 *k, const BFloat16 *v, BFloat16 *out, float *lse) {
                typedef Forward<D, M, N, R> Shape;
                SHARED_TILES(memory);
                const u32 queries = shared_address(memory), places = queries + 2 * D * Shape::rows;
                const int lane = threadIdx.x % 32, warp = warp_number(), g = lane / 4, t = lane % 4;
                const Size b = blockIdx.z, head = blockIdx.y, kv = (u32)head / ((u32)call.heads / (u32)call.key_heads);
                const Terms terms = terms_of(call, head);
                // The last queries see the most keys, so they come first.
                const int first = (int)(gridDim.x - 1 - blockIdx.x) * Shape::rows, mine = first + 16 * M * warp;
                const int low = max(0, first + terms.offset - terms.window) / N * N;
                const int high = min(terms.keys, min(first + Shape::rows, terms.queries) + terms.offset);
                const int tiles = high > low ? (high - low + N - 1) / N : 0;
                k += b * call.keys * call.k_stride + kv * D;
                v += b * call.keys * call.v_stride + kv * D;
                auto start_copy = [&](int item) {
                    if (item < 2 * tiles)
                        fetch<D, N, Shape::threads>(
                            places + item % R * Shape::tile, item % 2 ? v : k, item % 2 ? call.v_stride : call.k_stride,
                            low + item / 2 * N, terms.keys);
                    copy_commit();
                };
                auto next = [&](int item) {
                    copy_wait<R - 2>();
                    __syncthreads();
                    start_copy(item + R - 1);
                    return places + item % R * Shape::tile;
                };
                fetch<D, Shape::rows, Shape::threads>(
                    queries, q + b * call.queries * call.q_stride + head * D, call.q_stride, first, terms.queries);
                for (int item = 0; item < R - 1; item++) start_copy(item);

                // Scores and tops in base 2, times c: the scale is applied as weights are made where nothing else comes before.
                const bool plain = !terms.capped && !terms.sloped && call.scale > 0;
                const float c = plain ? terms.scale : 1.0f;
                float sums[M][D / 8][4] = {}, tops[M][2], totals[M][2] = {};
                #pragma unroll
                for (int m = 0; m < M; m++) tops[m][0] = tops[m][1] = -INFINITY;
                constexpr bool held = D == 64;  // queries stay in registers
                u32 left[held ? D / 16 : 1][M][4];
                for (int i = 0; i < tiles; i++) {
                    const int start = low + i * N;
                    // Distances that this warp sees.
                    const int nearest = mine + terms.offset - (start + N - 1), farthest = mine + 16 * M - 1 + terms.offset - start;
                    const bool active = farthest >= 0 && nearest <= terms.window && mine < terms.queries;
                    u32 tile = next(2 * i), weights[M][N / 16][4];
                    if (held && i == 0) {
                        #pragma unroll
                        for (int x = 0; x < D / 16; x++) load_left<D, M>(left[held ? x : 0], left_place<D>(queries, 16 * M * warp), x);
                    }
                    if (active) {
                        float s[M][N / 8][4];
                        const u64 bits = kept_bits<1, M, N>(call, b, head, mine, start);
                        const u32 at = left_place<D>(queries, 16 * M * warp);
                        multiply_rows<D, M, N>(
                            s,
                            [&](u32 (&a)[M][4], int x) {
                                if (!held) load_left<D, M>(a, at, x);
                                #pragma unroll
                                for (int m = 0; held && m < M; m++)
                                    #pragma unroll
                                    for (int r = 0; r < 4; r++) a[m][r] = left[held ? x : 0][m][r];
                            },
                            tile);
                        const int origin = mine + g + terms.offset - start - 2 * t;
                        if (!plain) {
                            #pragma unroll
                            for (int m = 0; m < M; m++)
                                #pragma unroll
                                for (int n = 0; n < N / 8; n++)
                                    #pragma unroll
                                    for (int e = 0; e < 4; e++) {
                                        float distance = (float)(origin + 16 * m + e / 2 * 8 - (8 * n + e % 2)), z = s[m][n][e];
                                        z = terms.capped ? terms.cap * fast_tanh(z * terms.ratio) : z * terms.scale;
                                        s[m][n][e] = fmaf(-terms.slope, distance, z);
                                    }
                        }
                        if (nearest < 0 || farthest > terms.window || start + N > terms.keys)
                            hide<1, M, N>(s, terms, origin, terms.keys - start - 2 * t, -INFINITY);
                        #pragma unroll
                        for (int m = 0; m < M; m++)
                            #pragma unroll
                            for (int h = 0; h < 2; h++) {
                                float top = tops[m][h];
                                #pragma unroll
                                for (int n = 0; n < N / 8; n++) top = fmaxf(top, fmaxf(s[m][n][2 * h], s[m][n][2 * h + 1]));
                                top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
                                top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
                                // NaN is no maximum, so it comes through as a weight; a row that sees nothing yet has weights of 0.
                                float base = top == -INFINITY ? 0.0f : top * c, factor = fast_exp2(fmaf(tops[m][h], c, -base));
                                float total = totals[m][h] * factor;
                                tops[m][h] = top;
                                #pragma unroll
                                for (int n = 0; n < N / 8; n++)
                                    #pragma unroll
                                    for (int e = 2 * h; e < 2 * h + 2; e++) {
                                        s[m][n][e] = fast_exp2(fmaf(s[m][n][e], c, -base));
                                        total += s[m][n][e];
                                    }
                                totals[m][h] = total;
                                #pragma unroll
                                for (int n = 0; n < D / 8; n++) {
                                    sums[m][n][2 * h] *= factor;
                                    sums[m][n][2 * h + 1] *= factor;
                                }
                            }
                        if (call.dropout > 0) drop<M, N>(s, bits, 1.0f);
                        as_left<M, N>(weights, s);
                    }
                    tile = next(2 * i + 1);
                    if (active) add_product<D, M, N>(sums, weights, tile);
                }
                copy_wait<0>();

                const float kept_factor = call.dropout > 0 ? 1.0f / (1.0f - call.dropout) : 1.0f;
                float factors[M][2];
                #pragma unroll
                for (int m = 0; m < M; m++)
                    #pragma unroll
                    for (int h = 0; h < 2; h++) {
                        float total = totals[m][h];
                        total += __shfl_xor_sync(0xffffffffu, total, 1);
                        total += __shfl_xor_sync(0xffffffffu, total, 2);
                        factors[m][h] = total == 0 ? 0.0f : kept_factor / total;
                        int row = mine + 16 * m + 8 * h + g;
                        if (t == 0 && row < terms.queries)
                            lse[(b * call.heads + head) * call.queries + row] =
                                total == 0 ? -INFINITY : fmaf(tops[m][h] * c, LN2, logf(total));
                    }
                write_rows<D, M>(
                    sums, factors, out + (b * call.queries * call.heads + head) * D, call.heads * D, mine, terms.queries, 0);
            }

            // Blocks: tiles of 128 queries, heads, batch. Threads and shared memory as stated; FlashAttentionTiles says the same.
            // Rows of out are heads D long; lse [batch, heads, queries], -infinity for a query that sees nothing, whose output is 0.
            typedef Forward<64, 2, 64, 4> Forward64;
            typedef Forward<128, 2, 64, 2> Forward128;
            static_assert(Forward64::rows == 128 && Forward64::threads == 128 && Forward64::bytes == 49152, "flash_forward_64");
            static_assert(Forward128::rows == 128 && Forward128::threads == 128 && Forward128::bytes == 65536, "flash_forward_128");

            KERNEL(flash_forward_64)(
                Call call, const unsigned short *q, const unsigned short *k, const unsigned short *v, unsigned short *out, float *lse) {
                flash_forward<64, 2, 64, 4>(call, q, k, v, out, lse);
            }
            KERNEL(flash_forward_128)(
                Call call, const unsigned short *q, const unsigned short *k, const unsigned short *v, unsigned short *out, float *lse) {
                flash_forward<128, 2, 64, 2>(call, q, k, v, out, lse);
            }
            """#)
}
