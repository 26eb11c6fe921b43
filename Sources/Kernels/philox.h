// Philox4x32-10, the counter-based generator of Salmon et al. (2011), many counters at a time.
#ifndef LOOM_PHILOX_H
#define LOOM_PHILOX_H

#include "vector_math.h"

/// Numbers made at a time. A multiple of four numbers a block, and of the 16 blocks made side by side.
enum { LOOM_PHILOX_LANES = 16, LOOM_PHILOX_BATCH = 256 };

/// Four numbers for each of `blocks` (rounded up to 16) counters from `first`. A word is kept in 64 bits and its upper
/// half is never read, so that a round is one 32 by 32 multiplication, a shift and two exclusive ors for each half.
LOOM_INLINE void loom_philox(uint32_t *numbers, uint64_t first, loom_size blocks, uint64_t key, uint64_t stream) {
    for (loom_size group = 0; group < blocks; group += LOOM_PHILOX_LANES) {
        uint32_t *out = numbers + 4 * group;
        uint64_t counter = first + (uint64_t)group;
#pragma clang loop vectorize(assume_safety) vectorize_width(8) interleave_count(2) unroll(disable)
        for (loom_size lane = 0; lane < LOOM_PHILOX_LANES; lane++) {
            uint64_t c0 = counter + (uint64_t)lane, c1 = c0 >> 32, c2 = stream, c3 = stream >> 32;
            uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
#pragma unroll
            for (int round = 0; round < 10; round++) {
                uint64_t a = (c0 & 0xffffffffu) * 0xD2511F53u;
                uint64_t b = (c2 & 0xffffffffu) * 0xCD9E8D57u;
                c0 = (b >> 32) ^ c1 ^ k0;
                c2 = (a >> 32) ^ c3 ^ k1;
                c1 = b;
                c3 = a;
                k0 += 0x9E3779B9u;
                k1 += 0xBB67AE85u;
            }
            out[4 * lane] = (uint32_t)c0;
            out[4 * lane + 1] = (uint32_t)c1;
            out[4 * lane + 2] = (uint32_t)c2;
            out[4 * lane + 3] = (uint32_t)c3;
        }
    }
}

/// The numbers from element `offset` on, at most `count` of them: returns how many there are and where they start in
/// the buffer, which has room for LOOM_PHILOX_BATCH.
LOOM_INLINE loom_size loom_philox_batch(uint32_t *buffer, uint64_t offset, loom_size count, uint64_t key,
                                        uint64_t stream, loom_size *start) {
    loom_size skip = (loom_size)(offset % 4);
    loom_size taken = count < LOOM_PHILOX_BATCH - skip ? count : LOOM_PHILOX_BATCH - skip;
    loom_philox(buffer, offset / 4, (skip + taken + 3) / 4, key, stream);
    *start = skip;
    return taken;
}

/// What a value is multiplied by under dropout: 0 or 1 / (1 - p).
LOOM_INLINE float loom_keep(uint32_t bits, float p, float inverse) {
    return (float)(int32_t)(bits >> 8) * 0x1p-24f >= p ? inverse : 0.0f;
}

#endif
