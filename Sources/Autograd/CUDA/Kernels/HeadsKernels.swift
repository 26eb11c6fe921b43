extension CUDASource {
    /// Query and key heads made ready for attention: RMS norm by head, rotary positions, scale. A warp a head.
    static let heads = CUDASource(
        name: "heads",
        body: #"""
            // Row r of `in` holds head h at r in_stride + h dim, row r of `out` at r out_stride + h dim. weight, cosines, sines and
            // positions may be null; rotary is 0 for no rotation.
            struct Heads {
                Size rows, in_stride, out_stride;
                int heads, dim, rotary, normalize, interleaved;
                float epsilon, scale;
                const float *weight, *cosines, *sines;
                const int *positions;
            };

            // The two dimensions of pair j, and its angle at a row.
            struct Pair { int first, second; float cosine, sine; };
            DEVICE Pair pair_of(const Heads &h, Size row, int j) {
                int half = h.rotary / 2;
                Size at = (Size)h.positions[row] * half + j;
                Pair pair;
                pair.first = h.interleaved ? 2 * j : j;
                pair.second = h.interleaved ? 2 * j + 1 : j + half;
                pair.cosine = h.cosines[at];
                pair.sine = h.sines[at];
                return pair;
            }
            // Heads of all rows are fewer than 2^32, and division of 32 bits is a fraction of that of 64.
            DEVICE u32 warp_of_all() { return (blockIdx.x * blockDim.x + threadIdx.x) / 32; }
            DEVICE u32 warps_in_all() { return gridDim.x * blockDim.x / 32; }

            KERNEL(heads_forward)(Heads h, Array in, Array out, float *rstd) {
                for (u32 unit = warp_of_all(); unit < (u32)h.rows * h.heads; unit += warps_in_all()) {
                    Size row = unit / (u32)h.heads, head = unit % (u32)h.heads;
                    Array from = tail(in, row * h.in_stride + head * h.dim), to = tail(out, row * h.out_stride + head * h.dim);
                    float factor = h.scale;
                    if (h.normalize) {
                        float squares = 0;
                        EACH_IN_WARP(d, h.dim) squares = fmaf(get(from, d), get(from, d), squares);
                        float s = 1.0f / sqrtf(warp_sum(squares) / (float)h.dim + h.epsilon);
                        if (threadIdx.x % 32 == 0) rstd[unit] = s;
                        factor *= s;
                    }
                    const float *weight = h.normalize ? h.weight : nullptr;
                    // The scale goes in before the rotation, which is linear.
                    EACH_IN_WARP(j, h.rotary / 2) {
                        Pair pair = pair_of(h, row, j);
                        float a = get(from, pair.first) * factor, b = get(from, pair.second) * factor;
                        if (weight) a *= weight[pair.first], b *= weight[pair.second];
                        set(to, pair.first, a * pair.cosine - b * pair.sine);
                        set(to, pair.second, b * pair.cosine + a * pair.sine);
                    }
                    for (int d = h.rotary / 2 * 2 + (int)threadIdx.x % 32; d < h.dim; d += 32)
                        set(to, d, get(from, d) * factor * (weight ? weight[d] : 1.0f));
                }
            }

            // The gradient by dimension d before rotation and scale: `from` turned back.
            DEVICE float turned_back(const Heads &h, Size row, int d, Array from) {
                if (d >= h.rotary / 2 * 2) return h.scale * get(from, d);
                int half = h.rotary / 2, j = h.interleaved ? d / 2 : (d < half ? d : d - half);
                Pair pair = pair_of(h, row, j);
                float a = h.scale * get(from, pair.first), b = h.scale * get(from, pair.second);
                return d == pair.first ? a * pair.cosine + b * pair.sine : b * pair.cosine - a * pair.sine;
            }

            // din has in's layout, dout out's; din may not be dout.
            KERNEL(heads_backward)(Heads h, Array in, const float *rstd, Array dout, Array din, int accumulate) {
                for (u32 unit = warp_of_all(); unit < (u32)h.rows * h.heads; unit += warps_in_all()) {
                    Size row = unit / (u32)h.heads, head = unit % (u32)h.heads;
                    Array x = tail(in, row * h.in_stride + head * h.dim), from = tail(dout, row * h.out_stride + head * h.dim);
                    Array dx = tail(din, row * h.in_stride + head * h.dim);
                    float product = 0, s = 1, slope = 0;
                    const float *weight = h.normalize ? h.weight : nullptr;
                    if (h.normalize) {
                        EACH_IN_WARP(d, h.dim) {
                            float g = turned_back(h, row, d, from) * (weight ? weight[d] : 1.0f);
                            product = fmaf(g, get(x, d), product);
                        }
                        s = rstd[unit];
                        slope = warp_sum(product) * s / (float)h.dim;
                    }
                    EACH_IN_WARP(d, h.dim) {
                        float g = turned_back(h, row, d, from);
                        if (h.normalize) g = s * (g * (weight ? weight[d] : 1.0f) - get(x, d) * s * slope);
                        put(dx, d, g, accumulate);
                    }
                }
            }
            // The gradient by the norm's weight: each block's rows, a chunk, leave sums in partial [chunks, dim].
            KERNEL(heads_weight)(Heads h, Array in, const float *rstd, Array dout, Size chunk, float *partial) {
                Size end = min((Size)(blockIdx.x + 1) * chunk, h.rows);
                EACH_IN_BLOCK(d, h.dim) {
                    float sum = 0;
                    for (Size row = (Size)blockIdx.x * chunk; row < end; row++) {
                        for (Size head = 0; head < h.heads; head++) {
                            float t = turned_back(h, row, d, tail(dout, row * h.out_stride + head * h.dim));
                            sum = fmaf(t, get(in, row * h.in_stride + head * h.dim + d) * rstd[row * h.heads + head], sum);
                        }
                    }
                    partial[(Size)blockIdx.x * h.dim + d] = sum;
                }
            }
            """#)
}
