// SPDX-License-Identifier: Apache-2.0
// The two ways to start a process. Between the clone and the exec there is nothing but
// a few system calls: no Python, no allocation, no lock.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ffi.cdef.h"
#include "helper/arch.h"

// The same on every architecture.
#ifndef __NR_clone3
#define __NR_clone3 435
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#define LC_CLONE_CLEAR_SIGHAND 0x100000000ULL
#define LC_CLONE_INTO_CGROUP 0x200000000ULL
#define LEGACY_NAMESPACES                                                       \
    ((unsigned long long)(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |        \
                          CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET) |         \
     CLONE_NEWUSER)

#define LC_P_PIDFD 3

// What the child needs; it lives on the suspended caller's stack.
struct spawn_child {
    int image_fd;
    const char *const *argv;
    const char *const *envp;
    const int *fds;
    int nfds;
    bool heed_signals;
    volatile int *error;
};

// Which signals are ignored, bit 0 for the first; every bit where that cannot be told.
// One look instead of a question about each.
static uint64_t ignored_signals(void) {
    static const char key[] = "\nSigIgn:\t";
    char text[4096];
    long fd = syscall(__NR_openat, AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ~(uint64_t)0;
    long size = syscall(__NR_read, fd, text, sizeof text);
    syscall(__NR_close, fd);
    for (long at = 0; at + (long)sizeof key + 16 <= size; at++) {
        if (memcmp(text + at, key, sizeof key - 1) != 0) continue;
        uint64_t found = 0;
        for (int i = 0; i < 16; i++) {
            char c = text[at + (long)sizeof key - 1 + i];
            found = found << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        return found;
    }
    return ~(uint64_t)0;
}

// An ignored signal would stay ignored over execve(2), a handled one does not.
static int heed_signals(void) {
    struct {
        uint64_t handler, flags, restorer, mask;
    } normal;
    memset(&normal, 0, sizeof normal);
    uint64_t ignored = ignored_signals();
    for (int number = 1; ignored != 0; number++, ignored >>= 1) {
        if (!(ignored & 1) || number == SIGKILL || number == SIGSTOP) continue;
        if (syscall(__NR_rt_sigaction, number, &normal, NULL, (size_t)(_NSIG / 8)) < 0)
            return errno;
    }
    return 0;
}

// Runs in the child, with every signal blocked, and with the caller's memory after
// lc_spawn: only async-signal-safe calls, nothing may be allocated or locked. Not
// inlined: what it has on the stack must lie below all that the caller still needs.
__attribute__((noinline, noreturn)) static void exec_image(
    const struct spawn_child *child) {
    int number = child->heed_signals ? heed_signals() : 0;
    if (number != 0) {
        *child->error = number;
        _exit(127);
    }
    for (int i = 0; i < child->nfds; i++) {
        if (fcntl(child->fds[i], F_SETFD, 0) < 0) {
            *child->error = errno;
            _exit(127);
        }
    }
    syscall(__NR_execveat, child->image_fd, "", child->argv, child->envp,
            AT_EMPTY_PATH);
    *child->error = errno;
    _exit(127);
}

// The kernel's own call: the C library would leave its internal signals open.
static void set_signal_mask(int how, const sigset_t *new, sigset_t *old) {
    syscall(__NR_rt_sigprocmask, how, new, old, (size_t)(_NSIG / 8));
}

// After a failed exec: the child is at its end, so this does not block for long.
// ECHILD means that the caller ignores SIGCHLD or somebody else reaped it.
static void reap_failed_child(int *pidfd, int *pid) {
    siginfo_t info;
    while (syscall(__NR_waitid, LC_P_PIDFD, *pidfd, &info, WEXITED | __WALL, NULL) <
               0 &&
           errno == EINTR) {
    }
    close(*pidfd);
    *pidfd = -1;
    *pid = -1;
}

// The decimal digits of a number >= 0; "text" has room for 12.
static char *digits_of(int number, char *text) {
    char *at = text + 11;
    *at = 0;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    return at;
}

// The kernel's struct clone_args, version 2 (Linux 5.7).
struct clone3_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls,
        set_tid, set_tid_size, cgroup;
};

static uint64_t address(const void *pointer) { return (uint64_t)(uintptr_t)pointer; }

// The child shares the caller's memory and stack, as after vfork(2), and the caller
// stands still until it has executed: so the system call must be made right here, not
// in a function that the child would return from, and the child leaves for exec_image
// at once. Nothing is copied, whatever the caller's size.
static long clone_here(struct clone3_args *args, const struct spawn_child *child) {
    long made;
    args->flags |= CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
    if (args->flags & LC_CLONE_INTO_CGROUP) {
        made = arch_syscall(__NR_clone3, (long)args, sizeof *args, 0, 0, 0, 0);
    } else {
        // Of the two the one that every filter of system calls knows.
        unsigned long flags = (unsigned long)(args->flags | args->exit_signal);
        made = arch_syscall(__NR_clone, (long)flags, 0, (long)args->pidfd, 0, 0, 0);
    }
    if (made == 0) exec_image(child);
    return made;
}

int lc_spawn(int image_fd, unsigned long long flags, int cgroup_fd, const int *fds,
             int nfds, int *pidfd, int *pid) {
    // The program learns the number of its first fd, the plan, and nothing else.
    char text[12];
    char *first = nfds > 0 && fds[0] >= 0 ? digits_of(fds[0], text) : NULL;
    const char *const argv[] = {"libcontainer-init", first, NULL};
    static const char *const envp[] = {NULL};
    volatile int child_error = 0;
    struct spawn_child child = {image_fd, argv, envp, fds, nfds, true, &child_error};

    *pidfd = -1;
    *pid = -1;
    if (flags & ~LEGACY_NAMESPACES) return -EINVAL;
    struct clone3_args args = {
        .flags = flags,
        .pidfd = address(pidfd),
        .exit_signal = SIGCHLD,
    };
    if (cgroup_fd >= 0) {
        args.flags |= LC_CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup_fd;
    }

    sigset_t all, before;
    memset(&all, 0xff, sizeof all);
    memset(&before, 0, sizeof before);
    set_signal_mask(SIG_BLOCK, &all, &before);
    long made = clone_here(&args, &child);
    int number = made < 0 ? (int)-made : child_error;
    if (made >= 0) *pid = (int)made;
    if (made >= 0 && number) reap_failed_child(pidfd, pid);
    set_signal_mask(SIG_SETMASK, &before, NULL);
    return -number;
}

// CLONE_VFORK without CLONE_VM: the child has its own copy of the memory, so it may
// return from the raw system call onto this stack on every architecture, and the
// caller waits until it has executed. The error comes back through a shared page.
int lc_clone3(const struct lc_clone3_request *request, int *pidfd, int *pid) {
    const unsigned long long allowed = LEGACY_NAMESPACES | CLONE_NEWTIME | CLONE_IO |
                                       CLONE_UNTRACED | LC_CLONE_CLEAR_SIGHAND;
    *pidfd = -1;
    *pid = -1;
    if (request->flags & ~allowed) return -EINVAL;

    volatile int *error = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (error == MAP_FAILED) return -errno;
    struct spawn_child child = {request->image_fd, request->argv, request->envp,
                                request->fds,      request->nfds, false,
                                error};
    struct clone3_args args = {
        .flags = request->flags | CLONE_VFORK | CLONE_PIDFD,
        .pidfd = address(pidfd),
        .exit_signal = (uint64_t)request->exit_signal,
        .set_tid = address(request->set_tid_size ? request->set_tid : NULL),
        .set_tid_size = (uint64_t)request->set_tid_size,
    };
    if (request->cgroup_fd >= 0) {
        args.flags |= LC_CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)request->cgroup_fd;
    }

    sigset_t all, before;
    memset(&all, 0xff, sizeof all);
    memset(&before, 0, sizeof before);
    set_signal_mask(SIG_BLOCK, &all, &before);
    long made = syscall(__NR_clone3, &args, sizeof args);
    if (made == 0) exec_image(&child);
    int number = made < 0 ? errno : *error;
    if (made >= 0) *pid = (int)made;
    if (made >= 0 && number) reap_failed_child(pidfd, pid);
    set_signal_mask(SIG_SETMASK, &before, NULL);
    munmap((void *)error, sizeof(int));
    return -number;
}
