// SPDX-License-Identifier: Apache-2.0
// The system calls the helper makes, named as their man pages. Each gives a
// value >= 0 or minus the errno; there is no errno variable. Kernel structs are
// declared here at full size and always zeroed by their users (R25).
#ifndef LC_SYS_H
#define LC_SYS_H

#include <asm/errno.h>
#include <asm/ioctls.h>
#include <asm/statfs.h>
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/landlock.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <linux/stat.h>
#include <linux/wait.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch.h"

// Numbers from 424 on are the same on every architecture.
#ifndef __NR_open_tree
#define __NR_open_tree 428
#endif
#ifndef __NR_move_mount
#define __NR_move_mount 429
#endif
#ifndef __NR_fsopen
#define __NR_fsopen 430
#endif
#ifndef __NR_fsconfig
#define __NR_fsconfig 431
#endif
#ifndef __NR_fsmount
#define __NR_fsmount 432
#endif
#ifndef __NR_pidfd_open
#define __NR_pidfd_open 434
#endif
#ifndef __NR_clone3
#define __NR_clone3 435
#endif
#ifndef __NR_close_range
#define __NR_close_range 436
#endif
#ifndef __NR_openat2
#define __NR_openat2 437
#endif
#ifndef __NR_faccessat2
#define __NR_faccessat2 439
#endif
#ifndef __NR_mount_setattr
#define __NR_mount_setattr 442
#endif
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#endif
#ifndef __NR_landlock_add_rule
#define __NR_landlock_add_rule 445
#endif
#ifndef __NR_landlock_restrict_self
#define __NR_landlock_restrict_self 446
#endif

// Constants that only the C library's headers carry, the same on both processors.
enum {
    MNT_DETACH = 2,
    PROT_READ = 1,
    PROT_WRITE = 2,
    MAP_PRIVATE = 2,
    MAP_ANONYMOUS = 32,
    X_OK = 1,
    SIG_BLOCK = 0,
    SIG_UNBLOCK = 1,
    SIG_SETMASK = 2,
    SIGKILL = 9,
    SIGALRM = 14,
    SIGCHLD = 17,
    SIGSTOP = 19,
    ITIMER_REAL = 0,
    AF_INET = 2,
    SOCK_DGRAM = 2,
    SOCK_CLOEXEC = O_CLOEXEC,
    SOL_SOCKET = 1,
    SO_RCVTIMEO = 20,
    SO_SNDTIMEO = 21,
    SCM_RIGHTS = 1,
    MSG_DONTWAIT = 0x40,
    MSG_NOSIGNAL = 0x4000,
    MSG_CMSG_CLOEXEC = 0x40000000,
    CLOCK_REALTIME = 0,
    IFF_UP = 1,
    RLIMIT_NOFILE = 7,
};

#define SA_RESTORER 0x04000000UL

struct iovec {
    void *base;
    size_t size;
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

struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

struct itimer {
    long interval_s, interval_us, value_s, value_us;
};

struct rlimit64 {
    uint64_t soft, hard;
};

struct winsize {
    unsigned short rows, columns, x, y;
};

// Of siginfo_t what waitid(2) fills in; the kernel writes 128 bytes.
struct siginfo {
    int number, error, code, padding;
    int pid, uid, status;
    char rest[100];
};

struct ifreq {
    char name[16];
    short flags;
    char rest[22];
};

#define CALL(name, a, b, c, d, e, f)                                            \
    arch_syscall(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), \
                 (long)(f))
#define DEFINE0(result, name)                                                   \
    static inline result name(void)                                             \
    {                                                                           \
        return (result)CALL(name, 0, 0, 0, 0, 0, 0);                            \
    }
#define DEFINE1(result, name, A)                                                \
    static inline result name(A a)                                              \
    {                                                                           \
        return (result)CALL(name, a, 0, 0, 0, 0, 0);                            \
    }
#define DEFINE2(result, name, A, B)                                             \
    static inline result name(A a, B b)                                         \
    {                                                                           \
        return (result)CALL(name, a, b, 0, 0, 0, 0);                            \
    }
#define DEFINE3(result, name, A, B, C)                                          \
    static inline result name(A a, B b, C c)                                    \
    {                                                                           \
        return (result)CALL(name, a, b, c, 0, 0, 0);                            \
    }
#define DEFINE4(result, name, A, B, C, D)                                       \
    static inline result name(A a, B b, C c, D d)                               \
    {                                                                           \
        return (result)CALL(name, a, b, c, d, 0, 0);                            \
    }
#define DEFINE5(result, name, A, B, C, D, E)                                    \
    static inline result name(A a, B b, C c, D d, E e)                          \
    {                                                                           \
        return (result)CALL(name, a, b, c, d, e, 0);                            \
    }
#define DEFINE6(result, name, A, B, C, D, E, F)                                 \
    static inline result name(A a, B b, C c, D d, E e, F f)                     \
    {                                                                           \
        return (result)CALL(name, a, b, c, d, e, f);                            \
    }

