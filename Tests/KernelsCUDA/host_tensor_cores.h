// The instructions that TensorCores.swift wraps, on the host: which lane holds what is as the PTX ISA says.
//
// Checked while running: addresses that 16 divides and that lie in what the launch asked for (dynamic_count), rows of a matrix
// in banks of their own, copies that nobody waited for. What an asynchronous copy will write is NaN until its thread waits for it.
#ifndef LOOM_CUDA_HOST_TENSOR_CORES_H
#define LOOM_CUDA_HOST_TENSOR_CORES_H

#define SHARED_TILES(name) unsigned char *name = (unsigned char *)host_block.dynamic

static inline unsigned shared_address(const void *p) { return (unsigned)((const char *)p - (const char *)host_block.dynamic); }
static char *host_shared(unsigned address) {
    if (address % 16 != 0 || address + 16 > 4u * host_block.dynamic_count) host_fail("an address in shared memory that is off");
    return (char *)host_block.dynamic + address;
}

static struct { unsigned char given[2][64]; int turn; } host_lanes[HOST_THREADS];
/// What all lanes of the warp give, at once. There are two places, taken in turn: a lane that is one exchange ahead writes the
/// other, and two ahead it cannot be.
template <typename T> struct host_gathered {
    int warp, turn;
    explicit host_gathered(const T &value) {
        static_assert(sizeof(T) <= 64, "a lane gives 64 bytes at most");
        int self = host_block.current;
        warp = self / 32 * 32;
        turn = host_lanes[self].turn;
        host_lanes[self].turn = 1 - turn;
        memcpy(host_lanes[self].given[turn], &value, sizeof value);
        host_wait(HOST_AT_EXCHANGE);
    }
    const T &operator[](int lane) const { return *(const T *)host_lanes[warp + lane].given[turn]; }
};

static inline float host_half(unsigned both, int half) { return float_of(half ? both & 0xffff0000u : both << 16); }

struct host_operands { unsigned a[4], b[2]; };
static inline void mma(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    host_gathered<host_operands> lanes({{a[0], a[1], a[2], a[3]}, {b0, b1}});
    int group = host_block.current % 32 / 4, t = host_block.current % 4;
    for (int i = 0; i < 4; i++) {
        int row = group + (i >= 2 ? 8 : 0), column = 2 * t + i % 2;
        float sum = 0;
        for (int k = 0; k < 16; k++) {
            // Element (row, k) of A is of the lane with row mod 8 as group and k mod 8 / 2 in it; a0 a1, a4 a5: rows 0 ... 7.
            unsigned left = lanes[row % 8 * 4 + k % 8 / 2].a[(row >= 8 ? 1 : 0) + (k >= 8 ? 2 : 0)];
            unsigned right = lanes[column * 4 + k % 8 / 2].b[k >= 8 ? 1 : 0];
            sum += host_half(left, k % 2) * host_half(right, k % 2);
        }
        c[i] += sum;
    }
}

struct host_row { uint16_t element[8]; };
/// The rows that lanes point at. They are read as each lane arrives: what other lanes wrote must have been waited for.
static inline host_row host_read_row(unsigned address) {
    host_row row;
    memcpy(&row, host_shared(address), sizeof row);
    return row;
}
static inline void host_check_banks(unsigned address) {
    host_gathered<unsigned> lanes(address);
    for (int first = 0; first < 32; first += 8) {
        unsigned banks = 0;
        for (int lane = first; lane < first + 8; lane++) banks |= 1u << (lanes[lane] / 16 % 8);
        if (banks != 0xff) host_fail("rows of a matrix in the same banks");
    }
}
static inline void ldmatrix(unsigned (&r)[4], unsigned address) {
    host_check_banks(address);
    host_gathered<host_row> rows(host_read_row(address));
    int group = host_block.current % 32 / 4, t = host_block.current % 4;
    for (int m = 0; m < 4; m++) {
        const host_row &row = rows[8 * m + group];
        r[m] = row.element[2 * t] | (unsigned)row.element[2 * t + 1] << 16;
    }
}
static inline void ldmatrix_transposed(unsigned (&r)[4], unsigned address) {
    host_check_banks(address);
    host_gathered<host_row> rows(host_read_row(address));
    int group = host_block.current % 32 / 4, t = host_block.current % 4;
    for (int m = 0; m < 4; m++)
        r[m] = rows[8 * m + 2 * t].element[group] | (unsigned)rows[8 * m + 2 * t + 1].element[group] << 16;
}

/// The copies of one thread that are under way, oldest first.
struct host_copy { unsigned to; const void *from; bool there; };
static struct {
    host_copy copies[256];
    int count, open;         // copies that are under way, and those of them that no commit has ended yet
    int groups[16], groups_count;
} host_copies[HOST_THREADS];

static inline void copy_async(unsigned to, const void *from, bool there) {
    auto &mine = host_copies[host_block.current];
    if (mine.count == 256) host_fail("more copies under way than the host keeps");
    if (there && (uintptr_t)from % 16 != 0) host_fail("a copy from an address that 16 does not divide");
    memset(host_shared(to), 0xff, 16);
    mine.copies[mine.count++] = {to, from, there};
    mine.open++;
}
static inline void copy_commit() {
    auto &mine = host_copies[host_block.current];
    if (mine.groups_count == 16) host_fail("more groups of copies under way than the host keeps");
    mine.groups[mine.groups_count++] = mine.open;
    mine.open = 0;
}
template <int groups> static inline void copy_wait() {
    auto &mine = host_copies[host_block.current];
    while (mine.groups_count > groups) {
        int done = mine.groups[0];
        for (int i = 0; i < done; i++) {
            const host_copy &copy = mine.copies[i];
            if (copy.there) memcpy(host_shared(copy.to), copy.from, 16); else memset(host_shared(copy.to), 0, 16);
        }
        memmove(mine.copies, mine.copies + done, sizeof(host_copy) * (mine.count - done));
        memmove(mine.groups, mine.groups + 1, sizeof(int) * (mine.groups_count - 1));
        mine.count -= done;
        mine.groups_count--;
    }
}
/// At the end of a block: all copies have been waited for.
static void host_check_copies() {
    for (auto &thread : host_copies)
        if (thread.count) host_fail("a block ended with copies under way");
}

static inline unsigned packed(float low, float high) {
    auto narrow = [](float x) {
        unsigned bits = bits_of(x);
        return (bits & 0x7fffffffu) > 0x7f800000u ? 0x7fffu : (bits + 0x7fffu + ((bits >> 16) & 1)) >> 16;
    };
    return narrow(low) | narrow(high) << 16;
}
static inline float fast_exp2(float x) {
    float y = exp2f(x);
    return fabsf(y) < 1.17549435e-38f ? 0.0f : y;
}
static inline int warp_number() { return host_block.current / 32; }
static inline unsigned afresh(unsigned x) { return x; }
static inline float fast_reciprocal(float x) { return 1.0f / x; }

#endif
