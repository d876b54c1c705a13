// SPDX-License-Identifier: Apache-2.0
// The system calls the helper makes: sys(NAME, ARGUMENT...), as in the man page. That
// gives a value >= 0 or minus the errno; there is no errno variable. Kernel structs are
// at full size and always zeroed by their users (R25).
#ifndef LC_SYS_H
#define LC_SYS_H

#include <asm/errno.h>
#include <asm/ioctls.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/socket.h>
#include <asm/statfs.h>
#include <asm/unistd.h>
#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/landlock.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/stat.h>
#include <linux/time.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch.h"

// Constants that only the C library's headers carry, the same on every processor.
enum {
    MNT_DETACH = 2,
    X_OK = 1,
    SOCK_CLOEXEC = O_CLOEXEC,
    SCM_RIGHTS = 1,
    MSG_DONTWAIT = 0x40,
    MSG_NOSIGNAL = 0x4000,
    MSG_CMSG_CLOEXEC = 0x40000000,
};

struct msghdr {
    void *name;
    int name_size;
    struct iovec *parts;
    size_t nparts;
    void *control;
    size_t control_size;
    unsigned int flags;
};

#define SYS_SIX(name, a, b, c, d, e, f, ...)                                    \
    arch_syscall(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), \
                 (long)(f))
#define sys_long(name, ...) SYS_SIX(name, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define sys(name, ...) narrow(sys_long(name, __VA_ARGS__))

static inline int narrow(long result)
{
    return (int)result;
}

static inline _Noreturn void exit_group(int status)
{
    sys(exit_group, status);
    // A filter that is ours by now refuses even this: a fault ends us as well.
    for (;;)
        __builtin_trap();
}

// statx(2) of an open file.
static inline int fd_statx(int fd, unsigned int mask, struct statx *result)
{
    return sys(statx, fd, "", AT_EMPTY_PATH, mask, result);
}

static inline size_t text_size(const char *text)
{
    size_t size = 0;
    while (text[size] != '\0')
        size++;
    return size;
}

#endif
