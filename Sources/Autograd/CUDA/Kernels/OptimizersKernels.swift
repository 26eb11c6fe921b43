extension CUDASource {
    /// Parameter updates.
    static let optimizers = CUDASource(
        name: "optimizers",
        body: #"""
            // One parameter of a step, `AdamWStep` in it.
            struct Update {
                float *p; const float *g; float *m, *v;
                Size count;
                float gradient_scale, lr, beta1, beta2, epsilon, decay, correction1, correction2;
            };
            // A block's share of a step: so many elements of update `which` from `start` on.
            struct Chunk { Size start; int which, count; };

            // All parameters in one launch, a block a chunk. p *= 1 - lr decay; m, v; p -= lr (m / c1) / (sqrt(v / c2) + epsilon).
            KERNEL(adamw)(const Update *updates, const Chunk *chunks) {
                Chunk chunk = chunks[blockIdx.x];
                Update u = updates[chunk.which];
                float keep = 1.0f - u.lr * u.decay, step = u.lr / u.correction1, inverse_root = 1.0f / sqrtf(u.correction2);
                float rest1 = 1.0f - u.beta1, rest2 = 1.0f - u.beta2;
                EACH_IN_BLOCK(k, chunk.count) {
                    Size i = chunk.start + k;
                    float gradient = u.g[i] * u.gradient_scale;
                    float first = fmaf(u.beta1, u.m[i], rest1 * gradient);
                    float second = fmaf(u.beta2, u.v[i], rest2 * gradient * gradient);
                    u.m[i] = first;
                    u.v[i] = second;
                    float denominator = fmaf(sqrtf(second), inverse_root, u.epsilon);
                    u.p[i] = u.p[i] * keep - step * first / denominator;
                }
            }

            KERNEL(sgd)(
                float *p, const float *g, float *buffer, Size n, float gradient_scale, float lr, float momentum, float decay,
                int nesterov) {
                EACH(i, n) {
                    float direction = fmaf(decay, p[i], g[i] * gradient_scale);
                    float average = fmaf(momentum, buffer[i], direction);
                    buffer[i] = average;
                    p[i] -= lr * (nesterov ? fmaf(momentum, average, direction) : average);
                }
            }
            """#)
}
