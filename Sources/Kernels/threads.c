// A pool of threads that hands out numbered tasks.
//
// A run is published by a ticket: a 64-bit atomic of a run number and the next task to hand out. A worker claims a task
// by advancing the ticket with compare-and-swap; that fails when the run has changed meanwhile, so a worker that comes
// late never touches a run that is over, and a run need not wait for workers that are still asleep. While the run's
// description is rewritten the ticket is closed: its task number is beyond every count.
#define _POSIX_C_SOURCE 200809L  // clock_gettime under -std=c17
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "kernels.h"

typedef void (*loom_body)(void *context, loom_size task);

enum { LOOM_CACHE_LINE = 128 };

struct loom_pool {
    int threads, started;
    pthread_t *workers;
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    atomic_int busy;  // a caller runs tasks on the pool

    _Alignas(LOOM_CACHE_LINE) _Atomic uint64_t ticket;  // run << 32 | next task
    _Atomic(loom_body) body;
    _Atomic(void *) context;
    atomic_uint_fast32_t tasks;
    _Atomic loom_size first;  // the number of task 0, for counts beyond 32 bits

    _Alignas(LOOM_CACHE_LINE) atomic_uint_fast32_t remaining;  // tasks not finished
    atomic_int sleeping, waiting, stopping;                    // workers asleep; the caller asleep; the end
};

static const uint32_t closed = UINT32_MAX;

/// Set while this thread works for a pool, so that runs inside a body stay on it.
static _Thread_local int inside;

static inline void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

static int64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/// Spins until the condition holds or some 40 microseconds have passed. The clock is read once in 16 pauses.
#define SPIN_UNTIL(condition)                                      \
    for (int64_t end = 0; !(condition);) {                         \
        for (int i = 0; i < 16 && !(condition); i++) pause_briefly(); \
        int64_t now = nanoseconds();                               \
        if (end == 0) end = now + 40000;                           \
        if (now > end) break;                                      \
    }

static void run_inline(loom_size tasks, loom_body body, void *context) {
    for (loom_size task = 0; task < tasks; task++) body(context, task);
}

/// Claims and runs tasks until there are none to claim.
static void work(loom_pool *pool) {
    for (;;) {
        uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
        if ((uint32_t)ticket == closed) return;
        // These are read with acquire and written with release: whoever reads a later run's value also sees that the
        // ticket was closed before, and fails to advance it.
        uint32_t tasks = (uint32_t)atomic_load_explicit(&pool->tasks, memory_order_acquire);
        loom_body body = atomic_load_explicit(&pool->body, memory_order_acquire);
        void *context = atomic_load_explicit(&pool->context, memory_order_acquire);
        loom_size first = atomic_load_explicit(&pool->first, memory_order_acquire);
        if ((uint32_t)ticket >= tasks) return;
        if (!atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket + 1, memory_order_acq_rel,
                                                   memory_order_relaxed))
            continue;
        body(context, first + (uint32_t)ticket);
        if (atomic_fetch_sub(&pool->remaining, 1) == 1 && atomic_load(&pool->waiting)) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->mutex);
        }
    }
}

static void *worker(void *argument) {
    loom_pool *pool = argument;
    inside = 1;
    uint32_t seen = 0;  // the last run looked at
#define NEWS() ((uint32_t)(atomic_load(&pool->ticket) >> 32) != seen || atomic_load(&pool->stopping))
    for (;;) {
        SPIN_UNTIL(NEWS())
        if (!NEWS()) {
            pthread_mutex_lock(&pool->mutex);
            atomic_fetch_add(&pool->sleeping, 1);
            while (!NEWS()) pthread_cond_wait(&pool->work, &pool->mutex);
            atomic_fetch_sub(&pool->sleeping, 1);
            pthread_mutex_unlock(&pool->mutex);
        }
        if (atomic_load(&pool->stopping)) return NULL;
        uint64_t ticket = atomic_load(&pool->ticket);
        if ((uint32_t)ticket == closed) continue;  // about to be published
        seen = (uint32_t)(ticket >> 32);
        work(pool);
    }
#undef NEWS
}

int loom_pool_threads(const loom_pool *pool) {
    return pool->threads;
}

void loom_pool_destroy(loom_pool *pool) {
    if (pool == NULL) return;
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->stopping, 1);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < pool->started; i++) pthread_join(pool->workers[i], NULL);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->workers);
    free(pool);
}

loom_pool *loom_pool_create(int threads) {
    if (threads < 1) threads = 1;
    loom_pool *pool = aligned_alloc(LOOM_CACHE_LINE, sizeof(loom_pool));
    if (pool == NULL) return NULL;
    *pool = (loom_pool){.threads = threads};
    atomic_store(&pool->ticket, (uint64_t)closed);
    pool->workers = calloc((size_t)threads, sizeof(pthread_t));
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    int failed = pool->workers == NULL;
    while (!failed && pool->started < threads - 1) {
        failed = pthread_create(&pool->workers[pool->started], NULL, worker, pool) != 0;
        if (!failed) pool->started++;
    }
    if (failed) {
        loom_pool_destroy(pool);
        return NULL;
    }
    return pool;
}

/// One run of at most 2^31 tasks; the caller holds `busy`.
static void run_on_pool(loom_pool *pool, loom_size first, uint32_t tasks, loom_body body, void *context) {
    uint64_t run = (atomic_load_explicit(&pool->ticket, memory_order_relaxed) >> 32) + 1;
    // Closed under the old number, so that waking workers still see nothing new.
    atomic_store(&pool->ticket, (run - 1) << 32 | closed);
    atomic_store_explicit(&pool->tasks, tasks, memory_order_release);
    atomic_store_explicit(&pool->body, body, memory_order_release);
    atomic_store_explicit(&pool->context, context, memory_order_release);
    atomic_store_explicit(&pool->first, first, memory_order_release);
    atomic_store(&pool->remaining, tasks);
    atomic_store(&pool->ticket, (run & UINT32_MAX) << 32);
    if (atomic_load(&pool->sleeping) > 0) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_broadcast(&pool->work);
        pthread_mutex_unlock(&pool->mutex);
    }
    inside = 1;
    work(pool);
    inside = 0;
    SPIN_UNTIL(atomic_load(&pool->remaining) == 0)
    if (atomic_load(&pool->remaining) != 0) {
        pthread_mutex_lock(&pool->mutex);
        atomic_store(&pool->waiting, 1);
        while (atomic_load(&pool->remaining) != 0) pthread_cond_wait(&pool->done, &pool->mutex);
        atomic_store(&pool->waiting, 0);
        pthread_mutex_unlock(&pool->mutex);
    }
}

void loom_pool_run(loom_pool *pool, loom_size tasks, void (*body)(void *context, loom_size task), void *context) {
    int idle = 0;
    // A second outside thread does its own tasks rather than wait.
    if (tasks <= 1 || pool->threads == 1 || inside || !atomic_compare_exchange_strong(&pool->busy, &idle, 1)) {
        run_inline(tasks, body, context);
        return;
    }
    const loom_size most = INT32_MAX;
    for (loom_size first = 0; first < tasks; first += most)
        run_on_pool(pool, first, (uint32_t)(tasks - first < most ? tasks - first : most), body, context);
    atomic_store(&pool->busy, 0);
}
