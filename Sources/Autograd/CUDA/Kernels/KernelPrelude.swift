extension CUDASource {
    /// What every family starts with: names of types, loops over elements, sums over a block.
    ///
    /// A line that starts with KERNEL(name) begins a kernel. Blocks are of whole warps and 256 threads at most. Sums are taken in an
    /// order that depends on sizes alone, so results repeat to the last bit. There is no include: the compiler needs no headers.
    static let prelude = #"""
        #ifndef LOOM_HOST
        #define DEVICE static __device__ __forceinline__
        #define KERNEL(name) extern "C" __global__ void __launch_bounds__(256) name
        #define SHARED __shared__
        #define DYNAMIC_SHARED(name) extern __shared__ float loom_dynamic_shared[]; float *name = loom_dynamic_shared
        #define INFINITY __int_as_float(0x7f800000)
        DEVICE unsigned bits_of(float x) { return __float_as_uint(x); }
        DEVICE float float_of(unsigned x) { return __uint_as_float(x); }
        DEVICE unsigned long long bits_of(double x) { return (unsigned long long)__double_as_longlong(x); }
        DEVICE double float_of(unsigned long long x) { return __longlong_as_double((long long)x); }
        #endif

        typedef long long Size;
        typedef unsigned int u32;
        typedef unsigned long long u64;

        // The elements of this thread, of n that all blocks share.
        #define EACH(i, n) \
            for (Size i = (Size)blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += (Size)gridDim.x * blockDim.x)
        // The elements of this thread, of n that one block shares.
        #define EACH_IN_BLOCK(i, n) for (Size i = threadIdx.x; i < (n); i += blockDim.x)
        // The elements of this lane, of n that one warp shares.
        #define EACH_IN_WARP(i, n) for (Size i = threadIdx.x % 32; i < (n); i += 32)

        // q = e / n and r = e % n in 32 bits, for places in a tile or a row: 64 bits cost several times as much.
        #define SPLIT(e, n, q, r) Size q = (u32)(e) / (u32)(n), r = (u32)(e) % (u32)(n)

        DEVICE void put(float *y, float value, int accumulate) { *y = accumulate ? *y + value : value; }

        enum { FLOAT32, BFLOAT16, INT8 };
        DEVICE float widened(unsigned short x) { return float_of((u32)x << 16); }
        // To the nearest, ties to even; NaN stays NaN.
        DEVICE unsigned short narrowed(float x) {
            u32 bits = bits_of(x), rounded = (bits + 0x7fffu + ((bits >> 16) & 1)) >> 16;
            return (unsigned short)((bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16) | 0x40u : rounded);
        }

        // Elements of a type that is known when the kernel runs: activations and their gradients are FLOAT32 or BFLOAT16, whatever
        // the run's precision; arithmetic is float32 always. A null array has data of null.
        struct Array { void *data; Size type; };
        DEVICE float get(Array x, Size i) {
            return x.type == FLOAT32 ? ((const float *)x.data)[i] : widened(((const unsigned short *)x.data)[i]);
        }
        DEVICE void set(Array y, Size i, float value) {
            if (y.type == FLOAT32) ((float *)y.data)[i] = value; else ((unsigned short *)y.data)[i] = narrowed(value);
        }
        DEVICE void put(Array y, Size i, float value, int accumulate) { set(y, i, accumulate ? get(y, i) + value : value); }
        // The elements from number n on.
        DEVICE Array tail(Array x, Size n) { return Array{(char *)x.data + n * (x.type == FLOAT32 ? 4 : 2), x.type}; }


        template <typename T> DEVICE T warp_sum(T value) {
            for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
            return value;
        }
        DEVICE float warp_max(float value) {
            for (int step = 16; step > 0; step /= 2) value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, step));
            return value;
        }
        // Of all threads of a block, which all get it. All must call.
        template <typename T> DEVICE T block_sum(T value) {
            SHARED T parts[32];
            value = warp_sum(value);
            __syncthreads();  // parts of the call before have been read
            if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
            __syncthreads();
            return warp_sum(threadIdx.x % 32 < blockDim.x / 32 ? parts[threadIdx.x % 32] : (T)0);
        }
        DEVICE float block_max(float value) {
            SHARED float parts[32];
            value = warp_max(value);
            __syncthreads();
            if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
            __syncthreads();
            return warp_max(threadIdx.x % 32 < blockDim.x / 32 ? parts[threadIdx.x % 32] : -INFINITY);
        }

        // Philox4x32-10: four numbers of block `counter`.
        struct Numbers { u32 lane[4]; };
        DEVICE Numbers philox(u64 counter, u64 key, u64 stream) {
            u32 c0 = (u32)counter, c1 = (u32)(counter >> 32), c2 = (u32)stream, c3 = (u32)(stream >> 32);
            u32 k0 = (u32)key, k1 = (u32)(key >> 32);
            for (int round = 0; round < 10; round++) {
                u64 a = (u64)c0 * 0xD2511F53u, b = (u64)c2 * 0xCD9E8D57u;
                c0 = (u32)(b >> 32) ^ c1 ^ k0;
                c2 = (u32)(a >> 32) ^ c3 ^ k1;
                c1 = (u32)b;
                c3 = (u32)a;
                k0 += 0x9E3779B9u;
                k1 += 0xBB67AE85u;
            }
            return Numbers{{c0, c1, c2, c3}};
        }
        // 24 bits as a number in [0, 1).
        DEVICE float fraction(u32 bits) { return (float)(int)(bits >> 8) * 5.9604644775390625e-8f; }
        DEVICE bool kept(u32 bits, float p) { return fraction(bits) >= p; }
        // Whether dropout keeps the element with this number.
        DEVICE bool kept_element(u64 element, float p, u64 key, u64 stream) {
            Numbers numbers = philox(element / 4, key, stream);
            return kept(numbers.lane[element % 4], p);
        }

        """#
}
