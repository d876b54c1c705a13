// SPDX-License-Identifier: Apache-2.0
// Operations that put mounts and nodes where they belong: from fd to fd, and looked
// at again afterwards (R2).

#include "helper.h"

// The tree of a slot, to be attached. Its own mount can be attached once; after that
// a clone of it is, without what was mounted on it meanwhile. In this order because
// before Linux 6.15 a mount could be cloned only while it is attached.
static int take_tree(struct helper *helper, int32_t slot)
{
    uint8_t bit = (uint8_t)(1u << slot % 8);
    if (helper->attached[slot / 8] & bit)
        return sys(open_tree, helper->slots[slot], "",
                   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    helper->attached[slot / 8] |= bit;
    return helper->slots[slot] < 0 ? -EBADF : helper->slots[slot];
}

// The kernel says EINVAL of a file on a directory, as of many other mistakes.
static int mismatch(int tree, struct spot target, int result)
{
    struct statx mounted = {0}, found = {0};
    if (result != -EINVAL || fd_statx(tree, STATX_TYPE, &mounted) < 0 ||
        spot_statx(target, &found) < 0)
        return result;
    bool from_directory = (mounted.stx_mode & S_IFMT) == S_IFDIR;
    if (from_directory == ((found.stx_mode & S_IFMT) == S_IFDIR))
        return result;
    return from_directory ? -ENOTDIR : -EISDIR;
}

// Attach the tree on an open target, then walk to the place again: if the path was
// changed under us, it does not lead to our mount. In a tree of our own nobody can
// change it.
static int attach(int tree, struct spot target, const struct place *place)
{
    struct statx mounted = {0}, found = {0};
    int result = sys(move_mount, tree, "", target.fd, target.name,
                     MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
    if (result < 0)
        return at(LC_WHERE_ATTACH, mismatch(tree, target, result));
    if (place->ours)
        return 0;
    result = fd_statx(tree, STATX_MNT_ID | STATX_TYPE, &mounted);
    // A symlink that is mounted itself leads on from there.
    struct place there = *place;
    there.no_follow |= (mounted.stx_mode & S_IFMT) == S_IFLNK;
    int again = result < 0 ? result : place_open(&there, O_PATH);
    if (again < 0)
        return at(LC_WHERE_VERIFY, again);
    result = fd_statx(again, STATX_MNT_ID, &found);
    if (result == 0 && found.stx_mnt_id != mounted.stx_mnt_id)
        result = -ESTALE;
    return at(LC_WHERE_VERIFY, result);
}

static int attach_slot(struct helper *helper, int32_t slot, struct spot target,
                       const struct place *place)
{
    int tree = take_tree(helper, slot);
    return tree < 0 ? at(LC_WHERE_CLONE, tree) : attach(tree, target, place);
}

int op_root(struct helper *helper, const struct lc_op *op)
{
    const char *path = op->count == 0 ? "/" : plan_text(&helper->plan, op);
    int tree = take_tree(helper, op->slot);
    if (tree < 0)
        return at(LC_WHERE_CLONE, tree);
    helper->root = helper->slots[op->slot];
    return at(LC_WHERE_ATTACH,
              sys(move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH));
}

enum { MAKES = LC_MAKE_DIRECTORY | LC_MAKE_FILE | LC_MAKE_LIKE_SOURCE };

// Open the target, or make it where the operation says as what.
static int open_target(struct helper *helper, const struct lc_op *op,
                       const struct place *place, struct spot *spot)
{
    uint32_t type = op->flags & LC_MAKE_FILE ? S_IFREG : S_IFDIR;
    uint64_t how = op->flags & LC_REAL_DIRECTORY ? O_PATH | O_DIRECTORY : O_PATH;
    if ((op->flags & MAKES) == 0)
        return at(LC_WHERE_RESOLVE, spot->fd = place_open(place, how));
    if (op->flags & LC_MAKE_LIKE_SOURCE) {
        struct statx source = {0};
        int result = fd_statx(helper->slots[op->slot], STATX_TYPE, &source);
        if (result < 0)
            return at(LC_WHERE_CLONE, result);
        type = (source.stx_mode & S_IFMT) == S_IFDIR ? S_IFDIR : S_IFREG;
    }
    spot->fd = place->ours ? -ENOENT : place_open(place, how);
    if (spot->fd == -ENOENT && (op->flags & LC_REAL_DIRECTORY) && type != S_IFDIR)
        spot->fd = -ENOTDIR;
    if (spot->fd != -ENOENT)
        return at(LC_WHERE_RESOLVE, spot->fd);
    return at(LC_WHERE_CREATE, place_make(place, type, op->mode, spot));
}

// What the operation says of the target, of which the path alone tells nothing: a
// symlink of the image may lead into /proc, where a mount changes what the kernel is
// told (R5, CVE-2019-16884).
static int check_target(const struct lc_op *op, const struct place *place, int target)
{
    struct statfs fs = {0};
    if (place->ours || (op->flags & LC_ON_PROC))
        return 0;
    int result = sys(fstatfs, target, &fs);
    return result == 0 && fs.f_type == PROC_SUPER_MAGIC ? -EXDEV : result;
}

int op_attach(struct helper *helper, const struct lc_op *op)
{
    const char *path = plan_text(&helper->plan, op);
    struct place place = place_at(helper, op->slot2, path);
    // In a tree of our own nothing has reason to be a symlink.
    if (place.ours || (op->flags & LC_REAL_DIRECTORY))
        place.resolve |= RESOLVE_NO_SYMLINKS;
    place.no_follow = (op->flags & LC_NO_FOLLOW) != 0;
    struct spot target = {-1, ""};
    int result = open_target(helper, op, &place, &target);
    if (result >= 0)
        result = at(LC_WHERE_RESOLVE, check_target(op, &place, target.fd));
    return result < 0 ? result : attach_slot(helper, op->slot, target, &place);
}

// R3: the name proves nothing, the inode does. A file is masked by nothing but the null
// device (R6, CVE-2025-31133), and a terminal comes from a ptmx of devpts.
int op_verify_node(struct helper *helper, const struct lc_op *op)
{
    struct statx found = {0};
    struct statfs fs = {0};
    int result = fd_statx(helper->slots[op->slot], STATX_TYPE, &found);
    if (result == 0 && op->arg != 0)
        result = sys(fstatfs, helper->slots[op->slot], &fs);
    if (result == 0 && ((found.stx_mode & S_IFMT) != S_IFCHR ||
                        found.stx_rdev_major != op->flags >> 32 ||
                        found.stx_rdev_minor != (uint32_t)op->flags ||
                        (op->arg != 0 && (uint64_t)fs.f_type != op->arg)))
        result = -ENODEV;
    return at(LC_WHERE_VERIFY, result);
}

// What is to be masked or made read-only. Absence is the one excuse (R6).
static int excuse(int result)
{
    return result == -ENOENT || result == -ENOTDIR ? 0 : at(LC_WHERE_RESOLVE, result);
}

int op_mask(struct helper *helper, const struct lc_op *op)
{
    const char *path = plan_text(&helper->plan, op);
    struct place place = place_at(helper, (int32_t)op->arg - 1, path);
    struct statx found = {0};
    struct spot target;
    int result = place_find(&place, &target, &found);
    if (result < 0)
        return excuse(result);
    bool directory = (found.stx_mode & S_IFMT) == S_IFDIR;
    return attach_slot(helper, directory ? op->slot : op->slot2, target, &place);
}

int op_readonly(struct helper *helper, const struct lc_op *op)
{
    struct place place = place_at(helper, op->slot, plan_text(&helper->plan, op));
    struct spot target = {place_open(&place, O_PATH), ""};
    if (target.fd < 0)
        return excuse(target.fd);
    int tree = sys(open_tree, target.fd, "",
                   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
    if (tree < 0)
        return at(LC_WHERE_CLONE, tree);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    int result =
        sys(mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr));
    return result < 0 ? at(LC_WHERE_ATTRIBUTES, result) : attach(tree, target, &place);
}

// Take away what lies on the new root until nothing does: the old root, and on top of
// that the scratch tree of an overlay. ".." is the one name that leads to the top of
// what is mounted on "/". At the end that is the root itself, where "." is as well.
static int uncover_root(struct helper *helper)
{
    struct statx root = {0}, top = {0};
    int result = fd_statx(helper->root, STATX_MNT_ID, &root);
    while (result == 0 && top.stx_mnt_id != root.stx_mnt_id) {
        result = sys(umount2, ".", MNT_DETACH);
        if (result == 0)
            result = sys(statx, AT_FDCWD, "..", 0, STATX_MNT_ID, &top);
    }
    return result;
}

// Both names are the root's own directory: the old root comes to lie on top of the
// new one and is taken away again, so the image needs no directory to hold it. See
// pivot_root(2), "pivot_root(".", ".")".
int op_pivot(struct helper *helper, const struct lc_op *op)
{
    (void)op;
    int result = helper->root < 0 ? -EBADF : sys(fchdir, helper->root);
    if (result == 0)
        result = sys(pivot_root, ".", ".");
    return result == 0 ? uncover_root(helper) : result;
}
