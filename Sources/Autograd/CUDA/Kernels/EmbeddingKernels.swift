extension CUDASource {
    /// Look-up by id and its gradient.
    ///
    /// The gradient adds rows of dy that share an id. Atomic additions would queue up on frequent ids and come in any order, so
    /// places are sorted by id (a stable radix sort, four bits at a time), and a block adds up a chunk of the sorted places: a run
    /// of equal ids within it goes to the table; the runs at its two ends, which may go on in its neighbours, wait in
    /// `edges` [chunks, 2, columns] until one thread a column adds them in order.
    static let embedding = CUDASource(
        name: "embedding",
        body: fours + #"""
            KERNEL(gather)(Array table, const int *ids, Array y, Size rows, Size columns) {
                each_spot(rows * columns, columns % 4 == 0 && aligned(table, y), [=](auto at) {
                    enum { W = decltype(at)::width };
                    Cell cell = cell_of(at.i, columns);
                    Loaded<W> row = get(table, Spot<W>{(Size)ids[cell.row] * columns + cell.column});
                    Made<W> made;
                    for (int l = 0; l < W; l++) made[l] = row[l];
                    set(y, at, made);
                });
            }

            enum { PER_THREAD = 4, DIGITS = 16 };

            KERNEL(sort_start)(const int *ids, int *keys, int *places, Size n) {
                EACH(i, n) {
                    keys[i] = ids[i];
                    places[i] = (int)i;
                }
            }
            // counts[digit, block]: how often a digit occurs in a block's 1024 keys. 256 threads.
            KERNEL(sort_count)(const int *keys, Size n, int shift, int *counts) {
                SHARED int found[DIGITS];
                if (threadIdx.x < DIGITS) found[threadIdx.x] = 0;
                __syncthreads();
                for (int k = 0; k < PER_THREAD; k++) {
                    Size i = ((Size)blockIdx.x * blockDim.x + threadIdx.x) * PER_THREAD + k;
                    if (i < n) atomicAdd(&found[keys[i] >> shift & (DIGITS - 1)], 1);
                }
                __syncthreads();
                if (threadIdx.x < DIGITS) counts[threadIdx.x * gridDim.x + blockIdx.x] = found[threadIdx.x];
            }
            // counts become the places where each digit of each block begins. One block.
            KERNEL(sort_scan)(int *counts, Size n) {
                SHARED int sums[256];
                Size share = (n + blockDim.x - 1) / blockDim.x, first = min(threadIdx.x * share, n), last = min(first + share, n);
                int sum = 0;
                for (Size i = first; i < last; i++) sum += counts[i];
                sums[threadIdx.x] = sum;
                __syncthreads();
                int before = 0;
                for (int thread = 0; thread < threadIdx.x; thread++) before += sums[thread];
                for (Size i = first; i < last; i++) {
                    int count = counts[i];
                    counts[i] = before;
                    before += count;
                }
            }
            // Puts keys and places where the digit at `shift` says, equal digits in their order. 256 threads.
            KERNEL(sort_move)(
                const int *keys, const int *places, Size n, int shift, const int *starts, int *sorted_keys, int *sorted_places) {
                SHARED int ahead[DIGITS][257];
                int digits[PER_THREAD];
                for (int d = 0; d < DIGITS; d++) ahead[d][threadIdx.x] = 0;
                Size first = ((Size)blockIdx.x * blockDim.x + threadIdx.x) * PER_THREAD;
                for (int k = 0; k < PER_THREAD; k++) {
                    digits[k] = first + k < n ? keys[first + k] >> shift & (DIGITS - 1) : -1;
                    if (digits[k] >= 0) ahead[digits[k]][threadIdx.x]++;
                }
                __syncthreads();
                // One thread a digit turns counts into how many threads before have it.
                if (threadIdx.x < DIGITS) {
                    int sum = 0;
                    for (int thread = 0; thread < blockDim.x; thread++) {
                        int count = ahead[threadIdx.x][thread];
                        ahead[threadIdx.x][thread] = sum;
                        sum += count;
                    }
                }
                __syncthreads();
                for (int k = 0; k < PER_THREAD; k++) {
                    int d = digits[k];
                    if (d < 0) continue;
                    Size to = starts[(Size)d * gridDim.x + blockIdx.x] + ahead[d][threadIdx.x]++;
                    sorted_keys[to] = keys[first + k];
                    sorted_places[to] = places[first + k];
                }
            }

            // A block in x adds up a chunk of sorted places; threads are columns, blocks in y the further ones.
            KERNEL(scatter_chunks)(
                Array dy, const int *keys, const int *places, Size n, Size columns, Size chunk, float *table, float *edges) {
                Size c = (Size)blockIdx.y * blockDim.x + threadIdx.x;
                if (c >= columns) return;
                Size first = (Size)blockIdx.x * chunk, end = min(first + chunk, n);
                float sum = 0, *ends = edges + (Size)blockIdx.x * 2 * columns + c;
                bool later = false;  // whether an earlier run ended in this chunk
                ends[0] = ends[columns] = 0;
                for (Size i = first; i < end; i++) {
                    sum += get(dy, (Size)places[i] * columns + c);
                    if (i + 1 < end && keys[i + 1] == keys[i]) continue;
                    if (i + 1 == end) {
                        ends[later ? columns : 0] = sum;
                    } else if (later) {
                        table[(Size)keys[i] * columns + c] += sum;
                    } else {
                        ends[0] = sum;
                    }
                    later = true;
                    sum = 0;
                }
            }
            // The runs at the ends of chunks, in order: neighbours of one id are added up first. Threads are columns.
            KERNEL(scatter_edges)(
                const int *keys, Size n, Size columns, Size chunk, const float *edges, float *table) {
                enum { AHEAD = 8 };
                Size chunks = (n + chunk - 1) / chunk;
                EACH(c, columns) {
                    float sum = 0;
                    int key = -1;
                    for (Size at = 0; at < chunks; at += AHEAD) {
                        // What several chunks left is loaded before any of it is used: there are few threads, and they would wait for
                        // one load after another.
                        int owns[AHEAD][2];
                        float sums[AHEAD][2];
                        #pragma unroll
                        for (int k = 0; k < AHEAD; k++) {
                            Size place = min(at + k, chunks - 1), first = place * chunk, last = min(first + chunk, n) - 1;
                            owns[k][0] = keys[first], owns[k][1] = keys[last];
                            sums[k][0] = edges[place * 2 * columns + c], sums[k][1] = edges[(place * 2 + 1) * columns + c];
                        }
                        #pragma unroll
                        for (int k = 0; k < AHEAD; k++) {
                            if (at + k >= chunks) continue;
                            bool one = owns[k][0] == owns[k][1];  // a single run
                            #pragma unroll
                            for (int end = 0; end < 2; end++) {
                                if (end == 1 && one) continue;
                                if (owns[k][end] != key) {
                                    if (key >= 0) table[(Size)key * columns + c] += sum;
                                    key = owns[k][end];
                                    sum = 0;
                                }
                                sum += sums[k][end];
                            }
                        }
                    }
                    if (key >= 0) table[(Size)key * columns + c] += sum;
                }
            }
            """#)
}
