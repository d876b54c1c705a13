# SPDX-License-Identifier: Apache-2.0
"""The profile that is used where none is given.

Every call is refused with EPERM, except those that programs need and that can do no
harm outside of a container. What a capability protects is allowed with it. Beyond
what other runtimes refuse: io_uring, which goes round the filter; ptrace and reading
the memory of others without CAP_SYS_PTRACE; TIOCSTI and TIOCLINUX, which type into a
terminal. Arguments of which the kernel takes only the low half are compared as such.
"""

from __future__ import annotations

import errno
from typing import Final

from attrs import evolve

from libcontainer.config.seccomp import Condition, Seccomp, Syscall, SyscallArg

_ALLOWED: Final = """
accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown
chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect
copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old
epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit
exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir
fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr
file_getattr file_setattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64
fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64
futex_wait futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu
getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups
getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom
getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname
getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch
inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents
io_pgetevents io_pgetevents_time64 io_setup io_submit ioprio_get ioprio_set ipc kill
landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32
lgetxattr link linkat listen listxattr listxattrat llistxattr _llseek lremovexattr lseek
lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret
mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect
mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock
munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open openat openat2
pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll
ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6
pselect6_time64 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv
recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat
rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending
rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop
semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list
set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid
setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid
setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd
signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64
statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create
timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat
uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid
write writev
"""

_WITH_CAPABILITY: Final = {
    "CAP_BPF": "bpf",
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_PERFMON": "perf_event_open",
    "CAP_SYS_ADMIN": (
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick listmount listns"
        " lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount"
        " mount_setattr move_mount open_tree open_tree_attr perf_event_open quotactl"
        " quotactl_fd setdomainname sethostname setns statmount syslog umount umount2"
        " unshare"
    ),
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module finit_module init_module",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": (
        "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"
    ),
    "CAP_SYS_RAWIO": "ioperm iopl",
    "CAP_SYS_TIME": "clock_settime clock_settime64 settimeofday stime",
    "CAP_SYS_TTY_CONFIG": "vhangup",
    "CAP_SYSLOG": "syslog",
}

_WITH_ARCHITECTURE: Final = {
    "X86_64": "arch_prctl modify_ldt",
    "AARCH64": (
        "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls"
        " sync_file_range2"
    ),
}

# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET.
_NEW_NAMESPACES: Final = 0x7E020000
_WORD: Final = 0xFFFFFFFF
_AF_VSOCK: Final = 40
_TIOCSTI: Final = 0x5412
_TIOCLINUX: Final = 0x541C
# PER_LINUX, PER_LINUX32, both with UNAME26, and the question which one it is.
_PERSONALITIES: Final = (0x0, 0x8, 0x20000, 0x20008, _WORD)
_ADMIN: Final = Condition(capabilities=["SYS_ADMIN"])


def _allow(
    names: str,
    *args: SyscallArg,
    includes: Condition | None = None,
    excludes: Condition | None = None,
) -> Syscall:
    return Syscall(
        names=names.split(),
        action="ALLOW",
        args=args,
        includes=includes,
        excludes=excludes,
    )


def _all_but(
    name: str, index: int, words: tuple[int, ...], errno_ret: int
) -> list[Syscall]:
    """Allow a call but for some values of the low half of an argument."""
    refused = [
        Syscall(
            names=name,
            action="ERRNO",
            errno_ret=errno_ret,
            args=[SyscallArg(index, _WORD, word, op="MASKED_EQ")],
        )
        for word in words
    ]
    return [*refused, _allow(name, SyscallArg(index, 0, op="GE"))]


DEFAULT: Final = Seccomp(
    default_action="ERRNO",
    default_errno_ret=errno.EPERM,
    architectures=["X86_64", "X86", "X32", "AARCH64", "ARM"],
    syscalls=[
        _allow(_ALLOWED),
        *_all_but("socket", 0, (_AF_VSOCK,), errno.EAFNOSUPPORT),
        *_all_but("ioctl", 1, (_TIOCSTI, _TIOCLINUX), errno.EIO),
        *(_allow("personality", SyscallArg(0, value)) for value in _PERSONALITIES),
        _allow(
            "clone",
            SyscallArg(0, _NEW_NAMESPACES, op="MASKED_EQ"),
            excludes=_ADMIN,
        ),
        # Its flags are in memory, where no filter sees them; a program that is told
        # that there is no clone3 uses clone.
        Syscall(
            names="clone3",
            action="ERRNO",
            errno_ret=errno.ENOSYS,
            excludes=_ADMIN,
        ),
        *(
            _allow(names, includes=Condition(capabilities=[name]))
            for name, names in _WITH_CAPABILITY.items()
        ),
        *(
            _allow(names, includes=Condition(architectures=[name]))
            for name, names in _WITH_ARCHITECTURE.items()
        ),
    ],
)
"""See `libcontainer.config.seccomp.Seccomp.default`."""


def default_without(names: frozenset[str]) -> Seccomp:
    """Return the default profile with fewer calls: *names* are refused as well."""
    kept = []
    for rule in DEFAULT.syscalls:
        left = [name for name in rule.names if name not in names]
        if left:
            kept.append(evolve(rule, names=left))
    return evolve(DEFAULT, syscalls=kept)
