// SPDX-License-Identifier: Apache-2.0
// Paths an image can influence (R1). The kernel resolves them beneath an fd; no
// string of the host is ever built, and what is missing is made one component at a
// time, each in a directory that is held open.

#include "helper.h"

// libpathrs measured, with renames running against it: 32 tries fail in 3 % of the
// look-ups, 128 in 0.1 %.
enum { TRIES = 128 };

static int open_tries(int dirfd, const char *path, uint64_t flags, uint64_t resolve)
{
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
    int fd = -EAGAIN;
    for (int i = 0; i < TRIES && fd == -EAGAIN; i++)
        fd = sys(openat2, dirfd, path, &how, sizeof(how));
    return fd;
}

// Beneath a slot of ours nobody but us, or the kernel in a procfs, makes names; an
// image could rename what leads there. Without a slot inside: a process that joins a
// container has no ROOT operation, its root directory is the container's since setns(2).
struct place place_at(struct helper *helper, int32_t slot, const char *path)
{
    if (slot >= 0)
        return (struct place){helper->slots[slot], path,
                              RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS, true, false};
    if (helper->root < 0)
        helper->root = sys(openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    return (struct place){helper->root, path, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
                          false, false};
}

int place_open(const struct place *place, uint64_t flags)
{
    return open_tries(place->dirfd, place->path,
                      place->no_follow ? flags | O_NOFOLLOW : flags, place->resolve);
}

// Another launch on the same rootfs may make the component at the same moment; then
// theirs is as good, as long as it is no symlink and of the type we want.
static int make_component(int parent, const char *name, uint32_t type, uint32_t mode)
{
    const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    if (type == S_IFDIR) {
        int result = sys(mkdirat, parent, name, mode);
        if (result < 0 && result != -EEXIST)
            return result;
        return open_tries(parent, name, O_PATH | O_DIRECTORY, resolve);
    }
    int fd =
        sys(openat, parent, name,
            O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode);
    if (fd != -EEXIST)
        return fd;
    return open_tries(parent, name, O_PATH, resolve);
}

enum { LINKS = 40 };  // as many as the kernel follows in one path

// Put what a symlink says in its place: "/etc/link/rest" becomes "/etc/TARGET/rest".
// *start* is where its name begins, *end* where it ends.
static int expand(char path[PATH_MAX], size_t start, size_t end, int parent)
{
    char target[PATH_MAX], name[NAME_MAX + 1], rest[PATH_MAX];
    size_t size = 0, length = 0;
    for (size_t i = start; i < end && size < NAME_MAX; i++)
        name[size++] = path[i];
    name[size] = '\0';
    long read = sys(readlinkat, parent, name, target, sizeof(target));
    if (read < 0)
        return (int)read;
    for (size_t i = end; path[i] != '\0'; i++)
        rest[length++] = path[i];
    size = read > 0 && target[0] == '/' ? 0 : start;
    if (size + (size_t)read + length >= PATH_MAX)
        return -ENAMETOOLONG;
    for (long i = 0; i < read; i++)
        path[size++] = target[i];
    for (size_t i = 0; i < length; i++)
        path[size++] = rest[i];
    path[size] = '\0';
    return 0;
}

// Walk along the path as far as it is there, and make one component that is not.
// Gives the fd of the place, -EAGAIN if there is more to make.
static int make_next(const struct place *place, char path[PATH_MAX], uint32_t type,
                     uint32_t mode)
{
    int parent = open_tries(place->dirfd, ".", O_PATH | O_DIRECTORY, place->resolve);
    size_t end = 0;
    while (parent >= 0) {
        size_t start = end;
        while (path[start] == '/')
            start++;
        if (path[start] == '\0')
            return parent;
        for (end = start; path[end] != '/' && path[end] != '\0';)
            end++;
        char after = path[end];
        path[end] = '\0';
        bool last = after == '\0' || path[end + 1] == '\0';
        int next = open_tries(place->dirfd, path, O_PATH, place->resolve);
        bool absent = next == -ENOENT;
        if (absent)
            next = make_component(parent, path + start, last ? type : S_IFDIR,
                                  last ? mode : 0755);
        path[end] = after;
        // A symlink that leads nowhere yet: what it names is made, inside the root.
        // Not a magic link, which is there and is refused.
        if (absent && next == -ELOOP)
            next = expand(path, start, end, parent) == 0 ? -EAGAIN : -ELOOP;
        sys(close, parent);
        parent = next;
    }
    return parent;
}

// Right beneath a tree of our own there is nothing to walk along: the name is as good
// as an fd. "." and ".." are no names.
static bool is_direct(const struct place *place)
{
    const char *path = place->path;
    if (!place->ours || *path == '.')
        return false;
    for (; *path != '\0'; path++)
        if (*path == '/')
            return false;
    return path != place->path;
}

// Find the place and what is there; symlinks are followed as far as it says.
int place_find(const struct place *place, struct spot *spot, struct statx *found)
{
    if (is_direct(place)) {
        *spot = (struct spot){place->dirfd, place->path};
        int result = spot_statx(*spot, found);
        if (result < 0 || (found->stx_mode & S_IFMT) != S_IFLNK)
            return result;
    }
    *spot = (struct spot){place_open(place, O_PATH), ""};
    return spot->fd < 0 ? spot->fd : spot_statx(*spot, found);
}

static int make_path(const struct place *place, uint32_t type, uint32_t mode)
{
    char path[PATH_MAX];
    size_t size = text_size(place->path);
    int fd = place_open(place, O_PATH);
    if (fd != -ENOENT)
        return fd;
    if (size >= sizeof(path))
        return -ENAMETOOLONG;
    for (size_t i = 0; i <= size; i++)
        path[i] = place->path[i];
    fd = -EAGAIN;
    for (int i = 0; i < LINKS && fd == -EAGAIN; i++)
        fd = make_next(place, path, type, mode);
    return fd == -EAGAIN ? -ELOOP : fd;
}

// Make the place (type, mode) and the directories above it (0755) where they are
// absent.
int place_make(const struct place *place, uint32_t type, uint32_t mode,
               struct spot *spot)
{
    if (is_direct(place) && type == S_IFDIR) {
        *spot = (struct spot){place->dirfd, place->path};
        int result = sys(mkdirat, spot->fd, spot->name, mode);
        return result == -EEXIST ? 0 : result;
    }
    int fd = is_direct(place) ? make_component(place->dirfd, place->path, type, mode)
                              : make_path(place, type, mode);
    *spot = (struct spot){fd, ""};
    return fd;
}
