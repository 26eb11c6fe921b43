extension CUDASource {
    /// Tokens drawn from logits (`TokenSampling`): what top-k and top-p leave out is found digit by digit, without sorting, and sums are
    /// of integers, so that they are the same in any order. Blocks are of 256 threads.
    ///
    /// Not yet run on a GPU.
    static let sampling = CUDASource(
        name: "sampling",
        body: best + #"""
            // How the rows of logits, `stride` apart, are drawn from: their first `columns`, in parts of `chunk`, 256 parts at most; the
            // k likeliest of them (0: all), and of those what reaches p. tops [rows, parts] are the largest of each part; digits [rows,
            // 2, 4, 256] count keys by their digits, and add up weights; they are null where nothing is left out. sums [rows, parts,
            // 2] are weights above the cut, and how many keys are the cut's.
            struct Sampling {
                Array logits;
                Size stride, columns, chunk, parts;
                float *tops;
                u64 *digits, *sums;
                float inverse_temperature, scale;
                Size k;
                double p;
            };
            enum { BY_COUNT, BY_WEIGHT };
            // A number that orders as x does; -0 is 0.
            DEVICE u32 key_of(float x) {
                u32 bits = bits_of(x + 0.0f);
                return bits >> 31 ? ~bits : bits | 0x80000000u;
            }
            DEVICE float number_of(u32 key) { return float_of(key >> 31 ? key & 0x7fffffffu : ~key); }
            // e^((x - top) / temperature) in units of 1 / scale; 0 for NaN.
            DEVICE u64 weight_of(const Sampling &c, float top, float x) {
                float weight = expf((x - top) * c.inverse_temperature) * c.scale;
                return weight > 0 ? (u64)weight : 0;
            }
            // The largest of a block's threads, NaN where one of them has one. All threads must call.
            DEVICE float largest_of(float x, bool is_nan) {
                float top = block_max(x);
                return block_sum(is_nan ? 1 : 0) > 0 ? float_of(0x7fc00000u) : top;
            }
            DEVICE float top_of(const Sampling &c, Size row) {
                float x = threadIdx.x < c.parts ? c.tops[row * c.parts + threadIdx.x] : -INFINITY;
                return largest_of(x, x != x);
            }
            // Of values of all threads in their order, the sum of those before this one. `table` is of 256.
            DEVICE u64 sum_before(u64 value, u64 *table) {
                __syncthreads();  // what was read of it before
                table[threadIdx.x] = value;
                __syncthreads();
                u64 sum = 0;
                for (int i = 0; i < (int)threadIdx.x; i++) sum += table[i];
                return sum;
            }

            // Keys above `key` are kept, and of those that are equal to it what `missing` says: so many, or so much weight. `equal` is
            // what all equal ones come to.
            struct Cut { u32 key; u64 missing, equal; };
            // The cut as far as `passes` digits tell. All threads must call.
            DEVICE Cut cut_of(const Sampling &c, Size row, int by, int passes, u64 wanted) {
                SHARED u64 table[256];
                SHARED u32 digit;
                SHARED u64 left;
                const u64 *digits = c.digits + (row * 2 + by) * 4 * 256;
                Cut cut = {0, wanted, 0};
                for (int pass = 0; pass < passes; pass++) {
                    table[threadIdx.x] = digits[pass * 256 + threadIdx.x];
                    if (threadIdx.x == 0) digit = 0, left = 1;  // where there is nothing at all
                    __syncthreads();
                    u64 above = 0;
                    for (int i = threadIdx.x + 1; i < 256; i++) above += table[i];
                    if (above < cut.missing && cut.missing <= above + table[threadIdx.x]) digit = threadIdx.x, left = cut.missing - above;
                    __syncthreads();
                    cut = Cut{cut.key | digit << (24 - 8 * pass), left, table[digit]};
                    __syncthreads();
                }
                return cut;
            }
            // What top-k leaves: all where it is not asked for.
            DEVICE Cut cut_by_count(const Sampling &c, Size row, int passes) {
                return c.k > 0 ? cut_of(c, row, BY_COUNT, passes, (u64)c.k) : Cut{0, 0, 0};
            }
            DEVICE Cut cut_by_weight(const Sampling &c, Size row, float top, int passes, Cut counted) {
                if (passes == 0) return Cut{0, 0, 0};
                u64 total = block_sum(c.digits[(row * 2 + BY_WEIGHT) * 4 * 256 + threadIdx.x]);
                if (c.k > 0) total -= (counted.equal - counted.missing) * weight_of(c, top, number_of(counted.key));
                u64 wanted = (u64)ceil(c.p * (double)total);
                return cut_of(c, row, BY_WEIGHT, passes, max((u64)1, min(wanted, total)));
            }

            // tops, and digits of zero. Blocks: parts, rows; the others' as well, but sample_pick.
            KERNEL(sample_start)(Sampling c) {
                const Size row = blockIdx.y, first = blockIdx.x * c.chunk, end = min(first + c.chunk, c.columns);
                float largest = -INFINITY;
                bool is_nan = false;
                for (Size i = first + threadIdx.x; i < end; i += blockDim.x) {
                    float x = get(c.logits, row * c.stride + i);
                    largest = fmaxf(largest, x), is_nan = is_nan || x != x;
                }
                largest = largest_of(largest, is_nan);
                if (threadIdx.x == 0) c.tops[row * c.parts + blockIdx.x] = largest;
                for (Size i = blockIdx.x; i < (c.digits ? 2 * 4 : 0); i += gridDim.x) c.digits[(row * 2 * 4 + i) * 256 + threadIdx.x] = 0;
            }
            // Of keys that agree with the cut so far, what the next digit is.
            KERNEL(sample_digits)(Sampling c, int by, int pass) {
                SHARED u64 bins[256];
                const Size row = blockIdx.y, first = blockIdx.x * c.chunk, end = min(first + c.chunk, c.columns);
                const float top = top_of(c, row);
                const Cut counted = cut_by_count(c, row, by == BY_WEIGHT ? 4 : pass);
                const Cut cut = by == BY_WEIGHT ? cut_by_weight(c, row, top, pass, counted) : counted;
                const u32 least = by == BY_WEIGHT ? counted.key : 0;
                bins[threadIdx.x] = 0;
                __syncthreads();
                for (Size i = first + threadIdx.x; i < end; i += blockDim.x) {
                    float x = get(c.logits, row * c.stride + i);
                    u32 key = key_of(x), digits = key >> (24 - 8 * pass);
                    if (key < least || (pass > 0 && digits >> 8 != cut.key >> (32 - 8 * pass))) continue;
                    atomicAdd(&bins[digits & 255], by == BY_WEIGHT ? weight_of(c, top, x) : 1ull);
                }
                __syncthreads();
                if (bins[threadIdx.x]) atomicAdd(&c.digits[((row * 2 + by) * 4 + pass) * 256 + threadIdx.x], bins[threadIdx.x]);
            }

            // Keys above `key` are kept, and of those that are equal to it the first `ties`.
            struct Kept { u32 key; u64 ties; };
            DEVICE Kept kept_of(const Sampling &c, Size row, float top) {
                const Cut counted = cut_by_count(c, row, 4);
                if (c.p >= 1) return c.k > 0 ? Kept{counted.key, counted.missing} : Kept{0, ~0ull};
                const Cut cut = cut_by_weight(c, row, top, 4, counted);
                u64 weight = max((u64)1, weight_of(c, top, number_of(cut.key))), ties = (cut.missing + weight - 1) / weight;
                return Kept{cut.key, c.k > 0 && cut.key == counted.key ? min(ties, counted.missing) : ties};
            }
            KERNEL(sample_sums)(Sampling c) {
                const Size row = blockIdx.y, first = blockIdx.x * c.chunk, end = min(first + c.chunk, c.columns);
                const float top = top_of(c, row);
                const u32 cut = kept_of(c, row, top).key;
                u64 above = 0, equal = 0;
                for (Size i = first + threadIdx.x; i < end; i += blockDim.x) {
                    float x = get(c.logits, row * c.stride + i);
                    u32 key = key_of(x);
                    above += key > cut ? weight_of(c, top, x) : 0, equal += key == cut;
                }
                above = block_sum(above), equal = block_sum(equal);
                u64 *sums = c.sums + (row * c.parts + blockIdx.x) * 2;
                if (threadIdx.x == 0) sums[0] = above, sums[1] = equal;
            }
            // What a thread's share of a row comes to: `ties` of what is equal to the cut are kept, `before` of them by threads before.
            DEVICE u64 share(u64 above, u64 equal, u64 before, u64 ties, u64 weight) {
                return above + (before < ties ? min(ties - before, equal) : 0) * weight;
            }
            // ids[r] = the token that draws[r], from 0 to 1, falls on; the likeliest where weights are not finite. A block a row.
            KERNEL(sample_pick)(Sampling c, const double *draws, int *ids) {
                SHARED u64 table[256];
                SHARED u64 found_left, found_ties;
                SHARED int found;
                const Size row = blockIdx.x;
                const Array logits = tail(c.logits, row * c.stride);
                const float top = top_of(c, row);
                const Kept kept = kept_of(c, row, top);
                const u64 tie = weight_of(c, top, number_of(kept.key));
                // A thread a part.
                const u64 *sums = c.sums + (row * c.parts + threadIdx.x) * 2;
                u64 above = threadIdx.x < c.parts ? sums[0] : 0, equal = threadIdx.x < c.parts ? sums[1] : 0;
                u64 ties = sum_before(equal, table), width = share(above, equal, ties, kept.ties, tie);
                u64 before = sum_before(width, table);
                const u64 total = block_sum(width);
                if (total == 0) {
                    Best best = {-INFINITY, NOWHERE};
                    EACH_IN_BLOCK(i, c.columns) best = better(best, Best{get(logits, i), (int)i});
                    best = block_best(best);
                    if (threadIdx.x == 0) ids[row] = likeliest(logits, 0, best);
                    return;
                }
                u64 left = min((u64)(draws[row] * (double)total), total - 1);
                if (before <= left && left < before + width) found = threadIdx.x, found_left = left - before, found_ties = ties;
                __syncthreads();
                left = found_left;
                // A thread some tokens of the part that it was found in.
                const u64 ties_before_part = found_ties;
                const Size each = (c.chunk + 255) / 256, part_end = min((found + 1) * c.chunk, c.columns);
                const Size first = min(found * c.chunk + threadIdx.x * each, part_end), end = min(first + each, part_end);
                above = equal = 0;
                for (Size i = first; i < end; i++) {
                    u32 key = key_of(get(logits, i));
                    above += key > kept.key ? weight_of(c, top, get(logits, i)) : 0, equal += key == kept.key;
                }
                ties = ties_before_part + sum_before(equal, table), width = share(above, equal, ties, kept.ties, tie);
                before = sum_before(width, table);
                if (left < before || left >= before + width) return;
                for (Size i = first; i < end; i++) {
                    u32 key = key_of(get(logits, i));
                    u64 own = key > kept.key ? weight_of(c, top, get(logits, i)) : key == kept.key && ties++ < kept.ties ? tie : 0;
                    if (left < before + own) {
                        ids[row] = (int)i;
                        return;
                    }
                    before += own;
                }
            }
            """#)
}
