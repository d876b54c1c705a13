/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Python and the helper agree on. Enums and structs, nothing else: the C
 * code includes this file and cffi parses it, so neither side can drift.
 *
 * A plan is one block of memory in a sealed memfd, in the machine's own byte
 * order, every offset counted from its first byte:
 *
 *     struct lc_plan                 the header
 *     int32_t slots[nslots]          fd numbers; -1 where an operation makes one
 *     struct lc_op ops[nops]         8-aligned
 *     bytes                          strings, lists and structs the ops point to
 *
 * The strings of an operation are NUL-terminated, `count` of them one after the other;
 * with none the offset is 0. "text" is the first of them, "text2" the second, "list"
 * what comes behind those that are named.
 */

enum lc_limits {
    LC_ABI = 1,
    LC_MAGIC = 0x4c435031,
    LC_MAX_SIZE = 16777216,
    LC_MAX_SLOTS = 16384,
    LC_MAX_OPS = 65000,
    LC_MAX_GROUPS = 65536,
    LC_MAX_LOGS = 32,
    LC_MAX_TAKEN = 64,
};

struct lc_plan {
    uint32_t magic;
    uint32_t abi;
    uint32_t size;        /* of the whole plan */
    uint32_t nslots;
    uint32_t nops;
    uint32_t slots;       /* offset of the slot table */
    uint32_t ops;         /* offset of the operations */
    uint32_t deadline_ms; /* the helper ends itself after that long before exec; 0: never */
    uint32_t control;     /* slot of the control socket */
    uint32_t fault_step;  /* for fault tests: the step to fail at; 0: none */
    int32_t fault;        /* > 0: fail with this errno; < 0: raise signal -fault */
    uint32_t reserved;
};

struct lc_op {
    uint16_t kind;        /* enum lc_op_kind */
    uint16_t step;        /* number of the step in the plan, from 1: what a failure names */
    uint32_t mode;
    int32_t slot;         /* -1: none */
    int32_t slot2;        /* -1: none */
    uint64_t flags;
    uint64_t arg;
    uint32_t strings;
    uint32_t count;
    uint32_t data;        /* 8-aligned */
    uint32_t data_size;
};

/*
 * The closed vocabulary. "tree" is a slot that holds a detached mount. Paths
 * named "inside" are resolved beneath the container's root (LC_OP_ROOT) by
 * openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS).
 */
enum lc_op_kind {
    LC_OP_CLONE = 1,        /* clone3(flags|CLONE_PARENT), into the v2 cgroup of slot: both report LC_CLONED, the child goes on, the parent exits */
    LC_OP_BARRIER = 2,      /* report LC_AT_BARRIER, with the fd in slot if there is one; wait for LC_GO */
    LC_OP_CLONE_TREE = 3,   /* slot, an O_PATH fd, becomes open_tree(text, flags) of the same inode */
    LC_OP_MODE_OF = 4,      /* the filesystem in the making in slot gets the permissions of the directory text inside, if it is there */
    LC_OP_ROOT = 5,        /* tree slot attached on text (none: "/"), entered, and from now on the container's root */
    LC_OP_ATTACH = 6,      /* tree slot on text inside (or beneath tree slot2); flags: enum lc_attach; mode of what is made */
    LC_OP_MASK = 7,        /* text inside (or beneath tree arg-1) hidden by tree slot (directory) or tree slot2 (anything else); absent: skipped */
    LC_OP_READONLY = 8,    /* text inside (or beneath tree slot) made a read-only mount of itself; absent: skipped */
    LC_OP_PIVOT = 9,       /* pivot_root(".", "."), detach the old root */
    LC_OP_CALL = 10,        /* system call mode (enum lc_call; above its 8 bits enum lc_where), slot := its result; data: lc_arguments, then what its pointers point to; arg: capabilities, for each of which it is made, with its number as second argument, up to the last that the kernel knows */
    LC_OP_GATE = 11,        /* accept on the listening socket in slot: the connection becomes the control socket; wait for LC_GO */
    LC_OP_WRITE_PROC = 12,  /* text2 into file text of the procfs in slot; flags: enum lc_use_proc */
    LC_OP_LIMIT_FILES = 13, /* the limit of open files, soft flags, hard arg: EXEC sets it, as it has to open some more */
    LC_OP_UMASK = 14,       /* umask(mode) */
    LC_OP_CHDIR = 15,       /* chdir(text), made 0755 if absent; the result must be inside the root */
    LC_OP_EXEC = 16,        /* execve(program, list, list2); data: lc_fd[]: the fds that live on; flags: enum lc_exec */
    LC_OP_VERIFY_NODE = 17, /* slot must be the character device flags = major<<32|minor, in a filesystem of the magic number arg (0: any) */
    LC_OP_VERIFY_IDENTITY = 18, /* slot, /proc/self/status, must say what is in data: lc_identity; flags: enum lc_identity_flags */
    LC_OP_FIND_PROGRAM = 19,/* the first executable of list becomes the program */
    LC_OP_LANDLOCK_PATH = 20, /* rights flags beneath text inside, into the ruleset in slot */
    LC_OP_CHILD = 21,       /* a child carries out the next mode operations, the last of them EXEC; wait for its end, at most arg ms (0: for ever), and go on behind them. flags: the number of the hook it is, from 1 */
    LC_OP_INIT = 22,        /* go on in a child; this process forwards signals to it, reaps, and ends as it does: its wait status goes into slot */
    LC_OP_MONITOR = 23,     /* clone3() twice: a monitor, which executes the program in slot2 with the socket in slot as LC_CALLER, and its child, which reports LC_CLONED and goes on */
    LC_OP_SECCOMP = 24,     /* seccomp(SET_MODE_FILTER, flags, data): struct sock_filter[]; mode: enum lc_seccomp */
    LC_OP_OPEN_PROC = 25,   /* slot2 := file text of the procfs in slot, to read; flags: enum lc_use_proc */
    LC_OP_TELL = 26,        /* report LC_TERMINAL_FD with the fd in slot, and let go of that */
    LC_OP_TAKE = 27,        /* wait for LC_GO, which carries arg fds, for the slots from slot on */
    LC_OP_LET_GO = 28,      /* close what is in no slot of data: lc_fd[], numbered */
    LC_OP_LAST = 28,
};

