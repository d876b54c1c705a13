// SPDX-License-Identifier: Apache-2.0
// Plain system calls: what needs no path and no look at the result.

#include "helper.h"

static const uint16_t numbers[LC_CALL_LAST + 1] = {
    [LC_CALL_SETSID] = __NR_setsid,
    [LC_CALL_SETHOSTNAME] = __NR_sethostname,
    [LC_CALL_SETDOMAINNAME] = __NR_setdomainname,
    [LC_CALL_PRCTL] = __NR_prctl,
    [LC_CALL_PERSONALITY] = __NR_personality,
    [LC_CALL_SCHED_SETATTR] = __NR_sched_setattr,
    [LC_CALL_SCHED_SETAFFINITY] = __NR_sched_setaffinity,
    [LC_CALL_IOPRIO_SET] = __NR_ioprio_set,
    [LC_CALL_SET_MEMPOLICY] = __NR_set_mempolicy,
    [LC_CALL_KEYCTL] = __NR_keyctl,
    [LC_CALL_WRITE] = __NR_write,
    [LC_CALL_LANDLOCK_CREATE_RULESET] = __NR_landlock_create_ruleset,
    [LC_CALL_LANDLOCK_ADD_RULE] = __NR_landlock_add_rule,
    [LC_CALL_LANDLOCK_RESTRICT_SELF] = __NR_landlock_restrict_self,
    [LC_CALL_FCHDIR] = __NR_fchdir,
    [LC_CALL_MOUNT] = __NR_mount,
    [LC_CALL_UMOUNT2] = __NR_umount2,
    [LC_CALL_CHROOT] = __NR_chroot,
    [LC_CALL_CHDIR] = __NR_chdir,
    [LC_CALL_BIND] = __NR_bind,
    [LC_CALL_SOCKET] = __NR_socket,
    [LC_CALL_OPEN_TREE] = __NR_open_tree,
    [LC_CALL_MOVE_MOUNT] = __NR_move_mount,
    [LC_CALL_MOUNT_SETATTR] = __NR_mount_setattr,
    [LC_CALL_MKDIRAT] = __NR_mkdirat,
    [LC_CALL_MKNODAT] = __NR_mknodat,
    [LC_CALL_SYMLINKAT] = __NR_symlinkat,
    [LC_CALL_FCHOWNAT] = __NR_fchownat,
    [LC_CALL_OPENAT2] = __NR_openat2,
    [LC_CALL_SETNS] = __NR_setns,
    [LC_CALL_UNSHARE] = __NR_unshare,
    [LC_CALL_SETGROUPS] = __NR_setgroups,
    [LC_CALL_SETRESUID] = __NR_setresuid,
    [LC_CALL_SETRESGID] = __NR_setresgid,
    [LC_CALL_IOCTL] = __NR_ioctl,
    [LC_CALL_CAPSET] = __NR_capset,
    [LC_CALL_FSOPEN] = __NR_fsopen,
    [LC_CALL_FSCONFIG] = __NR_fsconfig,
    [LC_CALL_FSMOUNT] = __NR_fsmount,
    [LC_CALL_PRLIMIT64] = __NR_prlimit64,
    [LC_CALL_SETITIMER] = __NR_setitimer,
};

int op_call(struct helper *helper, const struct lc_op *op)
{
    const struct lc_arguments *call = plan_data(&helper->plan, op);
    long args[6];
    for (int i = 0; i < 6; i++) {
        args[i] = (long)call->value[i];
        if (op->flags >> i & 1)
            args[i] += (long)call;
        else if (op->flags >> (8 + i) & 1)
            args[i] = helper->slots[args[i]];
    }
    long result;
    uint64_t left = op->arg;
    do {
        if (op->arg != 0)
            args[1] = __builtin_ctzll(left);
        left &= left - 1;
        result = arch_syscall(numbers[op->mode & UINT8_MAX], args[0], args[1], args[2],
                              args[3], args[4], args[5]);
    } while (left != 0 && result >= 0);
    // No capability of this kernel: nor are those above it.
    if (op->arg != 0 && result == -EINVAL)
        result = 0;
    if (result >= 0 && op->slot >= 0)
        fill_slot(helper, op->slot, (int)result);
    return result < 0 ? at(op->mode >> 8, (int)result) : 0;
}
