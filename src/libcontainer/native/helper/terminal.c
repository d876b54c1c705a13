// SPDX-License-Identifier: Apache-2.0
// A pty of the container's own devpts (R21).

#include "helper.h"

// R3: the name proves nothing, the inode does.
static int verify_ptmx(int master)
{
    struct statx found = {0};
    struct statfs fs = {0};
    int result = fd_statx(master, STATX_TYPE, &found);
    if (result == 0)
        result = fstatfs(master, &fs);
    if (result < 0)
        return result;
    return (found.stx_mode & S_IFMT) == S_IFCHR && found.stx_rdev_major == 5 &&
                   found.stx_rdev_minor == 2 && fs.f_type == DEVPTS_SUPER_MAGIC
               ? 0
               : -ENODEV;
}

// TIOCGPTPEER gives the slave of this very master; /dev/pts/N could be another's
// (CVE-2025-52565).
static int open_slave(int master, const struct lc_op *op, const struct lc_owner *owner)
{
    int unlock = 0;
    struct winsize size = {.rows = (unsigned short)(op->arg >> 32),
                           .columns = (unsigned short)op->arg};
    int result = ioctl(master, TIOCSPTLCK, (long)&unlock);
    if (result == 0 && op->arg != 0)
        result = ioctl(master, TIOCSWINSZ, (long)&size);
    if (result < 0)
        return at(LC_WHERE_CONFIGURE, result);
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return at(LC_WHERE_CONFIGURE, slave);
    result = fchown(slave, owner->uid, owner->gid);
    return result < 0 ? at(LC_WHERE_CONFIGURE, result) : slave;
}

static int bind_console(struct helper *helper, const struct lc_op *op, int slave)
{
    struct place place = place_beneath(helper->slots[op->slot2], "console");
    struct spot target;
    int result = place_make(&place, S_IFREG, 0600, &target);
    if (result < 0)
        return at(LC_WHERE_CREATE, result);
    int tree = open_tree(slave, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    return tree < 0 ? at(LC_WHERE_CLONE, tree) : attach(tree, target, &place);
}

int op_terminal(struct helper *helper, const struct lc_op *op)
{
    struct place place = place_inside(helper, plan_text(&helper->plan, op->text));
    int master = place_open(&place, O_RDWR | O_NOCTTY);
    if (master < 0)
        return at(LC_WHERE_RESOLVE, master);
    int result = at(LC_WHERE_VERIFY, verify_ptmx(master));
    int slave = result;
    if (result == 0)
        slave = result = open_slave(master, op, plan_data(&helper->plan, op));
    if (slave >= 0 && result >= 0) {
        set_slot(helper, op->slot, slave);
        result = op->flags & LC_CONSOLE ? bind_console(helper, op, slave) : 0;
        // Only a session leader can have a controlling terminal.
        if (result == 0 && !(op->flags & LC_NO_SESSION)) {
            result = setsid();
            if (result >= 0)
                result = ioctl(slave, TIOCSCTTY, 0);
        }
        if (result == 0)
            result = message_send(helper, LC_TERMINAL_FD, master);
    }
    close(master);  // who waits for the end of the terminal waits for the last of these
    return result;
}
