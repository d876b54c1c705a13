// SPDX-License-Identifier: Apache-2.0
// Operations that make detached mounts, with every attribute set before anybody can
// see them (R2).

#include "helper.h"

static int set_attributes(int tree, const struct lc_attributes *wanted)
{
    struct mount_attr attr = {.attr_set = wanted->attr_set,
                              .attr_clr = wanted->attr_clr,
                              .propagation = wanted->propagation};
    if ((wanted->attr_set | wanted->attr_clr | wanted->propagation) == 0)
        return 0;
    unsigned int flags = AT_EMPTY_PATH | (wanted->recursive ? AT_RECURSIVE : 0u);
    return mount_setattr(tree, "", flags, &attr, sizeof(attr));
}

int op_attributes(struct helper *helper, const struct lc_op *op)
{
    int result = set_attributes(helper->slots[op->slot], plan_data(&helper->plan, op));
    return at(LC_WHERE_ATTRIBUTES, result);
}

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
    const struct lc_attributes *attributes = plan_data(&helper->plan, op);
    unsigned int how = attributes->recursive ? AT_RECURSIVE : 0u;
    if (op->flags & LC_NO_FOLLOW)
        how |= AT_SYMLINK_NOFOLLOW;
    int tree = open_tree(AT_FDCWD, plan_text(&helper->plan, op->text),
                         OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | how);
    if (tree < 0)
        return at(LC_WHERE_CLONE, tree);
    int result = at(LC_WHERE_VERIFY, same_inode(tree, helper->slots[op->slot]));
    if (result == 0)
        result = at(LC_WHERE_ATTRIBUTES, set_attributes(tree, attributes));
    if (result < 0) {
        close(tree);
        return result;
    }
    set_slot(helper, op->slot, tree);
    return 0;
}

static bool has_prefix(const char *text, const char *prefix)
{
    while (*prefix != '\0')
        if (*text++ != *prefix++)
            return false;
    return true;
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
        return fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
    return fsconfig(fs, FSCONFIG_SET_STRING, key, option + size + 1, 0);
}

// The options of the plan, the source that mountinfo shows, then create and mount.
static int finish_fs(struct helper *helper, const struct lc_op *op, int fs,
                     uint64_t attributes)
{
    const char *option = plan_text(&helper->plan, op->list);
    bool source = false;
    int result = 0;
    for (uint32_t i = 0; i < op->count && result == 0; i++) {
        result = configure(fs, option);
        source = source || has_prefix(option, "source=");
        option = plan_next(option);
    }
    if (result == 0 && !source)
        result = fsconfig(fs, FSCONFIG_SET_STRING, "source", "libcontainer", 0);
    if (result < 0)
        return at(LC_WHERE_CONFIGURE, result);
    result = fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
    if (result < 0)
        return at(LC_WHERE_CREATE, result);
    int tree = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned int)attributes);
    if (tree < 0)
        return at(LC_WHERE_CLONE, tree);
    set_slot(helper, op->slot, tree);
    return 0;
}

// The permissions of the directory that the filesystem is to cover. If it is not
// there, it is made with the mount; why else it cannot be opened, that tells.
static int configure_mode(struct helper *helper, const struct lc_op *op, int fs)
{
    struct statx found = {0};
    char mode[5] = {0};
    struct place place = place_inside(helper, plan_text(&helper->plan, op->text2));
    int target = place_open(&place, O_PATH | O_DIRECTORY);
    if (target < 0)
        return 0;
    int result = fd_statx(target, STATX_MODE, &found);
    close(target);
    for (int i = 0; i < 4; i++)
        mode[i] = (char)('0' + (found.stx_mode >> (9 - 3 * i) & 7));
    return result < 0 ? result : fsconfig(fs, FSCONFIG_SET_STRING, "mode", mode, 0);
}

int op_make_fs(struct helper *helper, const struct lc_op *op)
{
    int fs = fsopen(plan_text(&helper->plan, op->text), FSOPEN_CLOEXEC);
    if (fs < 0)
        return fs;
    int result = op->text2 == 0 ? 0 : configure_mode(helper, op, fs);
    if (result == 0)
        result = finish_fs(helper, op, fs, op->flags);
    close(fs);
    return result;
}

// An overlay: every layer is attached in a scratch tree and named relative to it.

enum { MAX_OPTION = 255 };  // fsconfig(2) takes strings of 256 bytes with their NUL

