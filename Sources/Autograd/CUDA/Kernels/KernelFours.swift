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
            return (0ull | ... | ((u64)x.data & (x.type == FLOAT32 ? 15 : 7))) == 0;
        }

        DEVICE Loaded<1> get(Array x, Spot<1> at) { return Loaded<1>{{bits_of(get(x, at.i))}, true}; }
        DEVICE Loaded<4> get(Array x, Spot<4> at) {
            Loaded<4> loaded;
            const void *from = tail(x, at.i).data;
            loaded.wide = x.type == FLOAT32;
            if (loaded.wide) {
                uint4 four = *(const uint4 *)from;
                loaded.bits[0] = four.x, loaded.bits[1] = four.y, loaded.bits[2] = four.z, loaded.bits[3] = four.w;
            } else {
                uint2 four = *(const uint2 *)from;
                loaded.bits[0] = four.x, loaded.bits[1] = four.y, loaded.bits[2] = loaded.bits[3] = 0;
            }
            return loaded;
        }
        DEVICE void set(Array y, Spot<1> at, Made<1> made) { set(y, at.i, made[0]); }
        DEVICE void set(Array y, Spot<4> at, Made<4> made) {
            void *to = tail(y, at.i).data;
            if (y.type == FLOAT32) {
                uint4 four;
                four.x = bits_of(made[0]), four.y = bits_of(made[1]), four.z = bits_of(made[2]), four.w = bits_of(made[3]);
                *(uint4 *)to = four;
            } else {
                uint2 four;
                four.x = narrowed(made[0]) | (u32)narrowed(made[1]) << 16, four.y = narrowed(made[2]) | (u32)narrowed(made[3]) << 16;
                *(uint2 *)to = four;
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

        // Four elements from number i on, of n: zeros past the end. The order in which a sum takes elements must not depend on where
        // an array begins, so a thread that goes over a row takes four neighbours either way, at once or one by one.
        DEVICE Loaded<4> load_four(Array x, Size i, Size n, bool fours) {
            if (fours) return get(x, Spot<4>{i});
            Loaded<4> loaded;
            loaded.wide = true;
            for (int l = 0; l < 4; l++) loaded.bits[l] = i + l < n ? bits_of(get(x, i + l)) : 0;
            return loaded;
        }
        DEVICE void put_four(Array y, Size i, Size n, bool fours, Made<4> made, int accumulate) {
            if (fours) return put(y, Spot<4>{i}, made, accumulate);
            for (int l = 0; l < 4; l++)
                if (i + l < n) put(y, i + l, made[l], accumulate);
        }

        // A row that a block shares. Each thread keeps its first 16 elements in registers, so that passes over a row of up to 4096
        // read it once; what is past that is read again. n is a multiple of four where `fours`.
        enum { KEPT = 4 };
        struct Row { Array x; Size n; bool fours; Loaded<4> kept[KEPT]; };
        DEVICE Size place_in_row(int k) { return 4 * ((Size)k * blockDim.x + threadIdx.x); }
        DEVICE Row load_row(Array x, Size n, bool fours) {
            Row row = {x, n, fours};
            #pragma unroll
            for (int k = 0; k < KEPT; k++) {
                Size i = place_in_row(k);
                if (i < n) row.kept[k] = load_four(x, i, n, fours);
            }
            return row;
        }
        // use(i, four) for each four of this thread.
        template <typename Use> DEVICE void each_four(const Row &row, Use use) {
            #pragma unroll
            for (int k = 0; k < KEPT; k++)
                if (place_in_row(k) < row.n) use(place_in_row(k), row.kept[k]);
            for (Size i = place_in_row(KEPT); i < row.n; i += 4 * blockDim.x) use(i, load_four(row.x, i, row.n, row.fours));
        }
        // The same of a row that is not kept, with two loads under way at a time.
        template <typename Use> DEVICE void each_four(Array x, Size n, bool fours, Use use) {
            for (Size i = place_in_row(0), step = 4 * blockDim.x; i < n; i += 2 * step) {
                Loaded<4> here = load_four(x, i, n, fours), next;
                if (i + step < n) next = load_four(x, i + step, n, fours);
                use(i, here);
                if (i + step < n) use(i + step, next);
            }
        }
        // Of two rows of one length at once.
        template <typename Use> DEVICE void each_four(const Row &a, const Row &b, Use use) {
            #pragma unroll
            for (int k = 0; k < KEPT; k++)
                if (place_in_row(k) < a.n) use(place_in_row(k), a.kept[k], b.kept[k]);
            for (Size i = place_in_row(KEPT); i < a.n; i += 4 * blockDim.x)
                use(i, load_four(a.x, i, a.n, a.fours), load_four(b.x, i, b.n, b.fours));
        }

        """#
}
