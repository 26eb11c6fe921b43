extension CUDASource {
    /// What forward and backward attention share: the call, and how a raw score becomes z.
    static let attentionShared = #"""
        // `AttentionCall`: q, k, v and their gradients are heads inside rows of a stride; the offset is in the pointer. Query i is at
        // position query_position + i, key j at key_position + j, seen for distances 0 ... window. slopes and step
        // may be null; step[0] times 2^16 is added to dropout_stream, so that a captured graph draws other numbers at every step.
        struct Call {
            Size batch, heads, key_heads, dim, queries, keys, q_stride, k_stride, v_stride;
            Size query_position, key_position, window;
            float scale, softcap, dropout;
            int tile;  // rows of queries and of keys that are in shared memory at a time, at most 32
            u64 dropout_key, dropout_stream, first_example;
            const float *slopes;
            const u64 *step;
        };
        DEVICE bool visible(const Call &call, Size i, Size j) {
            Size distance = call.query_position + i - call.key_position - j;
            return i < call.queries && j < call.keys && distance >= 0 && distance <= call.window;
        }
        // z of a raw score, and the tanh of its soft cap.
        DEVICE float finish(const Call &call, Size head, Size i, Size j, float score, float *t) {
            float z = call.scale * score;
            *t = 0;
            if (call.softcap > 0) {
                *t = tanhf(score * (call.scale / call.softcap));
                z = call.softcap * *t;
            }
            if (call.slopes) z -= call.slopes[head] * (float)(call.query_position + i - call.key_position - j);
            return z;
        }
        DEVICE u64 stream_of(const Call &call) { return call.step ? call.dropout_stream + (*call.step << 16) : call.dropout_stream; }
        // What dropout multiplies a weight by.
        DEVICE float keep(const Call &call, Size b, Size head, Size i, Size j) {
            if (!(call.dropout > 0)) return 1;
            u64 row = ((call.first_example + (u64)b) * (u64)call.heads + (u64)head) * (u64)call.queries + (u64)i;
            u64 element = (row << 32) + (u64)(call.key_position + j);
            return kept_element(element, call.dropout, call.dropout_key, stream_of(call)) ? 1.0f / (1.0f - call.dropout) : 0.0f;
        }
        // The tiles of keys that a tile of queries from `first` on sees: low ..< high, in keys.
        DEVICE void seen_keys(const Call &call, Size first, Size *low, Size *high) {
            Size offset = call.query_position - call.key_position, last = min(first + call.tile, call.queries) - 1;
            *low = (u32)max((Size)0, first + offset - call.window) / (u32)call.tile * call.tile;
            *high = min(call.keys, last + offset + 1);
        }
        // Copies `tile` rows from row `first` on into shared memory, rows past `rows` as zeros. A row there is dim + 1 long, so that
        // lanes which read rows below one another read different banks.
        DEVICE void load_tile(const Call &call, Array from, Size stride, Size first, Size rows, float *to) {
            EACH_IN_BLOCK(e, call.tile * call.dim) {
                SPLIT(e, call.dim, r, d);
                to[r * (call.dim + 1) + d] = first + r < rows ? get(from, (first + r) * stride + d) : 0.0f;
            }
        }
        DEVICE float row_product(const Call &call, const float *a, Size i, const float *b, Size j) {
            const float *left = a + i * (call.dim + 1), *right = b + j * (call.dim + 1);
            float sum = 0;
            for (Size d = 0; d < call.dim; d++) sum = fmaf(left[d], right[d], sum);
            return sum;
        }

        """#

    /// Attention forward without tensor cores, for every head dimension whose tiles fit into shared memory. A block holds a tile
    /// of queries of one head and goes over the tiles of keys that they see with a running softmax (Dao et al. 2022,
    /// arXiv:2205.14135; Milakov and Gimelshein 2018, arXiv:1805.02867): work grows with the window, memory with T.
    static let attention = CUDASource(
        name: "attention",
        body: attentionShared + #"""
            // Blocks: tiles of queries, heads, batch. Shared memory: 4 tile (dim + 1) + tile (tile + 1) + 3 tile floats. Rows of out
            // are heads dim long; lse [batch, heads, queries], -infinity for a query that sees nothing, whose output is 0.
            KERNEL(attention)(Call call, Array q, Array k, Array v, Array out, float *lse) {
                DYNAMIC_SHARED(memory);
                Size tile = call.tile, dim = call.dim, wide = dim + 1, b = blockIdx.z, head = blockIdx.y;
                Size first = (Size)blockIdx.x * tile, kv = (u32)head / ((u32)call.heads / (u32)call.key_heads), low, high;
                float *queries = memory, *keys = queries + tile * wide, *values = keys + tile * wide;
                float *sums = values + tile * wide, *weights = sums + tile * wide, *tops = weights + tile * (tile + 1);
                float *totals = tops + tile, *factors = totals + tile;
                load_tile(call, tail(q, b * call.queries * call.q_stride + head * dim), call.q_stride, first, call.queries, queries);
                EACH_IN_BLOCK(e, tile * wide) sums[e] = 0;
                EACH_IN_BLOCK(r, tile) {
                    tops[r] = -INFINITY;
                    totals[r] = 0;
                }
                seen_keys(call, first, &low, &high);
                for (Size start = low; start < high; start += tile) {
                    __syncthreads();  // the tile before is done with
                    load_tile(call, tail(k, b * call.keys * call.k_stride + kv * dim), call.k_stride, start, call.keys, keys);
                    load_tile(call, tail(v, b * call.keys * call.v_stride + kv * dim), call.v_stride, start, call.keys, values);
                    __syncthreads();
                    EACH_IN_BLOCK(e, tile * tile) {
                        SPLIT(e, tile, i, j);
                        float t, z = -INFINITY;
                        if (visible(call, first + i, start + j))
                            z = finish(call, head, first + i, start + j, row_product(call, queries, i, keys, j), &t);
                        weights[i * (tile + 1) + j] = z;
                    }
                    __syncthreads();
                    // A warp a row, a lane a key.
                    for (Size i = threadIdx.x / 32; i < tile; i += blockDim.x / 32) {
                        Size j = threadIdx.x % 32;
                        float z = j < tile ? weights[i * (tile + 1) + j] : -INFINITY, old = tops[i];
                        float top = fmaxf(old, warp_max(z));
                        // NaN is no maximum, so it comes through here as a weight.
                        float weight = top == -INFINITY && z == -INFINITY ? 0.0f : expf(z - top), total = warp_sum(weight);
                        if (j < tile) {
                            if (weight != 0) weight *= keep(call, b, head, first + i, start + j);
                            weights[i * (tile + 1) + j] = weight;
                        }
                        __syncwarp();  // all lanes have read tops[i]
                        if (j == 0) {
                            float factor = old == -INFINITY ? 0.0f : expf(old - top);
                            factors[i] = factor;
                            tops[i] = top;
                            totals[i] = fmaf(totals[i], factor, total);
                        }
                    }
                    __syncthreads();
                    EACH_IN_BLOCK(e, tile * dim) {
                        SPLIT(e, dim, i, d);
                        float sum = sums[i * wide + d] * factors[i];
                        for (Size j = 0; j < tile; j++) sum = fmaf(weights[i * (tile + 1) + j], values[j * wide + d], sum);
                        sums[i * wide + d] = sum;
                    }
                }
                __syncthreads();
                #pragma unroll 1  // once a tile; unrolled, it costs the loop above registers
                EACH_IN_BLOCK(e, tile * dim) {
                    SPLIT(e, dim, i, d);
                    if (first + i >= call.queries) continue;
                    float total = totals[i];
                    float value = total == 0 ? 0.0f : sums[i * wide + d] / total;
                    set(out, ((b * call.queries + first + i) * call.heads + head) * dim + d, value);
                }
                EACH_IN_BLOCK(i, tile) {
                    if (first + i >= call.queries) continue;
                    lse[(b * call.heads + head) * call.queries + first + i] = totals[i] == 0 ? -INFINITY : tops[i] + logf(totals[i]);
                }
            }
            """#)
}
