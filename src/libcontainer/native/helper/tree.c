// SPDX-License-Identifier: Apache-2.0
// What calls alone do not make of a detached mount.

#include "helper.h"

static int same_inode(int one, int other)
{
    struct statx a = {0}, b = {0};
    int result = fd_statx(one, STATX_INO, &a);
    if (result == 0)
        result = fd_statx(other, STATX_INO, &b);
    if (result < 0)
        return result;
    return a.stx_ino == b.stx_ino && a.stx_dev_major == b.stx_dev_major &&
                   a.stx_dev_minor == b.stx_dev_minor
               ? 0
               : -ESTALE;
}

// An unprivileged caller cannot clone a mount, and an fd of its mount namespace
// cannot be cloned in ours: so the path is looked up again here, and must lead to
// the inode the caller opened and checked.
int op_clone_tree(struct helper *helper, const struct lc_op *op)
{
    int tree = sys(open_tree, AT_FDCWD, plan_text(&helper->plan, op),
                   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | op->flags);
    if (tree < 0)
        return at(LC_WHERE_CLONE, tree);
    int result = at(LC_WHERE_VERIFY, same_inode(tree, helper->slots[op->slot]));
    if (result == 0)
        set_slot(helper, op->slot, tree);
    return result;
}

// The permissions of the directory that a filesystem in the making is to cover. If it
// is not there, it is made with the mount; why else it cannot be opened, that tells.
int op_mode_of(struct helper *helper, const struct lc_op *op)
{
    struct statx found = {0};
    char mode[5] = {0};
    struct place place = place_at(helper, -1, plan_text(&helper->plan, op));
    int target = place_open(&place, O_PATH | O_DIRECTORY);
    if (target < 0)
        return 0;
    int result = fd_statx(target, STATX_MODE, &found);
    for (int i = 0; i < 4; i++)
        mode[i] = (char)('0' + (found.stx_mode >> (9 - 3 * i) & 7));
    if (result == 0)
        result = sys(fsconfig, helper->slots[op->slot], FSCONFIG_SET_STRING, "mode",
                     mode, 0);
    return at(LC_WHERE_CONFIGURE, result);
}
