extension CUDASource {
    /// Query and key heads made ready for attention: RMS norm by head, rotary positions, scale. Some lanes of a warp a head.
    static let heads = CUDASource(
        name: "heads",
        body: fours + #"""
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
            // Four pairs of dimensions, number 4q and on: first the pairs that are turned together, then what rotation leaves, two
            // neighbours a pair. A lane has four pairs, so that rows are read and written by fours where `fours`.
            struct Octet { float first[4], second[4]; };
            DEVICE void dimensions(const Heads &h, int pair, int *first, int *second) {
                int half = h.rotary / 2;
                bool apart = pair < half && !h.interleaved;
                *first = apart ? pair : 2 * pair;
                *second = apart ? pair + half : 2 * pair + 1;
            }
            // Dimensions past the end are zeros.
            DEVICE Octet load_octet(const Heads &h, Array x, int q, bool fours) {
                Octet octet;
                int half = h.rotary / 2;
                if (fours) {
                    bool apart = 4 * q < half && !h.interleaved;
                    Size at = apart ? 4 * q : 8 * q;
                    Loaded<4> u = get(x, Spot<4>{at}), v = get(x, Spot<4>{at + (apart ? half : 4)});
                    for (int l = 0; l < 4; l++) {
                        octet.first[l] = apart ? u[l] : (l < 2 ? u[2 * l % 4] : v[2 * l % 4]);
                        octet.second[l] = apart ? v[l] : (l < 2 ? u[2 * l % 4 + 1] : v[2 * l % 4 + 1]);
                    }
                    return octet;
                }
                for (int l = 0; l < 4; l++) {
                    int first, second;
                    dimensions(h, 4 * q + l, &first, &second);
                    octet.first[l] = first < h.dim ? get(x, first) : 0.0f;
                    octet.second[l] = second < h.dim ? get(x, second) : 0.0f;
                }
                return octet;
            }
            DEVICE void put_octet(const Heads &h, Array y, int q, bool fours, const Octet &octet, int accumulate) {
                int half = h.rotary / 2;
                if (fours) {
                    bool apart = 4 * q < half && !h.interleaved;
                    Size at = apart ? 4 * q : 8 * q;
                    Made<4> u, v;
                    for (int l = 0; l < 4; l++) {
                        u[l] = apart ? octet.first[l] : (l % 2 ? octet.second[l / 2] : octet.first[l / 2]);
                        v[l] = apart ? octet.second[l] : (l % 2 ? octet.second[2 + l / 2] : octet.first[2 + l / 2]);
                    }
                    put(y, Spot<4>{at}, u, accumulate);
                    put(y, Spot<4>{at + (apart ? half : 4)}, v, accumulate);
                    return;
                }
                for (int l = 0; l < 4; l++) {
                    int first, second;
                    dimensions(h, 4 * q + l, &first, &second);
                    if (first < h.dim) put(y, first, octet.first[l], accumulate);
                    if (second < h.dim) put(y, second, octet.second[l], accumulate);
                }
            }
            // Turns the pairs that rotation takes, by their angles at a row or, with sign -1, back.
            DEVICE void turn(const Heads &h, Size row, int q, bool fours, float sign, Octet *octet) {
                int half = h.rotary / 2;
                if (4 * q >= half) return;
                Size at = (Size)h.positions[row] * half;
                Array cosines = tail(float_array(h.cosines), at), sines = tail(float_array(h.sines), at);
                Loaded<4> c = load_four(cosines, 4 * q, half, fours), s = load_four(sines, 4 * q, half, fours);
                for (int l = 0; l < 4; l++) {
                    if (4 * q + l >= half) continue;
                    float first = octet->first[l], second = octet->second[l], sine = sign * s[l];
                    octet->first[l] = first * c[l] - second * sine;
                    octet->second[l] = second * c[l] + first * sine;
                }
            }

            // 2^shift lanes share a head: as many as it has octets, up to a power of two, and all 32 where it has more, whose octets
            // past the first of a lane are then read again at each pass.
            DEVICE int shift_of(const Heads &h) {
                int shift = 0;
                while (shift < 5 && 8 << shift < h.dim) shift++;
                return shift;
            }
            DEVICE float sum_of_lanes(float value, int lanes) {
                for (int step = 16; step > 0; step /= 2) {
                    if (step < lanes) value += __shfl_xor_sync(0xffffffffu, value, step);
                }
                return value;
            }
            DEVICE bool in_fours(const Heads &h) {
                Array weight = float_array(h.weight), cosines = float_array(h.cosines), sines = float_array(h.sines);
                return h.dim % 8 == 0 && h.rotary % 8 == 0 && (h.in_stride | h.out_stride) % 4 == 0 && aligned(weight, cosines, sines);
            }

            // Heads of all rows are fewer than 2^32, and division of 32 bits is a fraction of that of 64.
            KERNEL(heads_forward)(Heads h, Array in, Array out, float *rstd) {
                bool fours = in_fours(h) && aligned(in, out);
                Array weight = float_array(h.normalize ? h.weight : nullptr);
                int shift = shift_of(h), lanes = 1 << shift, lane = threadIdx.x & (lanes - 1), octets = (h.dim + 7) / 8;
                u32 all = (u32)h.rows * h.heads, unit = (blockIdx.x * blockDim.x + threadIdx.x) >> shift;
                u32 step = gridDim.x * blockDim.x >> shift;
                // A warp goes on while its first head is one, as all its lanes are needed for sums.
                for (; unit - (threadIdx.x % 32 >> shift) < all; unit += step) {
                    bool there = unit < all;
                    Size row = unit / (u32)h.heads, head = unit % (u32)h.heads;
                    Array from = tail(in, row * h.in_stride + head * h.dim), to = tail(out, row * h.out_stride + head * h.dim);
                    Octet kept;
                    float factor = h.scale;
                    if (there && lane < octets) kept = load_octet(h, from, lane, fours);
                    if (h.normalize) {
                        float squares = 0;
                        for (int q = lane; there && q < octets; q += lanes) {
                            Octet x = q == lane ? kept : load_octet(h, from, q, fours);
                            for (int l = 0; l < 4; l++)
                                squares = fmaf(x.second[l], x.second[l], fmaf(x.first[l], x.first[l], squares));
                        }
                        float s = 1.0f / sqrtf(sum_of_lanes(squares, lanes) / (float)h.dim + h.epsilon);
                        if (there && lane == 0) rstd[unit] = s;
                        factor *= s;
                    }
                    // The scale goes in before the rotation, which is linear.
                    for (int q = lane; there && q < octets; q += lanes) {
                        Octet x = q == lane ? kept : load_octet(h, from, q, fours);
                        for (int l = 0; l < 4; l++) x.first[l] *= factor, x.second[l] *= factor;
                        if (weight.data) {
                            Octet w = load_octet(h, weight, q, fours);
                            for (int l = 0; l < 4; l++) x.first[l] *= w.first[l], x.second[l] *= w.second[l];
                        }
                        turn(h, row, q, fours, 1, &x);
                        put_octet(h, to, q, fours, x, 0);
                    }
                }
            }

            // din has in's layout, dout out's; din may not be dout.
            KERNEL(heads_backward)(Heads h, Array in, const float *rstd, Array dout, Array din, int accumulate) {
                bool fours = in_fours(h) && aligned(in, dout, din);
                Array weight = float_array(h.normalize ? h.weight : nullptr);
                int shift = shift_of(h), lanes = 1 << shift, lane = threadIdx.x & (lanes - 1), octets = (h.dim + 7) / 8;
                u32 all = (u32)h.rows * h.heads, unit = (blockIdx.x * blockDim.x + threadIdx.x) >> shift;
                u32 step = gridDim.x * blockDim.x >> shift;
                for (; unit - (threadIdx.x % 32 >> shift) < all; unit += step) {
                    bool there = unit < all;
                    Size row = unit / (u32)h.heads, head = unit % (u32)h.heads;
                    Size in_at = row * h.in_stride + head * h.dim;
                    Array from = tail(in, in_at), upstream = tail(dout, row * h.out_stride + head * h.dim), to = tail(din, in_at);
                    // The gradient by what the norm gave: turned back, times scale and weight.
                    auto gradient = [&](int q) {
                        Octet g = load_octet(h, upstream, q, fours);
                        for (int l = 0; l < 4; l++) g.first[l] *= h.scale, g.second[l] *= h.scale;
                        turn(h, row, q, fours, -1, &g);
                        if (weight.data) {
                            Octet w = load_octet(h, weight, q, fours);
                            for (int l = 0; l < 4; l++) g.first[l] *= w.first[l], g.second[l] *= w.second[l];
                        }
                        return g;
                    };
                    Octet kept_x, kept_g;
                    float product = 0, s = 1, slope = 0;
                    if (there && lane < octets) {
                        if (h.normalize) kept_x = load_octet(h, from, lane, fours);
                        kept_g = gradient(lane);
                    }
                    if (h.normalize) {
                        for (int q = lane; there && q < octets; q += lanes) {
                            Octet x = q == lane ? kept_x : load_octet(h, from, q, fours), g = q == lane ? kept_g : gradient(q);
                            for (int l = 0; l < 4; l++)
                                product = fmaf(g.second[l], x.second[l], fmaf(g.first[l], x.first[l], product));
                        }
                        s = there ? rstd[unit] : 0.0f;
                        slope = sum_of_lanes(product, lanes) * s / (float)h.dim;
                    }
                    for (int q = lane; there && q < octets; q += lanes) {
                        Octet g = q == lane ? kept_g : gradient(q);
                        if (h.normalize) {
                            Octet x = q == lane ? kept_x : load_octet(h, from, q, fours);
                            for (int l = 0; l < 4; l++) {
                                g.first[l] = s * (g.first[l] - x.first[l] * s * slope);
                                g.second[l] = s * (g.second[l] - x.second[l] * s * slope);
                            }
                        }
                        put_octet(h, to, q, fours, g, accumulate);
                    }
                }
            }

            // The gradient by dimension d before rotation and scale: `from` turned back. `pair` is d's where rotation takes it.
            DEVICE float turned_back(const Heads &h, const Pair &pair, int d, Array from) {
                if (d >= h.rotary / 2 * 2) return h.scale * get(from, d);
                float a = h.scale * get(from, pair.first), b = h.scale * get(from, pair.second);
                return d == pair.first ? a * pair.cosine + b * pair.sine : b * pair.cosine - a * pair.sine;
            }

            // The gradient by the norm's weight: each block's rows, a chunk, leave sums in partial [chunks, dim]. A thread a dimension;
            // where a block has more, teams of dim threads take rows in turn.
            KERNEL(heads_weight)(Heads h, Array in, const float *rstd, Array dout, Size chunk, float *partial) {
                SHARED float sums[256];
                Size first = (Size)blockIdx.x * chunk, end = min(first + chunk, h.rows);
                int team = (int)threadIdx.x / h.dim, teams = max(1, (int)blockDim.x / h.dim), half = h.rotary / 2;
                for (int start = 0; start < h.dim; start += blockDim.x) {
                    int d = start + (int)threadIdx.x % h.dim, j = h.interleaved ? d / 2 : (d < half ? d : d - half);
                    float sum = 0;
                    for (Size row = first + team; row < end && team < teams && d < h.dim; row += teams) {
                        Pair pair = {};
                        if (d < 2 * half) pair = pair_of(h, row, j);
                        #pragma unroll 4
                        for (Size head = 0; head < h.heads; head++) {
                            float t = turned_back(h, pair, d, tail(dout, row * h.out_stride + head * h.dim));
                            sum = fmaf(t, get(in, row * h.in_stride + head * h.dim + d) * rstd[row * h.heads + head], sum);
                        }
                    }
                    __syncthreads();  // the sums before have been read
                    sums[threadIdx.x] = sum;
                    __syncthreads();
                    if (team > 0 || d >= h.dim) continue;
                    for (int other = 1; other < teams; other++) sum += sums[other * h.dim + d];
                    partial[(Size)blockIdx.x * h.dim + d] = sum;
                }
            }
            """#)
}
