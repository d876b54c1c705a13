// SPDX-License-Identifier: Apache-2.0
// Operations on namespaces and on what they hold besides mounts.

#include "helper.h"

// What a new process does first. The handler of the alarm is inherited, the alarm
// itself is not.
static int report_clone(struct helper *helper)
{
    set_timer(helper->plan.head->deadline_ms);
    int self = sys(pidfd_open, sys(getpid, 0), 0);
    return self < 0 ? self : message_send(helper, LC_CLONED, self);
}

// CLONE_PARENT makes the new process a child of our caller, which can wait for it.
// With it the exit signal must be 0; the child gets ours. Both tell the caller of it:
// either may be killed at any moment, and a child that nobody knows is never reaped.
// Where both are, before either has told, the caller finds it in our process group.
int op_clone(struct helper *helper, const struct lc_op *op)
{
    int result = sys(setpgid, 0, 0);
    if (result < 0)
        return result;
    int pidfd = -1;
    struct clone_args args = {.flags = op->flags | (CLONE_PARENT | CLONE_PIDFD),
                              .pidfd = (uint64_t)(uintptr_t)&pidfd};
    if (op->slot >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (__u64)helper->slots[op->slot];
    }
    result = sys(clone3, &args, sizeof(args));
    if (result < 0)
        return at(LC_WHERE_CLONE, result);
    // In a pid namespace that it joins, others may end the new process before it can
    // say a word; us they cannot see. Unknown it would never be reaped.
    if (result > 0) {
        // With its pid: a caller that has no descriptor left gets no pidfd.
        struct lc_message message = {LC_CLONED, helper->step, result, 0};
        message_pass(helper->control, &message, pidfd, 0);
        exit_group(0);
    }
    return report_clone(helper);
}

// The program in slot2 with the socket as its only descriptor, and every signal
// blocked. What it waits for is not ours to limit.
static int become_monitor(struct helper *helper, const struct lc_op *op)
{
    static const char *const arguments[] = {"libcontainer-monitor", NULL};
    const uint64_t all = ~(uint64_t)0;
    sys(rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
    int program = sys(fcntl, helper->slots[op->slot2], F_DUPFD_CLOEXEC, 3);
    int result =
        program < 0 ? program : sys(dup3, helper->slots[op->slot], LC_CALLER, 0);
    if (result >= 0)
        result = sys(close_range, LC_CALLER + 1, ~0u, CLOSE_RANGE_CLOEXEC);
    if (result >= 0)
        result = sys(execveat, program, "", arguments, arguments + 1, AT_EMPTY_PATH);
    return at(LC_WHERE_EXECVE, result);
}

// Two clones: the first takes the monitor away from the caller, who has nothing to
// reap then; the second goes on with the plan. Nothing of the container is entered yet.
int op_monitor(struct helper *helper, const struct lc_op *op)
{
    struct clone_args apart = {0}, child = {.exit_signal = SIGCHLD};
    int result = sys(clone3, &apart, sizeof(apart));
    if (result > 0)
        exit_group(0);
    if (result == 0)
        result = sys(setsid, 0);
    if (result >= 0)
        result = sys(prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (result == 0)
        result = sys(clone3, &child, sizeof(child));
    if (result < 0)
        return at(LC_WHERE_CLONE, result);
    if (result > 0)
        return become_monitor(helper, op);
    set_slot(helper, op->slot, -1);
    set_slot(helper, op->slot2, -1);
    // Init may wait at the gate for long: nothing of the caller waits with it.
    result = close_others(helper->slots, helper->plan.head->nslots, -1);
    return result < 0 ? at(LC_WHERE_FDS, result) : report_clone(helper);
}

// R4: through a procfs nobody else could touch, and checked to be one all the same.
static int open_proc(struct helper *helper, const struct lc_op *op, uint64_t flags)
{
    struct place place = place_at(helper, op->slot, plan_text(&helper->plan, op));
    place.resolve |= RESOLVE_NO_XDEV;
    int fd = place_open(&place, flags);
    if (fd < 0)
        return at(LC_WHERE_RESOLVE, fd);
    struct statfs fs = {0};
    int result = sys(fstatfs, fd, &fs);
    if (result == 0 && fs.f_type != PROC_SUPER_MAGIC)
        result = -ESTALE;
    if (op->flags & LC_LAST_USE)
        set_slot(helper, op->slot, -1);
    return result < 0 ? at(LC_WHERE_VERIFY, result) : fd;
}

int op_open_proc(struct helper *helper, const struct lc_op *op)
{
    int fd = open_proc(helper, op, O_RDONLY);
    if (fd >= 0)
        set_slot(helper, op->slot2, fd);
    return fd < 0 ? fd : 0;
}

int op_write_proc(struct helper *helper, const struct lc_op *op)
{
    const char *value = plan_next(plan_text(&helper->plan, op));
    size_t size = text_size(value);
    int fd = open_proc(helper, op, O_WRONLY);
    if (fd < 0)
        return fd;
    long wrote = sys(write, fd, value, size);
    sys(close, fd);  // a mount with a writer cannot be made read-only
    return wrote == (long)size ? 0 : wrote < 0 ? (int)wrote : -EIO;
}

// A rule holds for the file or directory itself, whatever is mounted or moved later.
int op_landlock_path(struct helper *helper, const struct lc_op *op)
{
    struct place place = place_at(helper, -1, plan_text(&helper->plan, op));
    int fd = place_open(&place, O_PATH);
    if (fd < 0)
        return at(LC_WHERE_RESOLVE, fd);
    struct landlock_path_beneath_attr rule = {.allowed_access = op->flags,
                                              .parent_fd = fd};
    return sys(landlock_add_rule, helper->slots[op->slot], LANDLOCK_RULE_PATH_BENEATH,
               &rule, 0);
}
