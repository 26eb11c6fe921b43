#if defined(__linux__)
#define _POSIX_C_SOURCE 200809L  // O_CLOEXEC under -std=c17
#endif
#include "kernels.h"

#if defined(__APPLE__)
#include <mach/mach.h>
#elif defined(__linux__)
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>
#endif

loom_size loom_resident_bytes(void) {
#if defined(__APPLE__)
    mach_task_basic_info_data_t info;
    mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
    if (task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info, &count) != KERN_SUCCESS) return -1;
    return (loom_size)info.resident_size;
#elif defined(__linux__)
    // Second number: resident pages. Read without stdio, whose buffer would be part of what is measured.
    char text[128];
    const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    const ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    long size, resident;
    if (length <= 0) return -1;
    text[length] = 0;
    if (sscanf(text, "%ld %ld", &size, &resident) != 2) return -1;
    return (loom_size)resident * sysconf(_SC_PAGESIZE);
#else
    return -1;
#endif
}

void loom_release_free_memory(void) {
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}