static size_t append(char *to, size_t size, const char *text)
{
    while (*text != '\0' && size <= MAX_OPTION)
        to[size++] = *text++;
    to[size] = '\0';
    return size;
}

// "l0" to "l499".
static void name_layer(char name[5], uint32_t number)
{
    *name++ = 'l';
    if (number >= 100)
        *name++ = (char)('0' + number / 100);
    if (number >= 10)
        *name++ = (char)('0' + number / 10 % 10);
    *name++ = (char)('0' + number % 10);
    *name = '\0';
}

static int attach_layer(struct helper *helper, int scratch, const char *name,
                        int32_t slot)
{
    int result = at(LC_WHERE_CREATE, mkdirat(scratch, name, 0700));
    if (result < 0)
        return result;
    int tree = take_tree(helper, slot);
    if (tree < 0)
        return at(LC_WHERE_CLONE, tree);
    result = move_mount(tree, "", scratch, name, MOVE_MOUNT_F_EMPTY_PATH);
    drop_tree(helper, slot, tree);
    return at(LC_WHERE_ATTACH, result);
}

static int set_lower(struct helper *helper, int fs, int scratch,
                     const struct lc_overlay *overlay)
{
    const int32_t *lower = (const int32_t *)(overlay + 1);
    char all[MAX_OPTION + 2] = "", name[5];
    size_t size = 0;
    int result = 0;
    for (uint32_t i = 0; i < overlay->nlower && result == 0; i++) {
        name_layer(name, i);
        result = attach_layer(helper, scratch, name, lower[i]);
        size = append(all, size, i > 0 ? ":" : "");
        size = append(all, size, name);
    }
    if (result < 0)
        return result;
    if (size <= MAX_OPTION)
        return at(LC_WHERE_CONFIGURE,
                  fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", all, 0));
    // Linux 6.5
    for (uint32_t i = 0; i < overlay->nlower && result == 0; i++) {
        name_layer(name, i);
        result = fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir+", name, 0);
    }
    return at(LC_WHERE_CONFIGURE, result);
}

// The kernel wants a name here, so the one that is given is checked to lead through
// no symlink first; below it is the caller's own directory.
static int set_named(struct helper *helper, int fs, int scratch, const char *key,
                     uint32_t path)
{
    char name[MAX_OPTION + 2] = "";
    size_t size = append(name, 0, "u/");
    size = append(name, size, plan_text(&helper->plan, path));
    if (size > MAX_OPTION)
        return at(LC_WHERE_CONFIGURE, -ENAMETOOLONG);
    struct place place = place_beneath(scratch, name);
    int fd = place_open(&place, O_PATH | O_DIRECTORY);
    if (fd < 0)
        return at(LC_WHERE_RESOLVE, fd);
    close(fd);
    return at(LC_WHERE_CONFIGURE, fsconfig(fs, FSCONFIG_SET_STRING, key, name, 0));
}

static int set_upper(struct helper *helper, int fs, int scratch,
                     const struct lc_overlay *overlay)
{
    int result;
    if (overlay->upper >= 0) {
        result = attach_layer(helper, scratch, "u", overlay->upper);
        if (result == 0)
            result = set_named(helper, fs, scratch, "upperdir", overlay->upper_path);
        if (result == 0)
            result = set_named(helper, fs, scratch, "workdir", overlay->work_path);
        return result;
    }
    // The upper directory becomes the mode of the container's "/".
    result = mkdirat(scratch, "upper", 0755);
    if (result == 0)
        result = mkdirat(scratch, "work", 0700);
    if (result < 0)
        return at(LC_WHERE_CREATE, result);
    result = fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", "upper", 0);
    if (result == 0)
        result = fsconfig(fs, FSCONFIG_SET_STRING, "workdir", "work", 0);
    return at(LC_WHERE_CONFIGURE, result);
}

int op_overlay(struct helper *helper, const struct lc_op *op)
{
    const struct lc_overlay *overlay = plan_data(&helper->plan, op);
    int scratch = helper->slots[overlay->scratch];
    // Relative names of layers start here.
    int result = fchdir(scratch);
    if (result < 0)
        return result;
    int fs = fsopen("overlay", FSOPEN_CLOEXEC);
    if (fs < 0)
        return fs;
    result = set_lower(helper, fs, scratch, overlay);
    if (result == 0)
        result = set_upper(helper, fs, scratch, overlay);
    if (result == 0)
        result = finish_fs(helper, op, fs, overlay->attributes);
    close(fs);
    return result;
}
