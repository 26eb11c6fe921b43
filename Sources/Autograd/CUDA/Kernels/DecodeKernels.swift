extension CUDASource {
    /// Numbers kept in fewer bits, as `Kernels/quantization.c` makes them, one at a time and by loads of 8 and 16 bytes.
    static let typedValues = #"""
        // Element i as a number, without its scale.
        DEVICE float typed_value(int type, const void *data, Size i) {
            if (type == FLOAT32) return ((const float *)data)[i];
            if (type == BFLOAT16) return widened(((const unsigned short *)data)[i]);
            return (float)((const signed char *)data)[i];
        }

        #ifdef LOOM_HOST
        #define UNROLLED
        #else
        #define UNROLLED _Pragma("unroll")
        #endif
        struct alignas(8) Words2 { u32 a, b; };
        struct alignas(16) Words4 { u32 a, b, c, d; };
        // From memory that nobody writes while the kernel runs. What is read but once is not to push the rest out of the first cache.
        template <bool ONCE> DEVICE void load_words(const void *from, u32 *to, Words2) {
        #ifdef LOOM_HOST
            Words2 x = *(const Words2 *)from;
        #else
            Words2 x;
            if constexpr (ONCE) {
                asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0, %1}, [%2];" : "=r"(x.a), "=r"(x.b) : "l"(from));
            } else {
                asm("ld.global.nc.v2.u32 {%0, %1}, [%2];" : "=r"(x.a), "=r"(x.b) : "l"(from));
            }
        #endif
            to[0] = x.a, to[1] = x.b;
        }
        template <bool ONCE> DEVICE void load_words(const void *from, u32 *to, Words4) {
        #ifdef LOOM_HOST
            Words4 x = *(const Words4 *)from;
        #else
            Words4 x;
            if constexpr (ONCE) {
                asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                    : "=r"(x.a), "=r"(x.b), "=r"(x.c), "=r"(x.d) : "l"(from));
            } else {
                asm("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(x.a), "=r"(x.b), "=r"(x.c), "=r"(x.d) : "l"(from));
            }
        #endif
            to[0] = x.a, to[1] = x.b, to[2] = x.c, to[3] = x.d;
        }

        template <int TYPE> struct Stored { enum { SIZE = TYPE == FLOAT32 ? 4 : TYPE == BFLOAT16 ? 2 : 1 }; };
        // WIDTH elements of a type as they lie in memory: 8 bytes, or some 16 of them.
        template <int TYPE, int WIDTH> struct Piece {
            enum { WORDS = WIDTH * Stored<TYPE>::SIZE / 4, UNIT = WORDS < 4 ? WORDS : 4, PER_WORD = 4 / Stored<TYPE>::SIZE };
            u32 words[WORDS];
        };
        // The first `held` elements from number `at` on. With ALIGNED both are multiples of what one load takes; what comes after them is
        // anything then, as are all where none are held, but `at` is a place that can be read. Otherwise the rest are zeros.
        //
        // The compiler saves registers by moving a load down to its use, where each is waited for alone, unless both ways of a branch
        // after it use what it gives. So loads of ALIGNED depend on no condition, and kernels branch between loads and uses.
        template <bool ALIGNED, bool ONCE, int TYPE, int WIDTH>
        DEVICE void load_piece(Piece<TYPE, WIDTH> &piece, const void *data, Size at, int held) {
            typedef Piece<TYPE, WIDTH> P;
            if constexpr (ALIGNED) {
                const char *from = (const char *)data + at * Stored<TYPE>::SIZE;
                UNROLLED for (int i = 0; i < P::WORDS; i += P::UNIT) {
                    const char *place = from + (i * P::PER_WORD < held ? 4 * i : 0);
                    if constexpr (P::UNIT == 4) load_words<ONCE>(place, piece.words + i, Words4());
                    else load_words<ONCE>(place, piece.words + i, Words2());
                }
            } else {
                UNROLLED for (int i = 0; i < P::WORDS; i++) piece.words[i] = 0;
                UNROLLED for (int e = 0; e < WIDTH; e++) {
                    if (e >= held) continue;
                    u32 bits = TYPE == FLOAT32 ? ((const u32 *)data)[at + e]
                        : TYPE == BFLOAT16 ? ((const unsigned short *)data)[at + e] : ((const unsigned char *)data)[at + e];
                    piece.words[e / P::PER_WORD] |= bits << (e % P::PER_WORD * (32 / P::PER_WORD));
                }
            }
        }
        // As numbers, without scales.
        template <int TYPE, int WIDTH> DEVICE void widen(const Piece<TYPE, WIDTH> &piece, float *to) {
            UNROLLED for (int i = 0; i < Piece<TYPE, WIDTH>::WORDS; i++) {
                u32 word = piece.words[i];
                if constexpr (TYPE == FLOAT32) to[i] = float_of(word);
                if constexpr (TYPE == BFLOAT16) to[2 * i] = float_of(word << 16), to[2 * i + 1] = float_of(word & 0xffff0000u);
                if constexpr (TYPE == INT8) {
                    // Bits of 2^23 + 128 + x: cheaper than the conversion of an integer, and exact.
                    word ^= 0x80808080u;
                    UNROLLED for (int j = 0; j < 4; j++)
                        to[4 * i + j] = float_of(0x4b000000u | ((word >> (8 * j)) & 0xffu)) - 8388736.0f;
                }
            }
        }

        """#

    /// One query a sequence against a ring of keys and values, split over the slots (Dao et al., "Flash-Decoding for long-context
    /// inference", 2023): a context of thousands fills a GPU with one sequence. `DecodeSplits` says how each is launched.
    ///
    /// Not yet run on a GPU.
    static let decode = CUDASource(
        name: "decode",
        body: typedValues + #"""
            // keys and values [batch, capacity, key_heads dim] of a type; int8 ones have scales [batch, capacity, key_heads]. Slot
            // (newest - d) mod count lies d back. slopes may be null. Row b of q begins at b q_stride.
            struct Ring {
                Size heads, key_heads, dim, capacity, count, newest, q_stride;
                int type;
                float scale, softcap;
                const void *keys, *values;
                const float *key_scales, *value_scales, *slopes;
            };
            // count and newest: those of the ring, or by the token's position where that is given in the device's memory, so that one
            // captured graph serves every token.
            struct Filled { Size count, newest; };
            DEVICE Filled filled(const Ring &ring, const Size *position) {
                if (!position) return Filled{ring.count, ring.newest};
                Size p = *position;
                return p < ring.capacity ? Filled{p + 1, p} : Filled{ring.capacity, p % ring.capacity};
            }
            // z of a raw score at slot j.
            DEVICE float finished(const Ring &ring, Filled now, Size head, Size j, float score) {
                float z = ring.softcap > 0 ? ring.softcap * tanhf(score * (ring.scale / ring.softcap)) : ring.scale * score;
                Size back = j <= now.newest ? now.newest - j : now.newest + now.count - j;
                return ring.slopes ? z - ring.slopes[head] * (float)back : z;
            }
            // What a part whose largest z is top counts for beside one whose is largest; -infinity is a part without a slot. A NaN is
            // no top, but is in its part's total and sums, and stays there.
            DEVICE float share(float top, float largest) {
                float factor = expf(top - largest);
                return top == -INFINITY ? 0.0f : factor;
            }
            // A part's result, or where there are several what the combining kernel needs of it: [batch, heads, splits, dim + 2].
            DEVICE void leave(
                const Ring &ring, Array out, float *partial, Size row, Size split, Size splits, Size d, float top, float total, float sum) {
                if (!partial) {
                    set(out, row * ring.dim + d, total == 0 ? 0.0f : sum / total);
                    return;
                }
                float *to = partial + (row * splits + split) * (ring.dim + 2);
                if (d == 0) to[0] = top, to[1] = total;
                to[2 + d] = sum;
            }

            // A part of the slots, for up to HEADS query heads of one key head: each key and value is read once for all of them. A
            // team of lanes holds a key, WIDTH numbers a lane, and has a running softmax of its own over every so many slots, SLOTS at
            // a time so that as many loads are under way. Then teams are put together, then warps, in an order that sizes give.
            template <int TYPE, int HEADS, bool ALIGNED>
            DEVICE void decode_part(
                const Ring &ring, Array q, Array out, const Size *position, Size chunk, float *partial, float *memory) {
                enum { WIDTH = TYPE == INT8 && HEADS < 8 ? 16 : 8, SLOTS = HEADS >= 4 || TYPE == FLOAT32 ? 2 : 4 };
                const Filled now = filled(ring, position);
                const u32 group = (u32)ring.heads / (u32)ring.key_heads, tiles = (group + HEADS - 1) / HEADS;
                const Size split = blockIdx.x / tiles, splits = gridDim.x / tiles, kv = blockIdx.y, b = blockIdx.z;
                const u32 tile = blockIdx.x % tiles;
                const int dim = (int)ring.dim, heads = (int)min((Size)HEADS, (Size)(group - tile * HEADS));
                const Size head = kv * group + tile * HEADS, first = split * chunk, end = min(first + chunk, now.count);
                if (partial && first >= end) {
                    // Nothing here: the combining kernel looks no further than this total.
                    EACH_IN_BLOCK(h, heads) {
                        float *to = partial + ((b * ring.heads + head + h) * splits + split) * (dim + 2);
                        to[0] = -INFINITY, to[1] = 0;
                    }
                    return;
                }
                int team = 1;
                while (team * WIDTH < dim) team *= 2;
                const bool ragged = team * WIDTH != dim;
                const int lane = (int)threadIdx.x % team, number = (int)threadIdx.x / team, teams = (int)blockDim.x / team;
                const int mine = lane * WIDTH, held = max(0, min(WIDTH + 0, dim - mine)), from = held > 0 ? mine : 0;

                float query[HEADS][WIDTH], sums[HEADS][WIDTH], tops[HEADS], totals[HEADS];
                UNROLLED for (int h = 0; h < HEADS; h++) {
                    tops[h] = -INFINITY, totals[h] = 0;
                    UNROLLED for (int e = 0; e < WIDTH; e++) {
                        sums[h][e] = 0;
                        query[h][e] = h < heads && e < held ? get(q, b * ring.q_stride + (head + h) * dim + mine + e) : 0.0f;
                    }
                }
                for (Size start = first; start < end; start += (Size)teams * SLOTS) {
                    Piece<TYPE, WIDTH> keys[SLOTS], values[SLOTS];
                    float key_scales[SLOTS], value_scales[SLOTS], weights[HEADS][SLOTS], numbers[WIDTH];
                    UNROLLED for (int s = 0; s < SLOTS; s++) {
                        // Past the end the last slot again, which then counts for nothing.
                        Size j = min(start + s * teams + number, end - 1), row = (b * ring.capacity + j) * ring.key_heads + kv;
                        load_piece<ALIGNED, true>(keys[s], ring.keys, row * dim + from, held);
                        load_piece<ALIGNED, true>(values[s], ring.values, row * dim + from, held);
                        key_scales[s] = TYPE == INT8 ? ring.key_scales[row] : 1.0f;
                        value_scales[s] = TYPE == INT8 ? ring.value_scales[row] : 1.0f;
                    }
                    UNROLLED for (int s = 0; s < SLOTS; s++) {
                        widen(keys[s], numbers);
                        if (ragged)
                            UNROLLED for (int e = 0; e < WIDTH; e++) numbers[e] = e < held ? numbers[e] : 0.0f;
                        UNROLLED for (int h = 0; h < HEADS; h++) {
                            float score = 0;
                            UNROLLED for (int e = 0; e < WIDTH; e++) score = fmaf(numbers[e], query[h][e], score);
                            weights[h][s] = score;
                        }
                    }
                    for (int step = team / 2; step > 0; step /= 2)
                        UNROLLED for (int h = 0; h < HEADS; h++)
                            UNROLLED for (int s = 0; s < SLOTS; s++)
                                weights[h][s] += __shfl_xor_sync(0xffffffffu, weights[h][s], step);
                    UNROLLED for (int h = 0; h < HEADS; h++) {
                        float top = tops[h];
                        UNROLLED for (int s = 0; s < SLOTS; s++) {
                            Size j = start + s * teams + number;
                            if (j >= end || h >= heads) continue;
                            weights[h][s] = finished(ring, now, head + h, j, weights[h][s] * key_scales[s]);
                            top = fmaxf(top, weights[h][s]);
                        }
                        float factor = share(tops[h], top), total = totals[h] * factor;
                        UNROLLED for (int s = 0; s < SLOTS; s++) {
                            Size j = start + s * teams + number;
                            float weight = expf(weights[h][s] - top);
                            weights[h][s] = j < end && h < heads ? weight : 0.0f;
                            total += weights[h][s];
                            weights[h][s] *= value_scales[s];
                        }
                        tops[h] = top, totals[h] = total;
                        UNROLLED for (int e = 0; e < WIDTH; e++) sums[h][e] *= factor;
                    }
                    UNROLLED for (int s = 0; s < SLOTS; s++) {
                        if (start + s * teams + number >= end) continue;
                        widen(values[s], numbers);
                        UNROLLED for (int h = 0; h < HEADS; h++)
                            UNROLLED for (int e = 0; e < WIDTH; e++) sums[h][e] = fmaf(weights[h][s], numbers[e], sums[h][e]);
                    }
                }
                // The teams of a warp, in pairs.
                for (int step = team; step < 32; step *= 2) {
                    UNROLLED for (int h = 0; h < HEADS; h++) {
                        float other = __shfl_xor_sync(0xffffffffu, tops[h], step), top = fmaxf(tops[h], other);
                        float ours = share(tops[h], top), theirs = share(other, top);
                        totals[h] = totals[h] * ours + __shfl_xor_sync(0xffffffffu, totals[h], step) * theirs;
                        UNROLLED for (int e = 0; e < WIDTH; e++)
                            sums[h][e] = sums[h][e] * ours + __shfl_xor_sync(0xffffffffu, sums[h][e], step) * theirs;
                        tops[h] = top;
                    }
                }
                const int warps = (int)blockDim.x / 32, wide = dim + 2;
                if ((int)threadIdx.x % 32 < team) {
                    UNROLLED for (int h = 0; h < HEADS; h++) {
                        float *to = memory + ((int)threadIdx.x / 32 * HEADS + h) * wide;
                        if (lane == 0) to[0] = tops[h], to[1] = totals[h];
                        UNROLLED for (int e = 0; e < WIDTH; e++)
                            if (e < held) to[2 + mine + e] = sums[h][e];
                    }
                }
                __syncthreads();
                EACH_IN_BLOCK(i, heads * dim) {
                    SPLIT(i, dim, h, d);
                    float top = -INFINITY, total = 0, sum = 0;
                    for (int w = 0; w < warps; w++) top = fmaxf(top, memory[(w * HEADS + h) * wide]);
                    for (int w = 0; w < warps; w++) {
                        const float *from = memory + (w * HEADS + h) * wide;
                        float factor = share(from[0], top);
                        total = fmaf(from[1], factor, total);
                        sum = fmaf(from[2 + d], factor, sum);
                    }
                    leave(ring, out, partial, b * ring.heads + head + h, split, splits, d, top, total, sum);
                }
            }
            // Blocks: splits times tiles of HEADS query heads, key heads, batch. A split is `chunk` slots. dim is 256 at most; rows of keys
            // and values are whole loads of 16 bytes (8 for int8_8), unless unaligned. Shared memory: warps HEADS (dim + 2) floats.
            // partial: [batch, heads, splits, dim + 2] floats, or null where there is but one split. out [batch, heads dim].
            #define DECODE Ring ring, Array q, Array out, const Size *position, Size chunk, float *partial
            #define PART(type, heads, aligned) { \
                DYNAMIC_SHARED(memory); \
                decode_part<type, heads, aligned>(ring, q, out, position, chunk, partial, memory); \
            }
            KERNEL(attention_decode_float32_1)(DECODE) PART(FLOAT32, 1, true)
            KERNEL(attention_decode_float32_2)(DECODE) PART(FLOAT32, 2, true)
            KERNEL(attention_decode_float32_4)(DECODE) PART(FLOAT32, 4, true)
            KERNEL(attention_decode_float32_8)(DECODE) PART(FLOAT32, 8, true)
            KERNEL(attention_decode_bfloat16_1)(DECODE) PART(BFLOAT16, 1, true)
            KERNEL(attention_decode_bfloat16_2)(DECODE) PART(BFLOAT16, 2, true)
            KERNEL(attention_decode_bfloat16_4)(DECODE) PART(BFLOAT16, 4, true)
            KERNEL(attention_decode_bfloat16_8)(DECODE) PART(BFLOAT16, 8, true)
            KERNEL(attention_decode_int8_1)(DECODE) PART(INT8, 1, true)
            KERNEL(attention_decode_int8_2)(DECODE) PART(INT8, 2, true)
            KERNEL(attention_decode_int8_4)(DECODE) PART(INT8, 4, true)
            KERNEL(attention_decode_int8_8)(DECODE) PART(INT8, 8, true)
            KERNEL(attention_decode_float32_unaligned)(DECODE) PART(FLOAT32, 4, false)
            KERNEL(attention_decode_bfloat16_unaligned)(DECODE) PART(BFLOAT16, 4, false)
            KERNEL(attention_decode_int8_unaligned)(DECODE) PART(INT8, 4, false)

            // Any dim. Blocks: splits, heads, batch. A warp takes every so many slots with a running softmax of its own. Shared memory:
            // dim times the warps, floats.
            KERNEL(attention_decode_any)(DECODE) {
                DYNAMIC_SHARED(memory);
                SHARED float tops[8], totals[8];
                const Filled now = filled(ring, position);
                Size b = blockIdx.z, head = blockIdx.y, dim = ring.dim, kv = (u32)head / ((u32)ring.heads / (u32)ring.key_heads);
                Size first = blockIdx.x * chunk, end = min(first + chunk, now.count), query = b * ring.q_stride + head * dim;
                int warp = threadIdx.x / 32, warps = blockDim.x / 32;
                float *sums = memory + warp * dim, top = -INFINITY, total = 0;
                EACH_IN_WARP(d, dim) sums[d] = 0;
                for (Size j = first + warp; j < end; j += warps) {
                    Size row = (b * ring.capacity + j) * ring.key_heads + kv, at = row * dim;
                    float score = 0;
                    EACH_IN_WARP(d, dim) score = fmaf(typed_value(ring.type, ring.keys, at + d), get(q, query + d), score);
                    score = warp_sum(score) * (ring.type == INT8 ? ring.key_scales[row] : 1.0f);
                    float z = finished(ring, now, head, j, score), larger = fmaxf(top, z);
                    float factor = share(top, larger), weight = expf(z - larger);
                    top = larger;
                    total = fmaf(total, factor, weight);
                    weight *= ring.type == INT8 ? ring.value_scales[row] : 1.0f;
                    EACH_IN_WARP(d, dim) sums[d] = fmaf(weight, typed_value(ring.type, ring.values, at + d), sums[d] * factor);
                }
                if (threadIdx.x % 32 == 0) tops[warp] = top, totals[warp] = total;
                __syncthreads();
                float largest = -INFINITY, all = 0;
                for (int w = 0; w < warps; w++) largest = fmaxf(largest, tops[w]);
                for (int w = 0; w < warps; w++) all = fmaf(totals[w], share(tops[w], largest), all);
                EACH_IN_BLOCK(d, dim) {
                    float sum = 0;
                    for (int w = 0; w < warps; w++) sum = fmaf(memory[w * dim + d], share(tops[w], largest), sum);
                    leave(ring, out, partial, b * ring.heads + head, blockIdx.x, gridDim.x, d, largest, all, sum);
                }
            }

            // Puts the splits of each head together, in order. Blocks: heads, batch. At most 256 splits. A split without a slot has a
            // total of 0 and no sums. One more split without a slot changes no bit.
            KERNEL(attention_decode_combine)(const float *partial, Array out, Size heads, Size dim, int splits) {
                SHARED float factors[256];
                Size row = blockIdx.y * heads + blockIdx.x, wide = dim + 2;
                const float *parts = partial + row * splits * wide;
                float top = -INFINITY, total = 0;
                EACH_IN_BLOCK(s, splits) top = fmaxf(top, parts[s * wide]);
                top = block_max(top);
                EACH_IN_BLOCK(s, splits) factors[s] = share(parts[s * wide], top);
                __syncthreads();
                for (int s = 0; s < splits; s++) total = fmaf(parts[s * wide + 1], factors[s], total);
                EACH_IN_BLOCK(d, dim) {
                    float sum = 0;
                    for (int s = 0; s < splits; s++) {
                        float value = parts[s * wide + 2 + d], all = parts[s * wide + 1];
                        sum = all == 0 ? sum : fmaf(value, factors[s], sum);
                    }
                    set(out, row * dim + d, total == 0 ? 0.0f : sum / total);
                }
            }
            """#)
}
