extension CUDASource {
    /// Attention backward, weights made again from lse. One kernel gathers the gradients of a tile of keys and values over all
    /// queries that see them, another those of a tile of queries over the keys: scores are made twice, and nobody adds to what
    /// another block adds to, so there are no atomic additions and results repeat to the last bit.
    static let attentionBackward = CUDASource(
        name: "attention_backward",
        body: attentionShared + #"""
            // delta[b, head, i] = Σ_d dout out, both [batch, queries, heads dim]; a warp a query and head.
            KERNEL(attention_delta)(Call call, Array out, Array dout, float *delta) {
                Size warps = (Size)gridDim.x * blockDim.x / 32, all = call.batch * call.queries * call.heads;
                for (Size unit = ((Size)blockIdx.x * blockDim.x + threadIdx.x) / 32; unit < all; unit += warps) {
                    float sum = 0;
                    EACH_IN_WARP(d, call.dim) sum = fmaf(get(dout, unit * call.dim + d), get(out, unit * call.dim + d), sum);
                    sum = warp_sum(sum);
                    Size head = unit % call.heads, i = unit / call.heads % call.queries, b = unit / call.heads / call.queries;
                    if (threadIdx.x % 32 == 0) delta[(b * call.heads + head) * call.queries + i] = sum;
                }
            }

            // For a tile of queries and one of keys in shared memory: weights after dropout, and gradients by the raw scores.
            DEVICE void tile_gradients(
                const Call &call, Size b, Size head, Size first, Size start, const float *queries, const float *keys,
                const float *values, const float *upstream, const float *lse, const float *delta, float *weights, float *scores) {
                Size tile = call.tile;
                EACH_IN_BLOCK(e, tile * tile) {
                    SPLIT(e, tile, i, j);
                    float weight = 0, score = 0;
                    if (visible(call, first + i, start + j)) {
                        Size row = (b * call.heads + head) * call.queries + first + i;
                        float t, z = finish(call, head, first + i, start + j, row_product(call, queries, i, keys, j), &t);
                        float w = expf(z - lse[row]), kept = keep(call, b, head, first + i, start + j);
                        float dw = row_product(call, upstream, i, values, j);
                        score = w * (kept * dw - delta[row]) * call.scale;
                        if (call.softcap > 0) score *= (1.0f - t) * (1.0f + t);
                        weight = w * kept;
                    }
                    weights[i * (tile + 1) + j] = weight;
                    scores[i * (tile + 1) + j] = score;
                }
            }

            // Blocks: tiles of keys, key heads, batch. Shared memory: 6 tile (dim + 1) + 2 tile (tile + 1) floats. dk and dv have the
            // layouts of k and v; either may be null.
            KERNEL(attention_keys)(
                Call call, Array q, Array k, Array v, Array dout, const float *lse, const float *delta,
                Array dk, int add_to_dk, Array dv, int add_to_dv) {
                DYNAMIC_SHARED(memory);
                Size tile = call.tile, dim = call.dim, wide = dim + 1, b = blockIdx.z, kv = blockIdx.y;
                Size start = (Size)blockIdx.x * tile, group = (u32)call.heads / (u32)call.key_heads;
                float *queries = memory, *keys = queries + tile * wide, *values = keys + tile * wide, *upstream = values + tile * wide;
                float *key_sums = upstream + tile * wide, *value_sums = key_sums + tile * wide;
                float *weights = value_sums + tile * wide, *scores = weights + tile * (tile + 1);
                load_tile(call, tail(k, b * call.keys * call.k_stride + kv * dim), call.k_stride, start, call.keys, keys);
                load_tile(call, tail(v, b * call.keys * call.v_stride + kv * dim), call.v_stride, start, call.keys, values);
                EACH_IN_BLOCK(e, tile * wide) key_sums[e] = value_sums[e] = 0;
                // Queries at positions start ... start + tile - 1 + window see keys of this tile.
                Size offset = call.key_position + start - call.query_position, last = min(start + tile, call.keys) - 1 - start;
                Size low = (u32)max((Size)0, offset) / (u32)tile * tile, high = min(call.queries, offset + last + call.window + 1);
                for (Size head = kv * group; head < (kv + 1) * group; head++) {
                    for (Size first = low; first < high; first += tile) {
                        __syncthreads();
                        load_tile(
                            call, tail(q, b * call.queries * call.q_stride + head * dim), call.q_stride, first, call.queries, queries);
                        load_tile(
                            call, tail(dout, (b * call.queries * call.heads + head) * dim), call.heads * dim, first, call.queries,
                            upstream);
                        __syncthreads();
                        tile_gradients(call, b, head, first, start, queries, keys, values, upstream, lse, delta, weights, scores);
                        __syncthreads();
                        EACH_IN_BLOCK(e, tile * dim) {
                            SPLIT(e, dim, j, d);
                            float key_sum = key_sums[j * wide + d], value_sum = value_sums[j * wide + d];
                            for (Size i = 0; i < tile; i++) {
                                key_sum = fmaf(scores[i * (tile + 1) + j], queries[i * wide + d], key_sum);
                                value_sum = fmaf(weights[i * (tile + 1) + j], upstream[i * wide + d], value_sum);
                            }
                            key_sums[j * wide + d] = key_sum;
                            value_sums[j * wide + d] = value_sum;
                        }
                    }
                }
                __syncthreads();  // where no query sees the tile, the zeros are other threads'
                EACH_IN_BLOCK(e, tile * dim) {
                    SPLIT(e, dim, j, d);
                    Size row = b * call.keys + start + j;
                    if (start + j >= call.keys) continue;
                    if (dk.data) put(dk, row * call.k_stride + kv * dim + d, key_sums[j * wide + d], add_to_dk);
                    if (dv.data) put(dv, row * call.v_stride + kv * dim + d, value_sums[j * wide + d], add_to_dv);
                }
            }

            // Blocks: tiles of queries, heads, batch. Shared memory: 5 tile (dim + 1) + 2 tile (tile + 1) floats. dq as q.
            KERNEL(attention_queries)(
                Call call, Array q, Array k, Array v, Array dout, const float *lse, const float *delta,
                Array dq, int add_to_dq) {
                DYNAMIC_SHARED(memory);
                Size tile = call.tile, dim = call.dim, wide = dim + 1, b = blockIdx.z, head = blockIdx.y;
                Size first = (Size)blockIdx.x * tile, kv = (u32)head / ((u32)call.heads / (u32)call.key_heads), low, high;
                float *queries = memory, *keys = queries + tile * wide, *values = keys + tile * wide, *upstream = values + tile * wide;
                float *sums = upstream + tile * wide, *weights = sums + tile * wide, *scores = weights + tile * (tile + 1);
                load_tile(
                    call, tail(q, b * call.queries * call.q_stride + head * dim), call.q_stride, first, call.queries, queries);
                load_tile(
                    call, tail(dout, (b * call.queries * call.heads + head) * dim), call.heads * dim, first, call.queries, upstream);
                EACH_IN_BLOCK(e, tile * wide) sums[e] = 0;
                seen_keys(call, first, &low, &high);
                for (Size start = low; start < high; start += tile) {
                    __syncthreads();
                    load_tile(call, tail(k, b * call.keys * call.k_stride + kv * dim), call.k_stride, start, call.keys, keys);
                    load_tile(call, tail(v, b * call.keys * call.v_stride + kv * dim), call.v_stride, start, call.keys, values);
                    __syncthreads();
                    tile_gradients(call, b, head, first, start, queries, keys, values, upstream, lse, delta, weights, scores);
                    __syncthreads();
                    EACH_IN_BLOCK(e, tile * dim) {
                        SPLIT(e, dim, i, d);
                        float sum = sums[i * wide + d];
                        for (Size j = 0; j < tile; j++) sum = fmaf(scores[i * (tile + 1) + j], keys[j * wide + d], sum);
                        sums[i * wide + d] = sum;
                    }
                }
                __syncthreads();  // where no key is seen, the zeros are other threads'
                EACH_IN_BLOCK(e, tile * dim) {
                    SPLIT(e, dim, i, d);
                    if (first + i >= call.queries) continue;
                    put(dq, (b * call.queries + first + i) * call.q_stride + head * dim + d, sums[i * wide + d], add_to_dq);
                }
            }
            """#)
}
