// Matrix products without a library, every shape and type.

static void check_products() {
    const int sizes[][3] = {{1, 1, 1}, {33, 70, 40}, {5, 100, 129}, {64, 32, 7}};
    for (auto &size : sizes)
        for (int mode = 0; mode < 8; mode++)
            for (int type = 0; type < 3; type++) {
                int m = size[0], n = size[1], k = size[2], group = 16, transpose_a = mode & 1, transpose_b = mode >> 1 & 1;
                int columns = transpose_b ? k : n;
                float alpha = mode & 4 ? 0.7f : 1.0f, beta = mode & 4 ? -0.5f : 0.0f;
                Typed a = numbers(m * k), c = numbers(m * n);
                Floats b = floats(n * k), bias = floats(n), scales(n * k), plain = b;
                std::vector<uint16_t> b16(n * k);
                std::vector<int8_t> b8(n * k);
                loom_to_bfloat16(b.data(), b16.data(), n * k);
                loom_quantize(b.data(), b8.data(), scales.data(), n * k / columns, columns, group);
                if (type == 1) loom_from_bfloat16(b16.data(), plain.data(), n * k);
                if (type == 2) loom_dequantize(b8.data(), scales.data(), plain.data(), n * k / columns, columns, group);
                void *data[] = {b.data(), b16.data(), b8.data()};
                std::vector<double> want(m * n);
                for (int i = 0; i < m; i++)
                    for (int j = 0; j < n; j++) {
                        double sum = 0;
                        for (int l = 0; l < k; l++)
                            sum += (double)a[transpose_a ? l * m + i : i * k + l] * plain[transpose_b ? j * k + l : l * n + j];
                        want[i * n + j] = alpha * sum + beta * c[i * n + j] + (mode & 2 ? bias[j] : 0);
                    }
                if (beta == 0) c = Floats(m * n, NAN);  // must not be read
                products::Product p = {m, n, k, group, transpose_a, transpose_b, alpha, beta, a, {data[type], type}, scales.data(), c,
                                       mode & 2 ? bias.data() : nullptr};
                launch({up(n, 32), m > 40 ? 1u : up(m, 32), 1}, 256, [&] { products::multiply_matrices(p); });
                compare(c, want);
            }
    report("multiply_matrices", 2e-6);
}
