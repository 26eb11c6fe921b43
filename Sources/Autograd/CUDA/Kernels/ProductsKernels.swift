extension CUDASource {
    /// Matrix products without a library: correct for every shape and transposition, far from the device's speed. For products
    /// over nothing, and as a reference.
    static let products = CUDASource(
        name: "products",
        body: typedValues + #"""
            // c [m, n] = alpha op(a) op(b) + beta c + bias, row-major and dense: op(a) is a [m, k], or the transpose of a [k, m]; op(b)
            // is b [k, n], or the transpose of b [n, k]. c is not read when beta is 0; bias [n] may be null. b may be int8, which has
            // scales [rows of b, columns of b / group rounded up].
            struct Product {
                Size m, n, k, group;
                int transpose_a, transpose_b;
                float alpha, beta;
                Array a, b;
                const float *b_scales;
                Array c;
                const float *bias;
            };
            DEVICE float factor_a(const Product &p, Size i, Size l) {
                if (i >= p.m || l >= p.k) return 0;
                return get(p.a, p.transpose_a ? l * p.m + i : i * p.k + l);
            }
            DEVICE float factor_b(const Product &p, Size l, Size j) {
                if (l >= p.k || j >= p.n) return 0;
                Size row = p.transpose_b ? j : l, column = p.transpose_b ? l : j, columns = p.transpose_b ? p.k : p.n;
                float value = typed_value((int)p.b.type, p.b.data, row * columns + column);
                if (p.b.type != INT8) return value;
                return value * p.b_scales[row * ((columns + p.group - 1) / p.group) + column / p.group];
            }
            // A block makes a tile of 32 by 32, its 256 threads four rows each, 32 of k at a time. Blocks: tiles of n, tiles of m.
            KERNEL(multiply_matrices)(Product p) {
                SHARED float left[32][33], right[32][33];
                int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
                Size j = (Size)blockIdx.x * 32 + lane;
                for (Size top = (Size)blockIdx.y * 32; top < p.m; top += (Size)gridDim.y * 32) {
                    float sums[4] = {0, 0, 0, 0};
                    for (Size start = 0; start < p.k; start += 32) {
                        __syncthreads();  // the tiles before are done with
                        // Lanes go along the rows of each matrix as it is stored.
                        for (int r = warp; r < 32; r += 8) {
                            if (p.transpose_a) {
                                left[lane][r] = factor_a(p, top + lane, start + r);
                            } else {
                                left[r][lane] = factor_a(p, top + r, start + lane);
                            }
                            if (p.transpose_b) {
                                right[lane][r] = factor_b(p, start + lane, (Size)blockIdx.x * 32 + r);
                            } else {
                                right[r][lane] = factor_b(p, start + r, j);
                            }
                        }
                        __syncthreads();
                        for (int l = 0; l < 32; l++)
                            for (int r = 0; r < 4; r++) sums[r] = fmaf(left[warp + 8 * r][l], right[l][lane], sums[r]);
                    }
                    for (int r = 0; r < 4; r++) {
                        Size i = top + warp + 8 * r;
                        if (i >= p.m || j >= p.n) continue;
                        float value = p.alpha * sums[r];
                        if (p.beta != 0) value = fmaf(p.beta, get(p.c, i * p.n + j), value);
                        if (p.bias) value += p.bias[j];
                        set(p.c, i * p.n + j, value);
                    }
                }
            }
            """#)
}
