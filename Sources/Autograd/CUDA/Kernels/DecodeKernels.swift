extension CUDASource {
    /// Numbers kept in fewer bits, as `Kernels/quantization.c` makes them.
    static let typedValues = #"""
        // Element i as a number, without its scale.
        DEVICE float typed_value(int type, const void *data, Size i) {
            if (type == FLOAT32) return ((const float *)data)[i];
            if (type == BFLOAT16) return widened(((const unsigned short *)data)[i]);
            return (float)((const signed char *)data)[i];
        }

        """#

    /// One query a sequence against a ring of keys and values.
    static let decode = CUDASource(
        name: "decode",
        body: typedValues + #"""
            // keys and values [batch, capacity, key_heads dim] of a type; int8 ones have scales [batch, capacity, key_heads]. Slot
            // (newest - d) mod count lies d back. slopes may be null.
            struct Ring {
                Size heads, key_heads, dim, capacity, count, newest, q_stride;
                int type;
                float scale, softcap;
                const void *keys, *values;
                const float *key_scales, *value_scales, *slopes;
            };
            // Blocks: heads, batch. A warp takes every eighth slot with a running softmax of its own, and the warps' results are put
            // together at the end. Shared memory: dim times the warps, floats. out [batch, heads dim].
            KERNEL(attention_decode)(Ring ring, const float *q, float *out) {
                DYNAMIC_SHARED(memory);
                SHARED float tops[8], totals[8];
                Size b = blockIdx.y, head = blockIdx.x, dim = ring.dim, kv = (u32)head / ((u32)ring.heads / (u32)ring.key_heads);
                int warp = threadIdx.x / 32, warps = blockDim.x / 32;
                const float *query = q + b * ring.q_stride + head * dim;
                float *sums = memory + warp * dim, top = -INFINITY, total = 0;
                EACH_IN_WARP(d, dim) sums[d] = 0;
                for (Size j = warp; j < ring.count; j += warps) {
                    Size slot = b * ring.capacity + j, at = (slot * ring.key_heads + kv) * dim;
                    float score = 0, value_scale = 1;
                    EACH_IN_WARP(d, dim) score = fmaf(typed_value(ring.type, ring.keys, at + d), query[d], score);
                    score = warp_sum(score);
                    if (ring.type == INT8) {
                        score *= ring.key_scales[slot * ring.key_heads + kv];
                        value_scale = ring.value_scales[slot * ring.key_heads + kv];
                    }
                    float z = ring.softcap > 0 ? ring.softcap * tanhf(score * (ring.scale / ring.softcap)) : ring.scale * score;
                    Size back = j <= ring.newest ? ring.newest - j : ring.newest + ring.count - j;
                    if (ring.slopes) z -= ring.slopes[head] * (float)back;
                    float larger = fmaxf(top, z), factor = top == -INFINITY ? 0.0f : expf(top - larger), weight = expf(z - larger);
                    top = larger;
                    total = fmaf(total, factor, weight);
                    EACH_IN_WARP(d, dim)
                        sums[d] = fmaf(weight * value_scale, typed_value(ring.type, ring.values, at + d), sums[d] * factor);
                }
                if (threadIdx.x % 32 == 0) {
                    tops[warp] = top;
                    totals[warp] = total;
                }
                __syncthreads();
                float largest = -INFINITY, all = 0;
                for (int w = 0; w < warps; w++) largest = fmaxf(largest, tops[w]);
                for (int w = 0; w < warps; w++) all += tops[w] == -INFINITY ? 0.0f : totals[w] * expf(tops[w] - largest);
                EACH_IN_BLOCK(d, dim) {
                    float sum = 0;
                    for (int w = 0; w < warps; w++)
                        if (tops[w] != -INFINITY) sum = fmaf(memory[w * dim + d], expf(tops[w] - largest), sum);
                    out[(b * ring.heads + head) * dim + d] = all == 0 ? 0.0f : sum / all;
                }
            }
            """#)
}