/*
 * Plain system calls that need neither a path nor a look at the result. In the
 * flags of LC_OP_CALL bit i says that argument i is an offset into its data, bit
 * 8 + i that it is a slot.
 */
enum lc_call {
    LC_CALL_SETSID = 1,
    LC_CALL_SETHOSTNAME = 2,
    LC_CALL_SETDOMAINNAME = 3,
    LC_CALL_PRCTL = 4,
    LC_CALL_PERSONALITY = 5,
    LC_CALL_SCHED_SETATTR = 6,
    LC_CALL_SCHED_SETAFFINITY = 7,
    LC_CALL_IOPRIO_SET = 8,
    LC_CALL_SET_MEMPOLICY = 9,
    LC_CALL_KEYCTL = 10,
    LC_CALL_WRITE = 11,
    LC_CALL_LANDLOCK_CREATE_RULESET = 12,
    LC_CALL_LANDLOCK_ADD_RULE = 13,
    LC_CALL_LANDLOCK_RESTRICT_SELF = 14,
    LC_CALL_FCHDIR = 15,
    LC_CALL_MOUNT = 16,
    LC_CALL_UMOUNT2 = 17,
    LC_CALL_CHROOT = 18,
    LC_CALL_CHDIR = 19,
    LC_CALL_BIND = 20,
    LC_CALL_SOCKET = 21,
    LC_CALL_OPEN_TREE = 22,
    LC_CALL_MOVE_MOUNT = 23,
    LC_CALL_MOUNT_SETATTR = 24,
    LC_CALL_MKDIRAT = 25,
    LC_CALL_MKNODAT = 26,
    LC_CALL_SYMLINKAT = 27,
    LC_CALL_FCHOWNAT = 28,
    LC_CALL_OPENAT2 = 29,
    LC_CALL_SETNS = 30,
    LC_CALL_UNSHARE = 31,
    LC_CALL_SETGROUPS = 32,
    LC_CALL_SETRESUID = 33,
    LC_CALL_SETRESGID = 34,
    LC_CALL_IOCTL = 35,
    LC_CALL_CAPSET = 36,
    LC_CALL_FSOPEN = 37,
    LC_CALL_FSCONFIG = 38,
    LC_CALL_FSMOUNT = 39,
    LC_CALL_PRLIMIT64 = 40,
    LC_CALL_SETITIMER = 41,
    LC_CALL_LAST = 41,
};

struct lc_arguments { uint64_t value[6]; };

enum lc_use_proc { LC_LAST_USE = 1 /* let go of the procfs */ };

/*
 * Whether the filter is set at once, or by EXEC right before execve(2), so that no
 * other call of the helper needs to be allowed by it.
 */
