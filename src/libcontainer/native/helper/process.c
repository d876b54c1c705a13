// SPDX-License-Identifier: Apache-2.0
// Operations on the process itself, up to the program that replaces it.

#include "helper.h"

// A connection to the gate that says nothing for this long gives way to the next.
enum { GATE_PATIENCE_S = 1 };

// R17: a caller that is gone needs no container, and reads no report.
static int end_alone(int result)
{
    if (result == -EPIPE || result == -ECONNRESET)
        exit_group(1);
    return result;
}

int op_barrier(struct helper *helper, const struct lc_op *op)
{
    int fd = op->slot < 0 ? -1 : helper->slots[op->slot];
    int result = message_send(helper, LC_AT_BARRIER, fd);
    if (result == 0)
        result = message_take(helper->control, NULL, 0);
    return end_alone(result);
}

// The caller goes on without a word of ours.
int op_take(struct helper *helper, const struct lc_op *op)
{
    return end_alone(
        message_take(helper->control, &helper->slots[op->slot], (uint32_t)op->arg));
}

int op_tell(struct helper *helper, const struct lc_op *op)
{
    int result = message_send(helper, LC_TERMINAL_FD, helper->slots[op->slot]);
    // Who waits for the end of a terminal waits for the last who has its master.
    set_slot(helper, op->slot, -1);
    return result;
}

// Before we wait for somebody else nothing of the host stays open, though nobody could
// reach it: what the mounts were made of, the ways into the cgroups.
int op_let_go(struct helper *helper, const struct lc_op *op)
{
    const struct lc_fd *kept = plan_data(&helper->plan, op);
    const uint32_t count = op->data_size / (uint32_t)sizeof(*kept);
    for (uint32_t slot = 0; slot < helper->plan.head->nslots; slot++) {
        bool wanted = slot == helper->plan.head->control;
        for (uint32_t i = 0; i < count; i++)
            wanted = wanted || (uint32_t)kept[i].slot == slot;
        if (!wanted)
            helper->slots[slot] = -1;
    }
    // The program's filter may be in force, and know no close_range(2): what stays
    // open until EXEC then is close-on-exec.
    sweep(helper);
    return 0;
}

// Standard streams of the caller that are not the program's: who reads them to their
// end must not have to wait until the gate opens.
static int let_go_of_streams(struct helper *helper, int instead)
{
    for (int fd = 0; fd <= 2; fd++) {
        bool wanted = false;
        for (uint32_t i = 0; i < helper->plan.head->nslots; i++)
            wanted = wanted || helper->slots[i] == fd;
        int result = wanted ? 0 : sys(dup3, instead, fd, O_CLOEXEC);
        if (result < 0)
            return result;
    }
    return 0;
}

// The first connection that says LC_GO. One that closes, stays silent or says
// something else is not the one that starts us.
static int accept_starter(int listener)
{
    const long patience[2] = {GATE_PATIENCE_S, 0};
    for (;;) {
        int connection = sys(accept4, listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection == -EINTR || connection == -ECONNABORTED)
            continue;
        if (connection < 0)
            return connection;
        sys(setsockopt, connection, SOL_SOCKET, SO_RCVTIMEO, patience,
            sizeof(patience));
        if (message_take(connection, NULL, 0) == 0)
            return connection;
        sys(close, connection);
    }
}

// How long until somebody starts the container is not ours to limit. From here on
// whoever did is told what fails.
int op_gate(struct helper *helper, const struct lc_op *op)
{
    int result = let_go_of_streams(helper, helper->slots[op->slot]);
    if (result < 0)
        return result;
    result = set_timer(0);
    if (result < 0)
        return result;
    int starter = accept_starter(helper->slots[op->slot]);
    if (starter < 0)
        return starter;
    set_slot(helper, op->slot, -1);
    set_slot(helper, (int32_t)helper->plan.head->control, starter);
    helper->control = starter;
    set_timer(helper->plan.head->deadline_ms);
    return 0;
}

int op_umask(struct helper *helper, const struct lc_op *op)
{
    helper->umask = op->mode;
    return 0;
}

// A limit of the number of files that is lower than EXEC's own fds would make EXEC
// fail: raise it now, while we may, and lower it there.
int op_limit_files(struct helper *helper, const struct lc_op *op)
{
    struct rlimit64 limit = {op->flags, op->arg}, now = {0};
    int result = sys(prlimit64, 0, RLIMIT_NOFILE, NULL, &now);
    if (result == 0 && limit.rlim_cur > limit.rlim_max)
        result = -EINVAL;
    if (result < 0)
        return result;
    helper->files = limit;
    helper->limit_files = true;
    now.rlim_cur = limit.rlim_cur > now.rlim_cur ? limit.rlim_cur : now.rlim_cur;
    now.rlim_max = limit.rlim_max > now.rlim_max ? limit.rlim_max : now.rlim_max;
    return sys(prlimit64, 0, RLIMIT_NOFILE, &now, NULL);
}

