extension CUDASource {
    /// Four elements at a time, for kernels that go over arrays from end to end.
    ///
    /// Reasoned, not timed, as nothing here has run on a GPU: such kernels wait for memory, and what moves memory is bytes in flight.
    /// A warp that loads 16 bytes a lane (8 for bfloat16) has four times the bytes under way for each instruction and each branch by
    /// type. Loads come first and are widened after, so that none waits for the one before it. Every element goes through the same
    /// arithmetic either way, so what comes out is the same to the last bit.
    static let fours = #"""
        #ifdef LOOM_HOST
        #define MEMBER inline
        #else
        #define MEMBER __device__ __forceinline__
        #endif

        // W elements from number i on: 4 or 1.
        template <int W> struct Spot { Size i; enum { width = W }; };
        // Elements as they lie in memory; they become numbers where they are used.
        template <int W> struct Loaded {
            u32 bits[W];
            bool wide;
            MEMBER float operator[](int l) const {
                if (W == 1 || wide) return float_of(bits[l]);
                return float_of(l % 2 ? bits[l / 2] & 0xffff0000u : bits[l / 2] << 16);
            }
        };
        template <int W> struct Made {
            float lane[W];
            MEMBER float &operator[](int l) { return lane[l]; }
        };
        DEVICE Array float_array(const float *x) { return Array{(void *)x, FLOAT32}; }
        DEVICE Array narrow_array(unsigned short *x) { return Array{x, BFLOAT16}; }

        // Row and column of element i of a matrix; 64 bits are divided only where 32 do not hold the number.
        struct Cell { Size row, column; };
        DEVICE Cell cell_of(Size i, Size columns) {
            Size row = (u64)(i | columns) >> 32 ? i / columns : (Size)((u32)i / (u32)columns);
            return Cell{row, i - row * columns};
        }

        // Whether elements 0, 4, 8, … of these are where a load of four may start. True of a null array.
        template <typename... X> DEVICE bool aligned(X... x) {
            return (... && (((u64)x.data & (x.type == FLOAT32 ? 15 : 7)) == 0));
        }

        DEVICE Loaded<1> get(Array x, Spot<1> at) { return Loaded<1>{{bits_of(get(x, at.i))}, true}; }
        DEVICE Loaded<4> get(Array x, Spot<4> at) {
            Loaded<4> loaded;
            loaded.wide = x.type == FLOAT32;
            if (loaded.wide) {
                uint4 four = *(const uint4 *)((const float *)x.data + at.i);
                loaded.bits[0] = four.x, loaded.bits[1] = four.y, loaded.bits[2] = four.z, loaded.bits[3] = four.w;
            } else {
                uint2 four = *(const uint2 *)((const unsigned short *)x.data + at.i);
                loaded.bits[0] = four.x, loaded.bits[1] = four.y, loaded.bits[2] = loaded.bits[3] = 0;
            }
            return loaded;
        }
        DEVICE void set(Array y, Spot<1> at, Made<1> made) { set(y, at.i, made[0]); }
        DEVICE void set(Array y, Spot<4> at, Made<4> made) {
            if (y.type == FLOAT32) {
                uint4 four;
                four.x = bits_of(made[0]), four.y = bits_of(made[1]), four.z = bits_of(made[2]), four.w = bits_of(made[3]);
                *(uint4 *)((float *)y.data + at.i) = four;
            } else {
                uint2 four;
                four.x = narrowed(made[0]) | (u32)narrowed(made[1]) << 16, four.y = narrowed(made[2]) | (u32)narrowed(made[3]) << 16;
                *(uint2 *)((unsigned short *)y.data + at.i) = four;
            }
        }
        template <int W> DEVICE void put(Array y, Spot<W> at, Made<W> made, int accumulate) {
            if (accumulate) {
                Loaded<W> old = get(y, at);
                for (int l = 0; l < W; l++) made[l] = old[l] + made[l];
            }
            set(y, at, made);
        }

        // Calls `use` with this thread's spots of n elements: in fours where `fours`, what is left over one by one. The threads are
        // those from number `first` on, in steps of `step`.
        template <typename Use> DEVICE void each_spot(Size first, Size step, Size n, bool fours, Use use) {
            Size whole = fours ? n / 4 : 0;
            for (Size k = first; k < whole; k += step) use(Spot<4>{4 * k});
            for (Size i = 4 * whole + first; i < n; i += step) use(Spot<1>{i});
        }
        // Of all blocks' threads, or of one block's.
        template <typename Use> DEVICE void each_spot(Size n, bool fours, Use use) {
            each_spot((Size)blockIdx.x * blockDim.x + threadIdx.x, (Size)gridDim.x * blockDim.x, n, fours, use);
        }
        template <typename Use> DEVICE void each_spot_in_block(Size n, bool fours, Use use) {
            each_spot(threadIdx.x, blockDim.x, n, fours, use);
        }

        template <int W, typename Function, typename... X>
        DEVICE void apply(Function function, Array y, Spot<W> at, X... loaded) {
            Made<W> made;
            for (int l = 0; l < W; l++) made[l] = function(loaded[l]...);
            set(y, at, made);
        }
        // y[i] = function(x[i] …); any x may be y.
        template <typename Function, typename... X> DEVICE void map(Size n, Array y, Function function, X... x) {
            each_spot(n, aligned(y, x...), [=](auto at) { apply(function, y, at, get(x, at)...); });
        }

        """#
}
