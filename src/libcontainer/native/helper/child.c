// SPDX-License-Identifier: Apache-2.0
// A program that runs beside init and is waited for: a hook in the container.

#include "helper.h"

// The wait status of wait4(2): an exit status in its second byte, or a signal in the
// low seven bits.
static int outcome(int status)
{
    int number = status & 0x7f;
    if (number != 0)
        return at(LC_WHERE_SIGNAL, -number);
    return at(LC_WHERE_EXIT, -(status >> 8 & 0xff));
}

static int await_end(int pid, int pidfd, uint64_t milliseconds)
{
    struct pollfd child = {.fd = pidfd, .events = POLLIN};
    const long limit[2] = {(long)(milliseconds / 1000),
                           (long)(milliseconds % 1000) * 1000000};
    int ended = sys(ppoll, &child, 1, milliseconds == 0 ? NULL : limit, NULL, 0);
    if (ended <= 0) {
        // The session it began, and itself if it has not come to that.
        sys(kill, -pid, SIGKILL);
        sys(kill, pid, SIGKILL);
    }
    int status = 0;
    int waited = sys(wait4, pid, &status, __WALL, NULL);
    if (ended < 0 || waited < 0)
        return ended < 0 ? ended : waited;
    return ended == 0 ? at(LC_WHERE_TIMEOUT, -ETIMEDOUT) : outcome(status);
}

// The child reports on the control socket itself what fails before its program runs.
int op_child(struct helper *helper, const struct lc_op *op)
{
    int pidfd = -1;
    helper->hook = (uint32_t)op->flags;
    // Not clone3: as in op_init.
    int pid = sys(clone, CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0);
    if (pid < 0)
        return at(LC_WHERE_CLONE, pid);
    if (pid == 0)
        return 0;
    helper->skip = op->mode;
    int result = await_end(pid, pidfd, op->arg);
    if (result == 0)
        helper->hook = 0;
    return result;
}
