extension CUDASource {
    /// Attention backward on tensor cores in bfloat16, for head dimensions of 64 and 128: what `attention_backward` computes, with
    /// weights and gradients by scores rounded to bfloat16 before they meet rows. As there, one kernel gathers for keys and one for
    /// queries, scores are made twice, nobody adds to what another block adds to, and results repeat to the last bit.
    static let flashAttentionBackward = CUDASource(
        name: "flash_attention_backward",
        body: attentionShared + tensorCores + flashShared + #"""
            // A block holds 16 M rows a warp, of keys and values or of queries and upstream gradients. Tiles of N rows of the other
            // two come in turn through two places in shared memory; lse and delta of the queries lie there as well.
            template <int D, int M, int N, int WARPS, bool KEYS> struct Backward {
                static constexpr int threads = 32 * WARPS, rows = 16 * M * WARPS, tile = 2 * D * N;
                static constexpr int places = 4 * D * rows, logs = places + 4 * tile, bytes = logs + (KEYS ? 16 * N : 8 * rows);
            };

            // delta[b, head, i] = Σ_d dout out, both [batch, queries, heads D]: D / 8 lanes a query and head.
            struct alignas(16) EightBFloat16 { BFloat16 value[8]; };
            template <int D>
            DEVICE void flash_delta(const Call &call, const BFloat16 *out, const BFloat16 *dout, float *delta) {
                constexpr int lanes = D / 8;
                Size units = (Size)gridDim.x * blockDim.x / lanes, all = call.batch * call.queries * call.heads;
                // All lanes of a warp go round as often as its first one.
                Size own = ((Size)blockIdx.x * blockDim.x + threadIdx.x) / lanes, offset = threadIdx.x % 32 / lanes;
                for (Size unit = own; unit - offset < all; unit += units) {
                    float sum = 0;
                    if (unit < all) {
                        Size at = unit * D + threadIdx.x % lanes * 8;
                        EightBFloat16 a = *(const EightBFloat16 *)(out + at), b = *(const EightBFloat16 *)(dout + at);
                        #pragma unroll
                        for (int d = 0; d < 8; d++) sum = fmaf(widened(b.value[d]), widened(a.value[d]), sum);
                    }
                    for (int step = lanes / 2; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
                    Size head = unit % call.heads, i = unit / call.heads % call.queries, b = unit / call.heads / call.queries;
                    if (unit < all && threadIdx.x % lanes == 0) delta[(b * call.heads + head) * call.queries + i] = sum;
                }
            }

            // Scores s become weights, and gradients by weights d become, but for the weight, those by scores without the scale.
            // log_of and delta_of say lse in base 2 and delta of the query of m, n, e.
            template <bool CAPPED, bool SLOPED, int SIGN, int M, int N, typename Log, typename Delta>
            DEVICE void finish_tile(
                float (&s)[M][N / 8][4], float (&d)[M][N / 8][4], const Terms &terms, int origin, Log log_of, Delta delta_of) {
                #pragma unroll
                for (int m = 0; m < M; m++)
                    #pragma unroll
                    for (int n = 0; n < N / 8; n++)
                        #pragma unroll
                        for (int e = 0; e < 4; e++) {
                            float score = s[m][n][e], base = -log_of(m, n, e), gradient = d[m][n][e] - delta_of(m, n, e);
                            if (SLOPED) {
                                int distance = origin + SIGN * (16 * m + e / 2 * 8 - (8 * n + e % 2));
                                base = fmaf(-terms.slope, (float)distance, base);
                            }
                            if (CAPPED) {
                                float tangent = fast_tanh(score * terms.ratio);
                                score = fmaf(terms.cap, tangent, base);
                                gradient *= (1.0f - tangent) * (1.0f + tangent);
                            } else {
                                score = fmaf(terms.scale, score, base);
                            }
                            s[m][n][e] = fast_exp2(score);
                            d[m][n][e] = gradient;
                        }
            }
            // Scores s and gradients by weights d of a tile become weights after dropout, but for its factor, and gradients by
            // scores, but for the scale: left operands of the products that follow.
            template <int SIGN, int M, int N, typename Log, typename Delta> DEVICE void tile_gradients(
                const Call &call, const Terms &terms, u64 bits, int origin, bool edge, int last, float (&s)[M][N / 8][4],
                float (&d)[M][N / 8][4], u32 (&weights)[M][N / 16][4], u32 (&scores)[M][N / 16][4], Log log_of, Delta delta_of) {
                if (call.dropout > 0) drop<M, N>(d, bits, 1.0f / (1.0f - call.dropout));
                if (terms.capped) finish_tile<true, true, SIGN, M, N>(s, d, terms, origin, log_of, delta_of);
                else if (terms.sloped) finish_tile<false, true, SIGN, M, N>(s, d, terms, origin, log_of, delta_of);
                else finish_tile<false, false, SIGN, M, N>(s, d, terms, origin, log_of, delta_of);
                if (edge) hide<SIGN, M, N>(s, terms, origin, last, 0.0f);
                #pragma unroll
                for (int m = 0; m < M; m++)
                    #pragma unroll
                    for (int n = 0; n < N / 8; n++)
                        #pragma unroll
                        for (int e = 0; e < 4; e++) d[m][n][e] *= s[m][n][e];
                as_left<M, N>(scores, d);
                if (SIGN > 0) return;
                if (call.dropout > 0) drop<M, N>(s, bits, 1.0f);
                as_left<M, N>(weights, s);
            }
            // lse in base 2 of a query; a query that sees nothing, or does not exist, is given weights of 0.
            DEVICE float log_of_query(const float *lse, int i, int queries) {
                float log = i < queries ? lse[i] : -INFINITY;
                return log == -INFINITY ? INFINITY : log * LOG2E;
            }

            template <int D, int M, int N, int WARPS> DEVICE void flash_keys(
                const Call &call, const BFloat16 *q, const BFloat16 *k, const BFloat16 *v, const BFloat16 *dout, const float *lse,
                const float *delta, BFloat16 *dk, int add_to_dk, BFloat16 *dv, int add_to_dv) {
                typedef Backward<D, M, N, WARPS, true> Shape;
                static_assert(N <= Shape::threads, "a thread a query");
                SHARED_TILES(memory);
                const u32 keys = shared_address(memory), values = keys + 2 * D * Shape::rows, places = keys + Shape::places;
                float *logs = (float *)(memory + Shape::logs);  // [place][lse, delta][N]
                const int lane = threadIdx.x % 32, warp = warp_number(), g = lane / 4, t = lane % 4;
                const Size b = blockIdx.z, kv = blockIdx.y;
                const int group = (u32)call.heads / (u32)call.key_heads, heads = ((int)kv + 1) * group;  // of this key head, and its end
                Terms terms = terms_of(call, heads - group);
                // The first keys are seen by the most queries: they come first as it is.
                const int start = (int)blockIdx.x * Shape::rows, mine = start + 16 * M * warp;
                const int low = max(0, start - terms.offset) / N * N;
                const int high = min(terms.queries, min(start + Shape::rows, terms.keys) - terms.offset + terms.window);
                const int tiles = high > low ? (high - low + N - 1) / N : 0;
                float next_log = 0, next_delta = 0;
                auto start_copy = [&](int place, int head, int first) {
                    const Size row = b * call.queries;
                    const u32 tile = places + place * 2 * Shape::tile;
                    fetch<D, N, Shape::threads>(tile, q + row * call.q_stride + head * D, call.q_stride, first, terms.queries);
                    fetch<D, N, Shape::threads>(
                        tile + Shape::tile, dout + (row * call.heads + head) * D, call.heads * D, first, terms.queries);
                    copy_commit();
                    if (threadIdx.x < N) {
                        const Size all = (b * call.heads + head) * call.queries;
                        const int i = first + (int)threadIdx.x;
                        next_log = log_of_query(lse + all, i, terms.queries);
                        next_delta = i < terms.queries ? delta[all + i] : 0.0f;
                    }
                };
                auto keep_logs = [&](int place) {
                    if (threadIdx.x >= N) return;
                    logs[place * 2 * N + threadIdx.x] = next_log;
                    logs[place * 2 * N + N + threadIdx.x] = next_delta;
                };
                if (tiles > 0) {
                    const Size row = b * call.keys;
                    fetch<D, Shape::rows, Shape::threads>(keys, k + row * call.k_stride + kv * D, call.k_stride, start, terms.keys);
                    fetch<D, Shape::rows, Shape::threads>(values, v + row * call.v_stride + kv * D, call.v_stride, start, terms.keys);
                    start_copy(0, heads - group, low);
                    keep_logs(0);
                }

                float key_sums[M][D / 8][4] = {}, value_sums[M][D / 8][4] = {};
                int place = 0;
                for (int head = heads - group; head < heads; head++) {
                    terms.slope = terms.sloped ? call.slopes[head] * LOG2E : 0.0f;
                    for (int i = 0; i < tiles; i++, place ^= 1) {
                        const int first = low + i * N;
                        const bool more = i + 1 < tiles || head + 1 < heads;
                        copy_wait<0>();
                        __syncthreads();  // this tile is there, and all have done with the one before
                        if (more) start_copy(place ^ 1, i + 1 < tiles ? head : head + 1, i + 1 < tiles ? first + N : low);
                        const int nearest = first + terms.offset - (mine + 16 * M - 1), farthest = first + N - 1 + terms.offset - mine;
                        if (farthest >= 0 && nearest <= terms.window && mine < terms.keys) {
                            const u32 queries = places + place * 2 * Shape::tile, upstream = queries + Shape::tile;
                            const float *log = logs + place * 2 * N + 2 * t;
                            float s[M][N / 8][4], d[M][N / 8][4];
                            u32 weights[M][N / 16][4], scores[M][N / 16][4];
                            const u64 bits = kept_bits<-1, M, N>(call, b, head, first, mine);
                            multiply_rows<D, M, N>(s, left_rows<D, M>(keys, 16 * M * warp), queries);
                            multiply_rows<D, M, N>(d, left_rows<D, M>(values, 16 * M * warp), upstream);
                            tile_gradients<-1, M, N>(
                                call, terms, bits, first + 2 * t + terms.offset - mine - g,
                                nearest < 0 || farthest > terms.window, N, s, d, weights, scores,
                                [&](int, int n, int e) { return log[8 * n + e % 2]; },
                                [&](int, int n, int e) { return log[N + 8 * n + e % 2]; });
                            add_product<D, M, N>(value_sums, weights, upstream);
                            add_product<D, M, N>(key_sums, scores, queries);
                        }
                        if (more) keep_logs(place ^ 1);
                    }
                }

                const float kept_factor = call.dropout > 0 ? 1.0f / (1.0f - call.dropout) : 1.0f;
                float key_factors[M][2], value_factors[M][2];
                #pragma unroll
                for (int m = 0; m < M; m++) {
                    key_factors[m][0] = key_factors[m][1] = call.scale;
                    value_factors[m][0] = value_factors[m][1] = kept_factor;
                }
                if (dk)
                    write_rows<D, M>(
                        key_sums, key_factors, dk + b * call.keys * call.k_stride + kv * D, call.k_stride, mine, terms.keys, add_to_dk);
                if (dv)
                    write_rows<D, M>(
                        value_sums, value_factors, dv + b * call.keys * call.v_stride + kv * D, call.v_stride, mine, terms.keys,
                        add_to_dv);
            }

            template <int D, int M, int N, int WARPS> DEVICE void flash_queries(
                const Call &call, const BFloat16 *q, const BFloat16 *k, const BFloat16 *v, const BFloat16 *dout, const float *lse,
                const float *delta, BFloat16 *dq, int add_to_dq) {
                typedef Backward<D, M, N, WARPS, false> Shape;
                SHARED_TILES(memory);
                const u32 queries = shared_address(memory), upstream = queries + 2 * D * Shape::rows, places = queries + Shape::places;
                const int lane = threadIdx.x % 32, warp = warp_number(), g = lane / 4, t = lane % 4;
                const Size b = blockIdx.z, head = blockIdx.y, kv = (u32)head / ((u32)call.heads / (u32)call.key_heads);
                const Terms terms = terms_of(call, head);
                const int first = (int)(gridDim.x - 1 - blockIdx.x) * Shape::rows, mine = first + 16 * M * warp;
                const int low = max(0, first + terms.offset - terms.window) / N * N;
                const int high = min(terms.keys, min(first + Shape::rows, terms.queries) + terms.offset);
                const int tiles = high > low ? (high - low + N - 1) / N : 0;
                k += b * call.keys * call.k_stride + kv * D;
                v += b * call.keys * call.v_stride + kv * D;
                auto start_copy = [&](int place, int start) {
                    const u32 tile = places + place * 2 * Shape::tile;
                    fetch<D, N, Shape::threads>(tile, k, call.k_stride, start, terms.keys);
                    fetch<D, N, Shape::threads>(tile + Shape::tile, v, call.v_stride, start, terms.keys);
                    copy_commit();
                };
                if (tiles > 0) {
                    const Size row = b * call.queries;
                    fetch<D, Shape::rows, Shape::threads>(
                        queries, q + row * call.q_stride + head * D, call.q_stride, first, terms.queries);
                    fetch<D, Shape::rows, Shape::threads>(
                        upstream, dout + (row * call.heads + head) * D, call.heads * D, first, terms.queries);
                    start_copy(0, low);
                }
                float *logs = (float *)(memory + Shape::logs);  // [lse, delta][rows]
                const Size all = (b * call.heads + head) * call.queries;
                for (int r = threadIdx.x; r < Shape::rows; r += Shape::threads) {
                    logs[r] = log_of_query(lse + all, first + r, terms.queries);
                    logs[Shape::rows + r] = first + r < terms.queries ? delta[all + first + r] : 0.0f;
                }
                const float *log = logs + 16 * M * warp + g;
                float sums[M][D / 8][4] = {};
                for (int i = 0; i < tiles; i++) {
                    const int start = low + i * N;
                    copy_wait<0>();
                    __syncthreads();
                    if (i + 1 < tiles) start_copy((i + 1) % 2, start + N);
                    const int nearest = mine + terms.offset - (start + N - 1), farthest = mine + 16 * M - 1 + terms.offset - start;
                    if (farthest < 0 || nearest > terms.window || mine >= terms.queries) continue;
                    const u32 keys = places + i % 2 * 2 * Shape::tile, values = keys + Shape::tile;
                    float s[M][N / 8][4], d[M][N / 8][4];
                    u32 weights[M][N / 16][4], scores[M][N / 16][4];
                    const u64 bits = kept_bits<1, M, N>(call, b, head, mine, start);
                    multiply_rows<D, M, N>(s, left_rows<D, M>(queries, 16 * M * warp), keys);
                    multiply_rows<D, M, N>(d, left_rows<D, M>(upstream, 16 * M * warp), values);
                    tile_gradients<1, M, N>(
                        call, terms, bits, mine + g + terms.offset - start - 2 * t,
                        nearest < 0 || farthest > terms.window || start + N > terms.keys, terms.keys - start - 2 * t, s, d, weights,
                        scores, [&](int m, int, int e) { return log[16 * m + e / 2 * 8]; },
                        [&](int m, int, int e) { return log[Shape::rows + 16 * m + e / 2 * 8]; });
                    add_product<D, M, N>(sums, scores, keys);
                }
                float factors[M][2];
                #pragma unroll
                for (int m = 0; m < M; m++) factors[m][0] = factors[m][1] = call.scale;
                write_rows<D, M>(
                    sums, factors, dq + b * call.queries * call.q_stride + head * D, call.q_stride, mine, terms.queries, add_to_dq);
            }

            // Threads and shared memory as stated; FlashAttentionTiles says the same. Blocks of keys: tiles of keys, key heads, batch;
            // dk and dv have the layouts of k and v, and either may be null. Blocks of queries: tiles of queries, heads, batch.
            typedef Backward<64, 2, 32, 4, true> Keys64;
            typedef Backward<128, 1, 32, 8, true> Keys128;
            typedef Backward<64, 2, 32, 4, false> Queries64;
            typedef Backward<128, 2, 32, 4, false> Queries128;
            static_assert(Keys64::rows == 128 && Keys64::threads == 128 && Keys64::bytes == 49664, "flash_keys_64");
            static_assert(Keys128::rows == 128 && Keys128::threads == 256 && Keys128::bytes == 98816, "flash_keys_128");
            static_assert(Queries64::rows == 128 && Queries64::threads == 128 && Queries64::bytes == 50176, "flash_queries_64");
            static_assert(Queries128::rows == 128 && Queries128::threads == 128 && Queries128::bytes == 99328, "flash_queries_128");

            KERNEL(flash_delta_64)(Call call, const unsigned short *out, const unsigned short *dout, float *delta) {
                flash_delta<64>(call, out, dout, delta);
            }
            KERNEL(flash_delta_128)(Call call, const unsigned short *out, const unsigned short *dout, float *delta) {
                flash_delta<128>(call, out, dout, delta);
            }
            KERNEL(flash_keys_64)(
                Call call, const unsigned short *q, const unsigned short *k, const unsigned short *v, const unsigned short *dout,
                const float *lse, const float *delta, unsigned short *dk, int add_to_dk, unsigned short *dv, int add_to_dv) {
                flash_keys<64, 2, 32, 4>(call, q, k, v, dout, lse, delta, dk, add_to_dk, dv, add_to_dv);
            }
            KERNEL(flash_keys_128)(
                Call call, const unsigned short *q, const unsigned short *k, const unsigned short *v, const unsigned short *dout,
                const float *lse, const float *delta, unsigned short *dk, int add_to_dk, unsigned short *dv, int add_to_dv) {
                flash_keys<128, 1, 32, 8>(call, q, k, v, dout, lse, delta, dk, add_to_dk, dv, add_to_dv);
            }
            KERNEL(flash_queries_64)(
                Call call, const unsigned short *q, const unsigned short *k, const unsigned short *v, const unsigned short *dout,
                const float *lse, const float *delta, unsigned short *dq, int add_to_dq) {
                flash_queries<64, 2, 32, 4>(call, q, k, v, dout, lse, delta, dq, add_to_dq);
            }
            KERNEL(flash_queries_128)(
                Call call, const unsigned short *q, const unsigned short *k, const unsigned short *v, const unsigned short *dout,
                const float *lse, const float *delta, unsigned short *dq, int add_to_dq) {
                flash_queries<128, 2, 32, 4>(call, q, k, v, dout, lse, delta, dq, add_to_dq);
            }
            """#)
}
