// SPDX-License-Identifier: Apache-2.0
// The first process of a pid namespace, with the program as its child.

#include "helper.h"

enum { ALL_SIGNALS = -1, EXIT_KILLED = 128 };

// How the child ended goes to the caller in full. What the kernel tells others is
// like a shell's: the first process of a pid namespace cannot kill itself.
static void end_as(int status, int report)
{
    int signal = status & 0x7f;
    sys(write, report, &status, sizeof(status));
    exit_group(signal != 0 ? EXIT_KILLED + signal : status >> 8 & 0xff);
}

static void reap(int child, int report)
{
    int status = 0, ended;
    while ((ended = sys(wait4, -1, &status, WNOHANG | __WALL, NULL)) > 0)
        if (ended == child)
            end_as(status, report);
    // Nothing is left that could end: the child was the last to know of.
    if (ended == -ECHILD)
        exit_group(EXIT_KILLED);
}

// Every signal is blocked since the start of the helper, so one that came before the
// child was there is still pending, and is forwarded like those that come later.
static void supervise(int child, int report)
{
    const uint64_t all = (uint64_t)ALL_SIGNALS;
    for (;;) {
        int number = sys(rt_sigtimedwait, &all, NULL, NULL, sizeof(all));
        if (number == SIGCHLD)
            reap(child, report);
        else if (number > 0)
            sys(kill, child, number);
    }
}

// Nothing of the plan, of the host's descriptors or of the caller is left in what the
// container can look at; only then may it, as a later setns(2) by its own user wants.
static void become_init(struct helper *helper, int child, int report)
{
    if (set_timer(0) < 0 || close_others(&report, 1, -1) < 0 || sys(chdir, "/") < 0 ||
        sys(munmap, helper->plan.base, helper->plan.size) < 0)
        exit_group(1);  // The kernel ends the child with its init.
    sys(prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
    supervise(child, report);
}

int op_init(struct helper *helper, const struct lc_op *op)
{
    const uint64_t all = (uint64_t)ALL_SIGNALS, alarm = (uint64_t)1 << (SIGALRM - 1);
    sys(rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
    // Not clone3: the program's filter may be on already, and cannot look into that.
    int child = sys(clone, SIGCHLD, 0, NULL, 0, 0);
    if (child < 0)
        return at(LC_WHERE_CLONE, child);
    if (child > 0)
        become_init(helper, child, helper->slots[op->slot]);
    set_timer(helper->plan.head->deadline_ms);
    sys(rt_sigprocmask, SIG_UNBLOCK, &alarm, NULL, sizeof(alarm));
    return 0;
}
