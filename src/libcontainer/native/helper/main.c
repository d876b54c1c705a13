// SPDX-License-Identifier: Apache-2.0
// Start, loop, end. Nothing comes from the command line but the number of the fd of
// the plan, nothing from the environment.

#include "helper.h"

ARCH_ENTRY;

_Noreturn void helper_start(const long *stack);

enum {
    SWEEP_EVERY = 64,  // operations
    FILES = 256,       // more than are open between two sweeps
    EXIT_FAILED = 1,
    EXIT_BAD_PLAN = 125,
    EXIT_EXEC = 127,
    EXIT_SIGNAL = 128,
    SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
};

// Static for its size, and because the handler of the alarm has no other way to it.
static struct helper the_helper;

#define ENTRY(kind, function, ...) [LC_OP_##kind] = function,
static int (*const operations[LC_OP_LAST + 1])(struct helper *,
                                               const struct lc_op *) = {
    OPERATIONS(ENTRY)};

// Also called from the alarm handler, so it may not wait.
static _Noreturn void fail(const struct helper *helper, int error, uint32_t where,
                           int status)
{
    struct lc_message message = {LC_FAILED, helper->step, error, where};
    message_pass(helper->control, &message, -1, MSG_DONTWAIT);
    exit_group(status);
}

// A handler, because the first process of a pid namespace survives the default
// action of any signal it sends itself.
static void on_alarm(int number)
{
    (void)number;
    fail(&the_helper, ETIMEDOUT, LC_WHERE_CALL, EXIT_FAILED);
}

void *room(size_t size)
{
    static _Alignas(16) char small[16384];
    if (size <= sizeof(small))
        return small;
    long memory = sys_long(mmap, NULL, size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory < 0 && memory > -4096 ? NULL : (void *)memory;
}

int set_timer(uint32_t milliseconds)
{
    struct itimerval timer = {
        .it_value = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000}};
    return sys(setitimer, ITIMER_REAL, &timer, NULL);
}

// Whoever starts the helper has no signal ignored in it and all of them blocked. One
// of them is let through.
static int allow_alarm(void)
{
    struct sigaction alarm = {.sa_handler = on_alarm};
    uint64_t blocked = ~((uint64_t)1 << (SIGALRM - 1));
#if ARCH_NEEDS_RESTORER
    alarm.sa_flags = SA_RESTORER;
    alarm.sa_restorer = arch_restorer;
#endif
    int result = sys(rt_sigaction, SIGALRM, &alarm, NULL, sizeof(blocked));
    return result | sys(rt_sigprocmask, SIG_SETMASK, &blocked, NULL, sizeof(blocked));
}

static int plan_fd(const long *stack)
{
    const char *text = (const char *)stack[2];
    long fd = 0;
    if (stack[0] != 2 || *text == '\0')
        return -EINVAL;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || fd > INT32_MAX / 10 - 1)
            return -EINVAL;
        fd = fd * 10 + (*text - '0');
    }
    return (int)fd;
}

