extension CUDASource {
    /// How updates read their numbers and a clip.
    static let stepping = #"""
        // As in Swift.
        struct StepNumbers { float gradient_scale, lr, decay, momentum, correction1, correction2; };

        // What gradients are multiplied by so that their norm, √squares[0], is at most clip; a clip of 0 is none, and squares may
        // be null. False where the norm is not finite: such a step is left out.
        DEVICE bool clip_gradients(const double *squares, float clip, float *factor) {
            *factor = 1;
            if (!squares) return true;
            double total = squares[0];
            if ((bits_of(total) >> 52 & 0x7ff) == 0x7ff) return false;
            if (clip > 0) *factor = (float)fmin(1.0, (double)clip / (sqrt(total) + 1e-6));
            return true;
        }

        """#

    /// Parameter updates.
    static let optimizers = CUDASource(
        name: "optimizers",
        body: fours + stepping + #"""
            // One parameter of a step. shadow, which may be null, becomes p in bfloat16.
            struct Update {
                float *p; const float *g; float *m, *v;
                Size count;
                const StepNumbers *numbers;
                float beta1, beta2, epsilon;
                unsigned short *shadow;
            };
            // A block's share of a step: so many elements of update `which` from `start` on.
            struct Chunk { Size start; int which, count; };

            // All parameters in one launch, a block a chunk. p *= 1 - lr decay; m, v; p -= lr (m / c1) / (sqrt(v / c2) + epsilon).
            KERNEL(adamw)(const Update *updates, const Chunk *chunks, const double *squares, float clip) {
                float clipped;
                if (!clip_gradients(squares, clip, &clipped)) return;
                Chunk chunk = chunks[blockIdx.x];
                Update u = updates[chunk.which];
                StepNumbers n = *u.numbers;
                float keep = 1.0f - n.lr * n.decay, step = n.lr / n.correction1, inverse_root = 1.0f / sqrtf(n.correction2);
                float rest1 = 1.0f - u.beta1, rest2 = 1.0f - u.beta2, scale = n.gradient_scale * clipped;
                Array p = float_array(u.p + chunk.start), g = float_array(u.g + chunk.start), m = float_array(u.m + chunk.start);
                Array v = float_array(u.v + chunk.start), shadow = narrow_array(u.shadow ? u.shadow + chunk.start : nullptr);
                each_spot_in_block(chunk.count, aligned(p, g, m, v, shadow), [&](auto at) {
                    enum { W = decltype(at)::width };
                    Loaded<W> value = get(p, at), slope = get(g, at), first = get(m, at), second = get(v, at);
                    Made<W> new_p, new_m, new_v;
                    for (int l = 0; l < W; l++) {
                        float gradient = slope[l] * scale;
                        new_m[l] = fmaf(u.beta1, first[l], rest1 * gradient);
                        new_v[l] = fmaf(u.beta2, second[l], rest2 * gradient * gradient);
                        float denominator = fmaf(sqrtf(new_v[l]), inverse_root, u.epsilon);
                        new_p[l] = value[l] * keep - step * new_m[l] / denominator;
                    }
                    set(m, at, new_m);
                    set(v, at, new_v);
                    set(p, at, new_p);
                    if (shadow.data) set(shadow, at, new_p);
                });
            }

            // x times what the gradients are clipped by, where that is less than one.
            KERNEL(clip)(Array x, Size n, const double *squares, float limit) {
                float factor;
                if (!clip_gradients(squares, limit, &factor) || factor == 1) return;
                EACH(i, n) set(x, i, get(x, i) * factor);
            }

            // shadow, squares and clip as for adamw.
            KERNEL(sgd)(
                float *p, const float *g, float *buffer, Size n, const StepNumbers *numbers, int nesterov, const double *squares, float clip,
                unsigned short *shadow) {
                float clipped;
                if (!clip_gradients(squares, clip, &clipped)) return;
                float scale = numbers->gradient_scale * clipped, lr = numbers->lr, momentum = numbers->momentum, decay = numbers->decay;
                Array values = float_array(p), slopes = float_array(g), averages = float_array(buffer), narrow = narrow_array(shadow);
                each_spot(n, aligned(values, slopes, averages, narrow), [=](auto at) {
                    enum { W = decltype(at)::width };
                    Loaded<W> value = get(values, at), slope = get(slopes, at), average = get(averages, at);
                    Made<W> new_p, new_average;
                    for (int l = 0; l < W; l++) {
                        float direction = fmaf(decay, value[l], slope[l] * scale);
                        new_average[l] = fmaf(momentum, average[l], direction);
                        new_p[l] = value[l] - lr * (nesterov ? fmaf(momentum, new_average[l], direction) : new_average[l]);
                    }
                    set(averages, at, new_average);
                    set(values, at, new_p);
                    if (narrow.data) set(narrow, at, new_p);
                });
            }
            """#)
}