enum lc_seccomp { LC_SECCOMP_AT_EXEC = 0, LC_SECCOMP_NOW = 1 };

enum lc_identity_flags { LC_NO_NEW_PRIVS = 1 /* to be found set */ };

enum lc_attach {
    LC_MAKE_DIRECTORY = 1,   /* make the target as a directory where it is absent */
    LC_MAKE_FILE = 2,        /* ... as an empty file */
    LC_MAKE_LIKE_SOURCE = 4, /* ... as what the tree's root is */
    LC_REAL_DIRECTORY = 8,   /* no component of the target may be a symlink */
    LC_ON_PROC = 16,         /* the target may be in a procfs */
    LC_NO_FOLLOW = 32,       /* a symlink at the end of the path is meant itself */
};

/* In front of list2 comes LISTEN_PID with the process's own pid, see sd_listen_fds(3). */
enum lc_exec { LC_OWN_PID = 1 };

struct lc_identity {
    uint64_t bounding;
    uint64_t effective;
    uint64_t permitted;
    uint64_t inheritable;
    uint64_t ambient;
    uint32_t uid;
    uint32_t gid;
    uint32_t keep_groups; /* 1: any */
    uint32_t ngroups;     /* each group once, in any order */
    /* uint32_t groups[ngroups] */
};

/*
 * A monitor starts with LC_CALLER, a SOCK_SEQPACKET socket, and nothing else. It sends
 * LC_CLONED with its own pidfd, and waits for a struct lc_watch; until that comes the
 * socket's end is the monitor's end. On each connection to the listener it sends
 * LC_TERMINAL_FD, then what init writes, a message a read.
 */
enum lc_monitor_fd { LC_CALLER = 0 };

enum lc_watch_fd {
    LC_LISTENER = 0,
    LC_FOLDER = 1,      /* where "exit" is written, a struct lc_exit */
    LC_LOG_FOLDER = 2,  /* both or none */
    LC_LOG = 3,
    LC_SOURCE = 4,      /* what init writes to */
    LC_WATCH_FDS = 5,
};

struct lc_watch {
    uint32_t kind;      /* LC_GO */
    int32_t init;       /* its pid */
    uint64_t max_size;  /* bytes after which the log is moved; 0 is never */
    int32_t fd[5];      /* which of the fds that come with it that is, or -1 */
    uint32_t terminal;  /* 1: the source is a terminal's master, which who attaches gets as well */
    uint32_t nnames;
    uint32_t reserved;
    /* the log's name and those it is moved to, one after the other: "a\0b\0" */
};

/* The record of how init ended, in a file of this size. */
enum lc_exit_magic { LC_EXIT_MAGIC = 0x4c435845 };

struct lc_exit {
    uint32_t magic;
    int32_t host_pid;
    int32_t code;       /* CLD_EXITED, CLD_KILLED or CLD_DUMPED */
    int32_t status;     /* exit code or signal */
    int64_t seconds;    /* since 1970 */
    int64_t nanoseconds;
};

struct lc_fd { int32_t slot; int32_t target; };

/* Control socket (SOCK_SEQPACKET): one struct a message; LC_CLONED, LC_TERMINAL_FD and LC_LISTENER_FD carry one fd, LC_AT_BARRIER may. */
enum lc_message_kind {
    LC_CLONED = 1,
    LC_AT_BARRIER = 2,
    LC_FAILED = 3,
    LC_TERMINAL_FD = 4,
    LC_LISTENER_FD = 5,
    LC_GO = 16,
};

struct lc_message {
    uint32_t kind;
    uint32_t step;
    int32_t error;   /* errno */
    uint32_t where;  /* enum lc_where: the part of the step that failed; with a hook, its number << 8 */
};

enum lc_where {
    LC_WHERE_CALL = 0,
    LC_WHERE_PARSE = 1,
    LC_WHERE_RESOLVE = 2,
    LC_WHERE_CREATE = 3,
    LC_WHERE_CLONE = 4,
    LC_WHERE_CONFIGURE = 5,
    LC_WHERE_ATTACH = 6,
    LC_WHERE_ATTRIBUTES = 7,
    LC_WHERE_VERIFY = 8,
    LC_WHERE_FDS = 9,
    LC_WHERE_EXECVE = 10,
    LC_WHERE_EXIT = 11,    /* of the child of LC_OP_CHILD; the error is its exit status */
    LC_WHERE_SIGNAL = 12,  /* the error is the signal that ended it */
    LC_WHERE_TIMEOUT = 13, /* it took too long, and was killed */
};
