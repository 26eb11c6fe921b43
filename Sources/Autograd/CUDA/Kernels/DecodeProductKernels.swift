extension CUDASource {
    /// Up to 16 rows times a weight: the products of decoding, whose work is reading the weight once. `DecodeProductGeometry` says how
    /// each is launched. What a row of x comes to depends on no other row, to the last bit: one sequence decoded alone and among
    /// others gives the same.
    ///
    /// Not yet run on a GPU.
    static let decodeProducts = CUDASource(
        name: "decodeProducts",
        body: typedValues + #"""
            // y [m, n] = alpha x wᵀ + beta y + bias for x [m, k] and w [n, k], all dense; y is not x, and not read when beta is 0. w may
            // be INT8 with scales [n, k / group rounded up]; bias [n] may be null. `split` warps share a row of w.
            struct DecodeProduct {
                Size m, n, k, group;
                Array x, w;
                const float *scales;
                Array y, bias;
                float alpha, beta;
                int split;
            };
            DEVICE void finish(const DecodeProduct &p, Size i, Size j, float sum) {
                if (i >= p.m || j >= p.n) return;
                float value = p.alpha * sum;
                if (p.beta != 0) value = fmaf(p.beta, get(p.y, i * p.n + j), value);
                if (p.bias.data) value += get(p.bias, j);
                set(p.y, i * p.n + j, value);
            }

            // Sums over a warp of COUNT values a lane, 32 at most. Each step leaves a lane half of the values, so 32 of them cost 31
            // exchanges and not 160; every value is added up in the same order whatever COUNT is. Lane l is left with value number
            // l COUNT / 32, which neighbours have too where COUNT is less than 32.
            template <int COUNT, int STEP> DEVICE void share_sums(float *values) {
                if constexpr (STEP > 0) {
                    if constexpr (COUNT > 1) {
                        bool upper = threadIdx.x & STEP;
                        UNROLLED for (int i = 0; i < COUNT / 2; i++) {
                            float kept = upper ? values[i + COUNT / 2] : values[i], given = upper ? values[i] : values[i + COUNT / 2];
                            values[i] = kept + __shfl_xor_sync(0xffffffffu, given, STEP);
                        }
                        share_sums<COUNT / 2, STEP / 2>(values);
                    } else {
                        values[0] += __shfl_xor_sync(0xffffffffu, values[0], STEP);
                        share_sums<1, STEP / 2>(values);
                    }
                }
            }

            // What a warp has under way: LOADS times 16 bytes of each of TOGETHER rows of w, and of the row of x if it is one.
            template <int TYPE, int X_TYPE, int XS> struct Loaded {
                enum {
                    WIDTH = 16 / Stored<TYPE>::SIZE, TOGETHER = XS < 4 ? 1 : 2,
                    LOADS = XS == 8 || (XS == 16 && TYPE != BFLOAT16) ? 1 : 4 / TOGETHER,  // as many as registers hold
                    COUNT = XS * TOGETHER,
                    // Columns widened at a time.
                    STEP = TYPE == FLOAT32 || (TYPE == BFLOAT16 && X_TYPE == FLOAT32 && XS == 8) ? 4 : 8, STEPS = WIDTH / STEP
                };
                Piece<TYPE, WIDTH> w[LOADS][TOGETHER];
                Piece<X_TYPE, WIDTH> x[XS == 1 ? LOADS : 1];
            };
            template <int STEP, int TYPE, int WIDTH> DEVICE Piece<TYPE, STEP> step_of(const Piece<TYPE, WIDTH> &piece, int s) {
                Piece<TYPE, STEP> part;
                UNROLLED for (int i = 0; i < Piece<TYPE, STEP>::WORDS; i++) part.words[i] = piece.words[s * Piece<TYPE, STEP>::WORDS + i];
                return part;
            }
            // Adds their products to sums [XS, TOGETHER]. WHOLE: no lane's columns lie past the end.
            template <bool WHOLE, int TYPE, int X_TYPE, int XS>
            DEVICE void add_products(
                const DecodeProduct &p, const Loaded<TYPE, X_TYPE, XS> &loaded, Size c, Size first, u32 group, Size groups, float *sums) {
                typedef Loaded<TYPE, X_TYPE, XS> L;
                UNROLLED for (int i = 0; i < L::LOADS * L::STEPS; i++) {
                    const int l = i / L::STEPS, s = i % L::STEPS;
                    const Size column = (c + l * p.split * 32) * L::WIDTH + s * L::STEP;
                    if (!WHOLE && column >= p.k) continue;
                    float ws[L::TOGETHER][L::STEP], scales[L::TOGETHER], xs[L::STEP];
                    UNROLLED for (int r = 0; r < L::TOGETHER; r++) {
                        widen(step_of<L::STEP>(loaded.w[l][r], s), ws[r]);
                        // Any column of the step will do, and which one decides whether the compiler spills.
                        if (TYPE == INT8) scales[r] = p.scales[min(first + r, p.n - 1) * groups + (u32)(XS == 8 ? column - s * L::STEP : column) / group];
                    }
                    UNROLLED for (int x = 0; x < XS; x++) {
                        if constexpr (XS == 1) {
                            widen(step_of<L::STEP>(loaded.x[l], s), xs);
                        } else {
                            Piece<X_TYPE, L::STEP> row;
                            load_piece<true, false>(row, p.x.data, min((Size)x, p.m - 1) * p.k + column, L::STEP);
                            widen(row, xs);
                        }
                        UNROLLED for (int r = 0; r < L::TOGETHER; r++) {
                            float &to = sums[x * L::TOGETHER + r], sum = TYPE == INT8 ? 0.0f : to;
                            UNROLLED for (int e = 0; e < L::STEP; e++) sum = fmaf(xs[e], ws[r][e], sum);
                            to = TYPE == INT8 ? fmaf(scales[r], sum, to) : sum;
                        }
                    }
                }
            }
            // XS rows of x, the last of them repeated where m is less, by TOGETHER rows of w at a time. A lane takes WIDTH columns, a
            // load of 16 bytes of each row of w, then those 32 times the splits further on; LOADS of them are under way at once.
            template <int TYPE, int X_TYPE, int XS> DEVICE void few_rows(const DecodeProduct &p) {
                typedef Loaded<TYPE, X_TYPE, XS> L;
                enum { SAME = 32 / L::COUNT };
                SHARED float parts[8][L::COUNT];
                const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, part = warp % p.split;
                const Size units = (p.n + L::TOGETHER - 1) / L::TOGETHER, columns = p.k / L::WIDTH;
                const Size here = (int)blockDim.x / 32 / p.split, stride = (Size)L::LOADS * p.split * 32;
                const u32 group = (u32)min(p.group, p.k);
                const Size groups = TYPE == INT8 ? (p.k + group - 1) / group : 0;
                for (Size start = blockIdx.x * here; start < units; start += gridDim.x * here) {
                    const Size first = (start + warp / p.split) * L::TOGETHER;
                    float sums[L::COUNT];
                    UNROLLED for (int i = 0; i < L::COUNT; i++) sums[i] = 0;
                    for (Size step = part * 32; step < columns && first < p.n; step += stride) {
                        L loaded;
                        UNROLLED for (int l = 0; l < L::LOADS; l++) {
                            // Past the end the last column again, which then counts for nothing.
                            const Size column = min(step + lane + l * p.split * 32, columns - 1) * L::WIDTH;
                            UNROLLED for (int r = 0; r < L::TOGETHER; r++)
                                load_piece<true, true>(loaded.w[l][r], p.w.data, min(first + r, p.n - 1) * p.k + column, L::WIDTH);
                            if constexpr (XS == 1) load_piece<true, false>(loaded.x[l], p.x.data, column, L::WIDTH);
                        }
                        if (step + stride - (p.split - 1) * 32 <= columns) {
                            add_products<true>(p, loaded, step + lane, first, group, groups, sums);
                        } else {
                            add_products<false>(p, loaded, step + lane, first, group, groups, sums);
                        }
                    }
                    share_sums<L::COUNT, 16>(sums);
                    const int number = lane / SAME;
                    float sum = sums[0];
                    if (p.split > 1) {
                        __syncthreads();  // the parts before have been read
                        if (lane % SAME == 0) parts[warp][number] = sum;
                        __syncthreads();
                        for (int s = 1; s < p.split && part == 0; s++) sum += parts[warp + s][number];
                    }
                    if (part == 0 && lane % SAME == 0) finish(p, number / L::TOGETHER, first + number % L::TOGETHER, sum);
                }
            }
            template <int TYPE, int XS> DEVICE void few_rows(const DecodeProduct &p) {
                if (p.x.type == FLOAT32) {
                    few_rows<TYPE, FLOAT32, XS>(p);
                } else {
                    few_rows<TYPE, BFLOAT16, XS>(p);
                }
            }
            // For m up to the number in the name. x and w begin at multiples of 16 bytes; k, and a group unless it is all of a row, are
            // multiples of 16 bytes of w. Any number of blocks, of whole warps that `split` divides.
            KERNEL(decode_product_float32_1)(DecodeProduct p) { few_rows<FLOAT32, 1>(p); }
            KERNEL(decode_product_float32_2)(DecodeProduct p) { few_rows<FLOAT32, 2>(p); }
            KERNEL(decode_product_float32_4)(DecodeProduct p) { few_rows<FLOAT32, 4>(p); }
            KERNEL(decode_product_float32_8)(DecodeProduct p) { few_rows<FLOAT32, 8>(p); }
            KERNEL(decode_product_float32_16)(DecodeProduct p) { few_rows<FLOAT32, 16>(p); }
            KERNEL(decode_product_bfloat16_1)(DecodeProduct p) { few_rows<BFLOAT16, 1>(p); }
            KERNEL(decode_product_bfloat16_2)(DecodeProduct p) { few_rows<BFLOAT16, 2>(p); }
            KERNEL(decode_product_bfloat16_4)(DecodeProduct p) { few_rows<BFLOAT16, 4>(p); }
            KERNEL(decode_product_bfloat16_8)(DecodeProduct p) { few_rows<BFLOAT16, 8>(p); }
            KERNEL(decode_product_bfloat16_16)(DecodeProduct p) { few_rows<BFLOAT16, 16>(p); }
            KERNEL(decode_product_int8_1)(DecodeProduct p) { few_rows<INT8, 1>(p); }
            KERNEL(decode_product_int8_2)(DecodeProduct p) { few_rows<INT8, 2>(p); }
            KERNEL(decode_product_int8_4)(DecodeProduct p) { few_rows<INT8, 4>(p); }
            KERNEL(decode_product_int8_8)(DecodeProduct p) { few_rows<INT8, 8>(p); }
            KERNEL(decode_product_int8_16)(DecodeProduct p) { few_rows<INT8, 16>(p); }

            // Any m, k, group and alignment, a number at a time. A warp a row of w; `split` is not used.
            KERNEL(decode_product_any)(DecodeProduct p) {
                const Size group = p.w.type == INT8 ? min(p.group, p.k) : 1, groups = (p.k + group - 1) / max(group, (Size)1);
                const Size warps = (Size)gridDim.x * blockDim.x / 32;
                for (Size j = ((Size)blockIdx.x * blockDim.x + threadIdx.x) / 32; j < p.n; j += warps) {
                    for (Size top = 0; top < p.m; top += 4) {
                        float sums[4] = {0, 0, 0, 0};
                        EACH_IN_WARP(c, p.k) {
                            float value = typed_value((int)p.w.type, p.w.data, j * p.k + c);
                            if (p.w.type == INT8) value *= p.scales[j * groups + (u32)c / (u32)group];
                            UNROLLED for (int i = 0; i < 4; i++)
                                sums[i] = fmaf(get(p.x, min(top + i, p.m - 1) * p.k + c), value, sums[i]);
                        }
                        UNROLLED for (int i = 0; i < 4; i++) {
                            float sum = warp_sum(sums[i]);
                            if (threadIdx.x % 32 == 0) finish(p, top + i, j, sum);
                        }
                    }
                }
            }
            """#)
}