// R7, CVE-2024-21626: a directory outside the root reads as "(unreachable)/...".
int op_chdir(struct helper *helper, const struct lc_op *op)
{
    char directory[PATH_MAX];
    struct place place = place_at(helper, -1, plan_text(&helper->plan, op));
    struct spot found;
    int result = place_make(&place, S_IFDIR, 0755, &found);
    if (result < 0)
        return at(LC_WHERE_RESOLVE, result);
    result = sys(fchdir, found.fd);
    if (result < 0)
        return result;
    result = sys(getcwd, directory, sizeof(directory));
    if (result >= 0 && directory[0] != '/')
        result = -EXDEV;
    return result < 0 ? at(LC_WHERE_VERIFY, result) : 0;
}

// What execvp(3) does, as the process that will run it, so that it can be told apart
// from a program that fails.
int op_find_program(struct helper *helper, const struct lc_op *op)
{
    const char *candidate = plan_text(&helper->plan, op);
    int result = -ENOENT;
    for (uint32_t i = 0; i < op->count; i++) {
        struct statx found = {0};
        int error = sys(faccessat2, AT_FDCWD, candidate, X_OK, AT_EACCESS);
        if (error == 0)
            error = sys(statx, AT_FDCWD, candidate, 0, STATX_TYPE, &found);
        if (error == 0 && (found.stx_mode & S_IFMT) != S_IFREG)
            error = -EACCES;
        if (error == 0) {
            helper->program = candidate;
            return 0;
        }
        if (error == -EACCES)
            result = -EACCES;
        else if (error != -ENOENT && error != -ENOTDIR)
            return error;
        candidate = plan_next(candidate);
    }
    return result;
}

// Pointers to the next `count` strings; gives what comes behind them.
static const char *write_vector(const char **vector, const char *text, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++, text = plan_next(text))
        vector[i] = text;
    vector[count] = NULL;
    return text;
}

// What is in its place only has to stay open. Of the others first copies, above every
// target, then each copy on its target: so no target can overwrite what is still
// needed. Everything else is close-on-exec since the start (R7).
static int place_fds(struct helper *helper, const struct lc_op *op, int *copies)
{
    const struct lc_fd *fds = plan_data(&helper->plan, op);
    uint32_t count = op->data_size / (uint32_t)sizeof(*fds);
    int free = 0;
    for (uint32_t i = 0; i < count; i++)
        free = fds[i].target >= free ? fds[i].target + 1 : free;
    if (helper->control < free) {
        int moved = sys(fcntl, helper->control, F_DUPFD_CLOEXEC, free);
        if (moved < 0)
            return moved;
        helper->control = moved;
    }
    for (uint32_t i = 0; i < count; i++) {
        int fd = helper->slots[fds[i].slot];
        copies[i] = fd == fds[i].target ? fd : sys(fcntl, fd, F_DUPFD_CLOEXEC, free);
        if (copies[i] < 0)
            return copies[i];
    }
    uint32_t others = 7;  // bit: that standard stream is nobody's target
    for (uint32_t i = 0; i < count; i++) {
        const int target = fds[i].target;
        const uint32_t stream = target <= 2 ? 1u << target : 0u;
        int result = 0;
        others &= ~stream;
        if (copies[i] != target)
            result = sys(dup3, copies[i], target, 0);
        else if ((helper->streams & stream) == 0)
            result = sys(fcntl, target, F_SETFD, 0);
        if (result < 0)
            return result;
    }
    for (int fd = 0; fd <= 2; fd++)
        if (others >> fd & 1)
            sys(fcntl, fd, F_SETFD, FD_CLOEXEC);
    return 0;
}

// The handler of the alarm goes with execve(2).
static int restore_signals(void)
{
    uint64_t none = 0;
    int result = set_timer(0);
    return result < 0 ? result
                      : sys(rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

// What sd_listen_fds(3) looks for, from the last digit to the first letter.
static const char *own_pid(void)
{
    static const char name[] = "LISTEN_PID=";
    static char text[sizeof(name) + 10];
    char *start = text + sizeof(text) - 1;
    for (int pid = sys(getpid, 0); pid > 0; pid /= 10)
        *--start = (char)('0' + pid % 10);
    for (size_t i = sizeof(name) - 1; i > 0; i--)
        *--start = name[i - 1];
    return start;
}

int op_exec(struct helper *helper, const struct lc_op *op)
{
    const size_t pointers = (size_t)op->count + 3;
    const char **arguments = room(pointers * sizeof(char *) + op->data_size);
    if (arguments == NULL)
        return -ENOMEM;
    const char **environment = arguments + op->mode + 1, **next = environment;
    const char *text = write_vector(arguments, plan_text(&helper->plan, op), op->mode);
    if (op->flags & LC_OWN_PID)
        *next++ = own_pid();
    write_vector(next, text, op->count - op->mode);
    int result = place_fds(helper, op, (int *)(void *)(arguments + pointers));
    if (result == 0 && helper->limit_files)
        result = sys(prlimit64, 0, RLIMIT_NOFILE, &helper->files, NULL);
    if (result < 0)
        return at(LC_WHERE_FDS, result);
    sys(umask, helper->umask);
    result = restore_signals();
    if (result < 0)
        return result;
    if (helper->filter != NULL) {
        helper->step = helper->filter->step;
        result = seccomp_set(helper, helper->filter);
        if (result < 0)
            return result;
        helper->step = op->step;
    }
    return at(LC_WHERE_EXECVE, sys(execve, helper->program, arguments, environment));
}
