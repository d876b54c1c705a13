// SPDX-License-Identifier: Apache-2.0
// The system call filter.

#include "helper.h"

#include <linux/filter.h>
#include <linux/seccomp.h>

// The listener is close-on-exec, so it is handed over at once.
int seccomp_set(struct helper *helper, const struct lc_op *op)
{
    const struct sock_fprog program = {
        .len = (unsigned short)(op->data_size / sizeof(struct sock_filter)),
        .filter = (struct sock_filter *)(uintptr_t)plan_data(&helper->plan, op)};
    int result =
        sys(seccomp, SECCOMP_SET_MODE_FILTER, (unsigned int)op->flags, &program);
    if (result > 0)
        return op->flags & SECCOMP_FILTER_FLAG_NEW_LISTENER
                   ? message_send(helper, LC_LISTENER_FD, result)
                   : -ESRCH;
    return result;
}

int op_seccomp(struct helper *helper, const struct lc_op *op)
{
    if (op->mode == LC_SECCOMP_NOW)
        return seccomp_set(helper, op);
    helper->filter = op;
    return 0;
}
