extension CUDASource {
    /// Numbers to int8 and back, bit for bit as `Kernels/quantization.c`.
    static let quantization = CUDASource(
        name: "quantization",
        body: #"""
            // q = w / scale to the nearest, scale = the largest |w| / 127 of a row's group of columns. A warp a group.
            KERNEL(quantize)(Array w, signed char *q, float *scales, Size rows, Size columns, Size group) {
                Size groups = (columns + group - 1) / group, warps = (Size)gridDim.x * blockDim.x / 32;
                for (Size unit = ((Size)blockIdx.x * blockDim.x + threadIdx.x) / 32; unit < rows * groups; unit += warps) {
                    Size first = unit % groups * group, at = unit / groups * columns + first, n = min(group, columns - first);
                    // Magnitudes order as their bits do; NaN is above infinity.
                    int largest = 0;
                    EACH_IN_WARP(i, n) largest = max(largest, (int)(bits_of(get(w, at + i)) & 0x7fffffffu));
                    for (int step = 16; step > 0; step /= 2) largest = max(largest, __shfl_xor_sync(0xffffffffu, largest, step));
                    float top = float_of((u32)largest), inverse = top < 1e-35f ? 0.0f : 127.0f / top;
                    // Adding 1.5 · 2^23 rounds to an integer, which is then in the low bits.
                    EACH_IN_WARP(i, n) q[at + i] = (signed char)(unsigned char)bits_of(fmaf(get(w, at + i), inverse, 12582912.0f));
                    if (threadIdx.x % 32 == 0) scales[unit] = top < 1e-35f ? 0.0f : top / 127.0f;
                }
            }
            KERNEL(dequantize)(const signed char *q, const float *scales, Array w, Size rows, Size columns, Size group) {
                Size groups = (columns + group - 1) / group;
                EACH(i, rows * columns) set(w, i, scales[i / columns * groups + i % columns / group] * (float)q[i]);
            }
            """#)
}
