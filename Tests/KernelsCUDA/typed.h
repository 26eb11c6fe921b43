// Arrays of either type for the checks: every check runs for float32 and for bfloat16, and with arrays that begin where a load of
// four elements may start and one element after that, which must give the same bits.
#ifndef LOOM_CUDA_TYPED_H
#define LOOM_CUDA_TYPED_H

#include <map>
#include <string>

/// What the check at hand runs with: elements of which type, and how many elements after an aligned address arrays begin.
static struct { int type, shift; } variant;

/// Numbers as the variant's type holds them.
static Floats rounded(Floats x, int type) {
    if (type == 0) return x;
    std::vector<uint16_t> narrow(x.size());
    loom_to_bfloat16(x.data(), narrow.data(), (long)x.size());
    loom_from_bfloat16(narrow.data(), x.data(), (long)x.size());
    return x;
}
static Floats rounded(Floats x) { return rounded(std::move(x), variant.type); }

/// An array for a kernel. Its memory is large enough for float32 in any case, so that a kernel that takes it for the wrong type gives
/// wrong numbers instead of a crash; what lies around the elements must stay as it was.
struct Typed {
    Floats memory;
    size_t count;
    int type, shift;

    explicit Typed(const Floats &values, int type = variant.type)
        : memory(values.size() + 8, NAN), count(values.size()), type(type), shift(variant.shift) {
        *this = values;
    }
    Typed &operator=(const Floats &values) {
        if (values.size() != count) abort();
        if (type == 0) {
            memcpy(data(), values.data(), count * 4);
        } else {
            loom_to_bfloat16(values.data(), (uint16_t *)data(), (long)count);
        }
        return *this;
    }
    char *data(size_t from = 0) const { return (char *)memory.data() + (shift + from) * width(); }
    size_t width() const { return type == 0 ? 4 : 2; }
    float *floats() const { return type == 0 ? (float *)data() : (abort(), nullptr); }
    uint16_t *narrow() const { return type == 1 ? (uint16_t *)data() : (abort(), nullptr); }
    size_t size() const { return count; }
    float operator[](size_t i) const {
        if (type == 0) return ((float *)data())[i];
        return float_of((unsigned)((uint16_t *)data())[i] << 16);
    }
    Floats values() const {
        Floats all(count);
        for (size_t i = 0; i < count; i++) all[i] = (*this)[i];
        return all;
    }
    /// Whether nothing was written around the elements.
    bool intact() const {
        const uint32_t nan = bits_of((float)NAN);
        const char *start = (const char *)memory.data(), *end = start + memory.size() * 4;
        for (const char *at = start; at < end; at++) {
            if (at >= data() && at < data(count)) continue;
            if (*at != ((const char *)&nan)[(at - start) % 4]) return false;
        }
        return true;
    }

    struct Tail {
        void *data;
        int type;
        template <typename Array> operator Array() const { return Array{data, type}; }
    };
    /// The elements from number n on, as a kernel's argument.
    Tail from(size_t n) const { return {data(n), type}; }
    /// As a kernel's argument; each family has an Array of its own.
    template <typename Array> operator Array() const { return Array{data(), type}; }
};
/// A null array.
static Typed::Tail none() { return {nullptr, variant.type}; }
/// Numbers that chance gives, of the variant's type or of float32.
static Typed numbers(size_t n, double low = -1, double high = 1) { return Typed(floats(n, low, high)); }
static Typed wide(const Floats &values) { return Typed(values, 0); }

/// How far a result may be off by its own rounding, relative to its own size.
static double rounding(const Typed &x) { return x.type == 1 ? 0x1p-8 : 0; }
template <typename Other> static double rounding(const Other &) { return 0; }
static bool intact(const Typed &x) { return x.intact(); }
template <typename Other> static bool intact(const Other &) { return true; }

#endif
