extension CUDASource {
    /// The best of many.
    static let best = #"""
        // The best of two: the larger value, of equal ones the lower place. NaN is never better.
        struct Best { float value; int place; };
        DEVICE Best better(Best a, Best b) {
            bool second = b.value > a.value || (b.value == a.value && b.place < a.place);
            return second ? b : a;
        }
        // The best of a block's threads, in all of its first warp.
        DEVICE Best block_best(Best best) {
            SHARED Best parts[8];
            for (int step = 16; step > 0; step /= 2) {
                float value = __shfl_xor_sync(0xffffffffu, best.value, step);
                int place = __shfl_xor_sync(0xffffffffu, best.place, step);
                best = better(best, Best{value, place});
            }
            if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = best;
            __syncthreads();
            for (int w = 0; w < (int)blockDim.x / 32; w++) best = better(best, parts[w]);
            return best;
        }
        enum { NOWHERE = 0x7fffffff };
        // The sampler's likeliest token, which looks for what is larger than the first: that is the first itself where it is NaN,
        // and later NaNs are passed over.
        DEVICE int likeliest(Array logits, Size at, Best best) {
            float first = get(logits, at);
            return first != first || best.place == NOWHERE ? 0 : best.place;
        }

        """#

    /// What a decoded token needs besides products and attention: its keys and values written into the rings, the likeliest token
    /// found, the position moved on; all on the device, so that one captured graph serves every token.
    ///
    /// Not yet run on a GPU.
    static let decodeStep = CUDASource(
        name: "decodeStep",
        body: best + #"""
            // Tokens first ..< tokens of each sequence go to their slots, (position + token) mod capacity, no two to one: k and v hold
            // token t of sequence b in row b tokens + t, rows k_stride and v_stride apart. The rings are as attention_decode reads
            // them; int8 ones get a scale a position and head. Where position is null, `start` is the position of token 0.
            struct Append {
                Size batch, tokens, first, start, capacity, key_heads, dim, k_stride, v_stride;
                int type;
                void *keys, *values;
                float *key_scales, *value_scales;
            };
            // A warp a key or value head of a token, bit for bit as quantization.c.
            KERNEL(ring_append)(Append a, Array k, Array v, const Size *position) {
                const Size begin = position ? *position : a.start, kept = a.tokens - a.first;
                const Size units = 2 * a.batch * kept * a.key_heads, warps = (Size)gridDim.x * blockDim.x / 32;
                for (Size unit = ((Size)blockIdx.x * blockDim.x + threadIdx.x) / 32; unit < units; unit += warps) {
                    const bool value = unit % 2;
                    const Size head = unit / 2 % a.key_heads, number = unit / 2 / a.key_heads, b = number / kept;
                    const Size token = a.first + number % kept, slot = (begin + token) % a.capacity;
                    const Array from = tail(value ? v : k, (b * a.tokens + token) * (value ? a.v_stride : a.k_stride) + head * a.dim);
                    const Size row = (b * a.capacity + slot) * a.key_heads + head, at = row * a.dim;
                    void *to = value ? a.values : a.keys;
                    if (a.type == FLOAT32) {
                        EACH_IN_WARP(d, a.dim) ((float *)to)[at + d] = get(from, d);
                        continue;
                    }
                    if (a.type == BFLOAT16) {
                        EACH_IN_WARP(d, a.dim) ((unsigned short *)to)[at + d] = narrowed(get(from, d));
                        continue;
                    }
                    // Magnitudes order as their bits do; NaN is above infinity.
                    int largest = 0;
                    EACH_IN_WARP(d, a.dim) largest = max(largest, (int)(bits_of(get(from, d)) & 0x7fffffffu));
                    for (int step = 16; step > 0; step /= 2) largest = max(largest, __shfl_xor_sync(0xffffffffu, largest, step));
                    float top = float_of((u32)largest), inverse = top < 1e-35f ? 0.0f : 127.0f / top;
                    // Adding 1.5 · 2^23 rounds to an integer, which is then in the low bits.
                    EACH_IN_WARP(d, a.dim)
                        ((signed char *)to)[at + d] = (signed char)(unsigned char)bits_of(fmaf(get(from, d), inverse, 12582912.0f));
                    if (threadIdx.x % 32 == 0) (value ? a.value_scales : a.key_scales)[row] = top < 1e-35f ? 0.0f : top / 127.0f;
                }
            }

            // ids[r] = the place of row r's largest of `columns` logits, rows `stride` apart; of equal ones the lowest. Blocks: parts,
            // rows. With more parts than one, `tops` [rows, parts] takes their best, and argmax_combine comes after.
            KERNEL(argmax_rows)(Array logits, Size stride, Size columns, int *ids, Best *tops) {
                const Size row = blockIdx.y * stride, chunk = (columns + gridDim.x - 1) / gridDim.x, first = blockIdx.x * chunk;
                const Size end = min(first + chunk, columns);
                Best best = {-INFINITY, NOWHERE};
                // Several loads at a time.
                const Size wide = blockDim.x;
                for (Size c = first + threadIdx.x; c < end; c += 4 * wide) {
                    float values[4];
                    for (int i = 0; i < 4; i++) values[i] = c + i * wide < end ? get(logits, row + c + i * wide) : 0.0f;
                    for (int i = 0; i < 4; i++)
                        if (c + i * wide < end) best = better(best, Best{values[i], (int)(c + i * wide)});
                }
                best = block_best(best);
                if (threadIdx.x != 0) return;
                if (gridDim.x > 1) {
                    tops[(Size)blockIdx.y * gridDim.x + blockIdx.x] = best;
                } else {
                    ids[blockIdx.y] = likeliest(logits, row, best);
                }
            }
            // Blocks: rows, of one warp.
            KERNEL(argmax_combine)(Array logits, Size stride, const Best *tops, int parts, int *ids) {
                Best best = {-INFINITY, NOWHERE};
                EACH_IN_WARP(i, parts) best = better(best, tops[(Size)blockIdx.x * parts + i]);
                best = block_best(best);
                if (threadIdx.x == 0) ids[blockIdx.x] = likeliest(logits, blockIdx.x * stride, best);
            }

            // The next token's position, and the same for each row, as rotations and learned positions read it; either may be null. One
            // block.
            KERNEL(advance_position)(Size *position, int *positions, Size rows, Size by) {
                const Size next = position ? *position + by : by;
                EACH_IN_BLOCK(r, positions ? rows : 0) positions[r] = (int)next;
                __syncthreads();
                if (position && threadIdx.x == 0) *position = next;
            }
            """#)
}
