extension CUDASource {
    /// Uniform and normal numbers and dropout: those of `Kernels/random.c`, bit for bit where that is compiled with fused
    /// multiply-adds, as for every processor since x86-64-v3 and for arm64.
    static let random = CUDASource(
        name: "random",
        body: fours + #"""
            // Calls `use` for each element with its number's bits: a thread makes a block of four at a time.
            template <typename Use> DEVICE void each_number(Size n, u64 key, u64 stream, Use use) {
                EACH(block, (n + 3) / 4) {
                    Numbers numbers = philox((u64)block, key, stream);
                    for (int lane = 0; lane < 4; lane++)
                        if (4 * block + lane < n) use(4 * block + lane, numbers.lane[lane]);
                }
            }

            // A dropped value is 0 even where x is infinite, hence a choice and not a product. The stream is `stream` and, where step
            // is not null, step[0] times 2^16 more: a captured graph then draws other numbers at every step.
            KERNEL(dropout)(
                Array x, Array y, Size n, u64 offset, float p, u64 key, u64 stream, int accumulate, const u64 *step) {
                float inverse = 1.0f / (1.0f - p);
                if (step) stream += *step << 16;
                auto drop = [=](auto at, const u32 *bits) {
                    enum { W = decltype(at)::width };
                    Loaded<W> values = get(x, at);
                    Made<W> made;
                    for (int l = 0; l < W; l++) made[l] = kept(bits[l], p) ? values[l] * inverse : 0.0f;
                    put(y, at, made, accumulate);
                };
                // Four numbers at a time, which are four elements' where the offset begins such a block.
                Size skip = (Size)(offset % 4);
                bool fours = skip == 0 && aligned(x, y);
                EACH(block, (skip + n + 3) / 4) {
                    Numbers numbers = philox(offset / 4 + (u64)block, key, stream);
                    Size first = 4 * block - skip;
                    if (fours && first + 4 <= n) {
                        drop(Spot<4>{first}, numbers.lane);
                    } else {
                        for (int l = 0; l < 4; l++)
                            if (first + l >= 0 && first + l < n) drop(Spot<1>{first + l}, numbers.lane + l);
                    }
                }
            }

            KERNEL(fill_uniform)(float *y, Size n, float low, float high, u64 key, u64 stream) {
                float width = high - low;
                float last = high == 0.0f ? -1.40129846432481707e-45f : float_of(bits_of(high) + (high > 0.0f ? 0xffffffffu : 1u));
                each_number(n, key, stream, [=](Size i, u32 bits) {
                    float value = fmaf(width, fraction(bits), low);
                    y[i] = value < high ? value : last;  // rounding may reach high
                });
            }

            // cos 2πu and sin 2πu for u = bits / 2^32: an eighth of a turn by Taylor series, the rest by symmetry.
            DEVICE void turn(u32 bits, double *cosine, double *sine) {
                u32 quarter = (bits + 0x20000000u) >> 30;  // the nearest quarter turn
                double x = (double)(int)(bits - (quarter << 30)) * (6.283185307179586 / 4294967296.0), z = x * x;
                double s = -1.0 / 1307674368000.0;
                s = fma(s, z, 1.0 / 6227020800.0);
                s = fma(s, z, -1.0 / 39916800.0);
                s = fma(s, z, 1.0 / 362880.0);
                s = fma(s, z, -1.0 / 5040.0);
                s = fma(s, z, 1.0 / 120.0);
                s = fma(s, z, -1.0 / 6.0);
                s = fma(x * z, s, x);
                double c = -1.0 / 87178291200.0;
                c = fma(c, z, 1.0 / 479001600.0);
                c = fma(c, z, -1.0 / 3628800.0);
                c = fma(c, z, 1.0 / 40320.0);
                c = fma(c, z, -1.0 / 720.0);
                c = fma(c, z, 1.0 / 24.0);
                c = fma(z * z, c, fma(-0.5, z, 1.0));
                double first = quarter & 1 ? s : c, second = quarter & 1 ? c : s;
                *cosine = (quarter + 1) & 2 ? -first : first;
                *sine = quarter & 2 ? -second : second;
            }

            // The logarithm of a positive normal number: the series of atanh on a mantissa between √½ and √2.
            DEVICE double normal_log(double u) {
                u64 bits = bits_of(u);
                u64 shifted = bits - 0x3fe6a09e667f3bcdull;  // √½
                Size exponent = (Size)shifted >> 52;
                double m = float_of(bits - ((u64)exponent << 52));
                double s = (m - 1.0) / (m + 1.0), z = s * s;
                double p = 1.0 / 19;
                p = fma(p, z, 1.0 / 17);
                p = fma(p, z, 1.0 / 15);
                p = fma(p, z, 1.0 / 13);
                p = fma(p, z, 1.0 / 11);
                p = fma(p, z, 1.0 / 9);
                p = fma(p, z, 1.0 / 7);
                p = fma(p, z, 1.0 / 5);
                p = fma(p, z, 1.0 / 3);
                return fma((double)(int)exponent, 0.6931471805599453, 2.0 * fma(s * z, p, s));
            }

            // Box and Muller, in double: two numbers make two.
            KERNEL(fill_normal)(float *y, Size n, float deviation, u64 key, u64 stream) {
                EACH(block, (n + 3) / 4) {
                    Numbers numbers = philox((u64)block, key, stream);
                    for (int pair = 0; pair < 2; pair++) {
                        double u = ((double)numbers.lane[2 * pair] + 0.5) * (1.0 / 4294967296.0), cosine, sine;
                        double radius = sqrt(-2.0 * normal_log(u));
                        turn(numbers.lane[2 * pair + 1], &cosine, &sine);
                        Size i = 4 * block + 2 * pair;
                        if (i < n) y[i] = (float)((double)deviation * (radius * cosine));
                        if (i + 1 < n) y[i + 1] = (float)((double)deviation * (radius * sine));
                    }
                }
            }
            """#)
}