// The mapping is private, so the slots can be written to; the seals keep the rest
// from changing after it was checked.
static int read_plan(int fd, struct plan *plan)
{
    struct statx file = {0};
    if ((sys(fcntl, fd, F_GET_SEALS, 0) & SEALS) != SEALS ||
        fd_statx(fd, STATX_SIZE, &file) < 0 || file.stx_size > LC_MAX_SIZE ||
        file.stx_size < sizeof(struct lc_plan))
        return -EPROTO;
    size_t size = (size_t)file.stx_size;
    long base = sys_long(mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (base < 0 && base > -4096)
        return -EPROTO;
    return plan_parse(plan, (void *)base, size);
}

// R7: close every fd above `kept` that is not one of fds, which come in any order:
// each turn finds the lowest that is left.
int close_others(const int *fds, uint32_t count, int64_t kept)
{
    int result = 0;
    for (;;) {
        int64_t next = INT64_MAX;
        for (uint32_t i = 0; i < count; i++)
            if (fds[i] > kept && fds[i] < next)
                next = fds[i];
        if (next == INT64_MAX)
            break;
        if (next > kept + 1)
            result =
                sys(close_range, (unsigned int)(kept + 1), (unsigned int)next - 1, 0);
        if (result < 0)
            return result;
        kept = next;
    }
    return sys(close_range, (unsigned int)(kept + 1), ~0u, 0);
}

// An operation does not close what it opens on its way: that is close-on-exec, and
// closed here together, before the program has to wait for anybody.
int sweep(struct helper *helper)
{
    const uint32_t nslots = helper->plan.head->nslots;
    bool named = false;
    for (uint32_t i = 0; i < nslots; i++)
        named = named || helper->slots[i] == helper->root;
    if (!named)
        helper->root = -1;
    return close_others(helper->slots, nslots, 2);
}

// Where the caller may have few files, we get as many as it could have until EXEC.
static void allow_files(struct helper *helper)
{
    struct rlimit64 raised;
    if (sys(prlimit64, 0, RLIMIT_NOFILE, NULL, &helper->files) < 0 ||
        helper->files.rlim_cur >= FILES)
        return;
    raised = (struct rlimit64){helper->files.rlim_max, helper->files.rlim_max};
    helper->limit_files = sys(prlimit64, 0, RLIMIT_NOFILE, &raised, NULL) == 0;
}

// What the plan does not name does not outlive the first microseconds, and nothing
// outlives execve(2) unless EXEC says so; it looks after the standard streams itself.
static int close_unlisted(struct helper *helper)
{
    int result = sweep(helper);
    for (uint32_t i = 0; i < helper->plan.head->nslots; i++) {
        const int fd = helper->slots[i];
        helper->streams |= fd >= 0 && fd <= 2 ? 1u << fd : 0u;
    }
    return result < 0 ? result : sys(close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
}

// What a fault test asked for instead of the operation.
static int inject(int fault)
{
    if (fault > 0)
        return -fault;
    uint64_t none = 0;
    sys(rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
    sys(kill, sys(getpid, 0), -fault);
    // As first process of its pid namespace it is still here.
    exit_group(EXIT_SIGNAL - fault);
}

static int run(struct helper *helper, const struct lc_op *op)
{
    const struct lc_plan *head = helper->plan.head;
    helper->step = op->step;
    if (head->fault_step == op->step)
        return inject(head->fault);
    return operations[op->kind](helper, op);
}

static void run_all(struct helper *helper)
{
    const struct plan *plan = &helper->plan;
    uint32_t opened = 0;
    for (uint32_t i = 0; i < plan->head->nops; i++) {
        int result = run(helper, &plan->ops[i]);
        // A call leaves nothing open but what was in its slot.
        const bool may_leave =
            plan->ops[i].kind != LC_OP_CALL || plan->ops[i].slot >= 0;
        if (result >= 0 && may_leave && ++opened % SWEEP_EVERY == 0)
            result = at(LC_WHERE_FDS, sweep(helper));
        i += helper->skip;
        helper->skip = 0;
        if (result >= 0)
            continue;
        uint32_t where = (uint32_t)-result >> ERRNO_BITS;
        fail(helper, -result & ((1 << ERRNO_BITS) - 1), where | helper->hook << 8,
             where == LC_WHERE_EXECVE ? EXIT_EXEC : EXIT_FAILED);
    }
}

void helper_start(const long *stack)
{
    struct helper *helper = &the_helper;
    // R9: before anything of the container can see this process.
    // Refused only where something confines the caller; then it is no place for us.
    if (sys(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        exit_group(EXIT_FAILED);
    helper->control = helper->root = -1;
    if (allow_alarm() != 0)
        exit_group(EXIT_FAILED);
    int fd = plan_fd(stack);
    int result = fd < 0 ? fd : read_plan(fd, &helper->plan);
    helper->control = plan_control(&helper->plan);
    helper->step = helper->plan.step;
    if (result < 0)
        fail(helper, EPROTO, LC_WHERE_PARSE, EXIT_BAD_PLAN);
    helper->slots = helper->plan.slots;
    set_timer(helper->plan.head->deadline_ms);
    result = close_unlisted(helper);
    helper->step = helper->plan.ops[0].step;
    if (result < 0)
        fail(helper, -result, LC_WHERE_FDS, EXIT_FAILED);
    allow_files(helper);
    helper->umask = (uint32_t)sys(umask, 0);
    run_all(helper);
    exit_group(0);
}