// Files.
DEFINE4(int, openat2, int, const char *, const struct open_how *, size_t)
DEFINE4(int, openat, int, const char *, int, unsigned int)
DEFINE1(int, close, int)
DEFINE4(int, landlock_add_rule, int, int, const void *, unsigned int)
DEFINE3(int, close_range, unsigned int, unsigned int, unsigned int)
DEFINE3(long, read, int, void *, size_t)
DEFINE3(long, write, int, const void *, size_t)
DEFINE5(int, renameat2, int, const char *, int, const char *, unsigned int)
DEFINE2(int, clock_gettime, int, long *)
DEFINE3(int, dup3, int, int, int)
DEFINE3(int, fcntl, int, int, long)
DEFINE3(int, ioctl, int, unsigned long, long)
DEFINE5(int, statx, int, const char *, int, unsigned int, struct statx *)
DEFINE2(int, fstatfs, int, struct statfs *)
DEFINE4(int, faccessat2, int, const char *, int, int)
DEFINE3(int, mkdirat, int, const char *, uint32_t)
DEFINE4(int, mknodat, int, const char *, uint32_t, unsigned int)
DEFINE3(int, symlinkat, const char *, int, const char *)
DEFINE4(long, readlinkat, int, const char *, char *, size_t)
DEFINE5(int, fchownat, int, const char *, uint32_t, uint32_t, int)
DEFINE3(int, fchown, int, uint32_t, uint32_t)
DEFINE1(int, chdir, const char *)
DEFINE1(int, fchdir, int)
DEFINE2(int, getcwd, char *, size_t)
DEFINE1(int, umask, uint32_t)
DEFINE2(int, munmap, void *, size_t)
DEFINE6(long, mmap, void *, size_t, int, int, int, long)

// Mounts.
DEFINE3(int, open_tree, int, const char *, unsigned int)
DEFINE5(int, move_mount, int, const char *, int, const char *, unsigned int)
DEFINE2(int, fsopen, const char *, unsigned int)
DEFINE5(int, fsconfig, int, unsigned int, const char *, const void *, int)
DEFINE3(int, fsmount, int, unsigned int, unsigned int)
DEFINE5(int, mount_setattr, int, const char *, unsigned int, struct mount_attr *,
        size_t)
DEFINE5(int, mount, const char *, const char *, const char *, unsigned long,
        const void *)
DEFINE2(int, umount2, const char *, int)
DEFINE2(int, pivot_root, const char *, const char *)

// Namespaces, processes, signals.
DEFINE2(int, setns, int, int)
DEFINE1(int, unshare, unsigned long)
// With no stack and no thread, in which the order of the arguments differs.
DEFINE5(int, clone, unsigned long, unsigned long, int *, unsigned long, unsigned long)
DEFINE2(int, clone3, struct clone_args *, size_t)
DEFINE2(int, pidfd_open, int, unsigned int)
DEFINE3(int, execve, const char *, const char *const *, const char *const *)
DEFINE4(int, prlimit64, int, int, const struct rlimit64 *, struct rlimit64 *)
DEFINE5(int, waitid, int, int, struct siginfo *, int, void *)
DEFINE4(int, signalfd4, int, const uint64_t *, size_t, int)
DEFINE0(int, getpid)
DEFINE0(int, setsid)
DEFINE2(int, setpgid, int, int)
DEFINE2(int, kill, int, int)
DEFINE4(int, wait4, int, int *, int, void *)
DEFINE4(int, rt_sigtimedwait, const uint64_t *, void *, const void *, size_t)
DEFINE5(int, ppoll, struct pollfd *, unsigned int, const long *, const uint64_t *, size_t)
DEFINE3(int, setitimer, int, const struct itimer *, struct itimer *)
DEFINE4(int, rt_sigaction, int, const struct kernel_sigaction *,
        struct kernel_sigaction *, size_t)
DEFINE4(int, rt_sigprocmask, int, const uint64_t *, uint64_t *, size_t)

// Credentials.
DEFINE5(int, prctl, int, unsigned long, unsigned long, unsigned long, unsigned long)
DEFINE3(int, seccomp, unsigned int, unsigned int, const void *)
DEFINE2(int, capset, struct __user_cap_header_struct *, struct __user_cap_data_struct *)
DEFINE2(int, capget, struct __user_cap_header_struct *, struct __user_cap_data_struct *)
DEFINE2(int, setgroups, size_t, const uint32_t *)
DEFINE2(int, getgroups, int, uint32_t *)
DEFINE3(int, setresuid, uint32_t, uint32_t, uint32_t)
DEFINE3(int, setresgid, uint32_t, uint32_t, uint32_t)
DEFINE3(int, getresuid, uint32_t *, uint32_t *, uint32_t *)
DEFINE3(int, getresgid, uint32_t *, uint32_t *, uint32_t *)

// Sockets.
DEFINE3(int, socket, int, int, int)
DEFINE4(int, accept4, int, void *, int *, int)
DEFINE5(int, setsockopt, int, int, int, const void *, int)
DEFINE3(long, sendmsg, int, const struct msghdr *, int)
DEFINE6(long, sendto, int, const void *, size_t, int, const void *, int)
DEFINE3(long, recvmsg, int, struct msghdr *, int)
DEFINE6(long, recvfrom, int, void *, size_t, int, void *, int *)

static inline void exit_group(int status)
{
    for (;;)
        CALL(exit_group, status, 0, 0, 0, 0, 0);
}

// statx(2) of an open file.
static inline int fd_statx(int fd, unsigned int mask, struct statx *result)
{
    return statx(fd, "", AT_EMPTY_PATH, mask, result);
}

static inline size_t text_size(const char *text)
{
    size_t size = 0;
    while (text[size] != '\0')
        size++;
    return size;
}

#endif
