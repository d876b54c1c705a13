// SPDX-License-Identifier: Apache-2.0
// Operations that make detached mounts, with every attribute set before anybody can
// see them (R2).

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

// One option: "key=value" or "key".
static int configure(int fs, const char *option)
{
    char key[NAME_MAX + 1];
    size_t size = 0;
    while (option[size] != '=' && option[size] != '\0') {
        if (size == NAME_MAX)
            return -ENAMETOOLONG;
        key[size] = option[size];
        size++;
    }
    key[size] = '\0';
    if (option[size] == '\0')
        return sys(fsconfig, fs, FSCONFIG_SET_FLAG, key, NULL, 0);
    return sys(fsconfig, fs, FSCONFIG_SET_STRING, key, option + size + 1, 0);
}

// The permissions of the directory that the filesystem is to cover. If it is not
// there, it is made with the mount; why else it cannot be opened, that tells.
static int configure_mode(struct helper *helper, const char *path, int fs)
{
    struct statx found = {0};
    char mode[5] = {0};
    struct place place = place_at(helper, -1, path);
    int target = place_open(&place, O_PATH | O_DIRECTORY);
    if (target < 0)
        return 0;
    int result = fd_statx(target, STATX_MODE, &found);
    for (int i = 0; i < 4; i++)
        mode[i] = (char)('0' + (found.stx_mode >> (9 - 3 * i) & 7));
    return result < 0 ? result
                      : sys(fsconfig, fs, FSCONFIG_SET_STRING, "mode", mode, 0);
}

int op_make_fs(struct helper *helper, const struct lc_op *op)
{
    const char *text = plan_text(&helper->plan, op);
    int fs = sys(fsopen, text, FSOPEN_CLOEXEC);
    if (fs < 0)
        return fs;
    int result = 0;
    if (op->mode == LC_MODE_OF) {
        text = plan_next(text);
        result = configure_mode(helper, text, fs);
    }
    for (uint32_t i = 1 + op->mode; i < op->count && result == 0; i++) {
        text = plan_next(text);
        result = configure(fs, text);
    }
    if (result < 0)
        return at(LC_WHERE_CONFIGURE, result);
    result = sys(fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
    if (result < 0)
        return at(LC_WHERE_CREATE, result);
    int tree = sys(fsmount, fs, FSMOUNT_CLOEXEC, op->flags);
    if (tree < 0)
        return at(LC_WHERE_CLONE, tree);
    set_slot(helper, op->slot, tree);
    return 0;
}
