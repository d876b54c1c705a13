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
        fd = openat2(dirfd, path, &how, sizeof(how));
    return fd;
}

// A process that joins a container has no ROOT operation: its root directory is the
// container's since setns(2).
struct place place_inside(struct helper *helper, const char *path)
{
    if (helper->root < 0)
        helper->root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    return (struct place){helper->root, path, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
                          false};
}

// In a tree of our own nothing has reason to be a symlink.
struct place place_beneath(int dirfd, const char *path)
{
    while (*path == '/')
        path++;
    return (struct place){dirfd, path, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, true};
}

int place_open(const struct place *place, uint64_t flags)
{
    return open_tries(place->dirfd, place->path, flags, place->resolve);
}

// Another launch on the same rootfs may make the component at the same moment; then
// theirs is as good, as long as it is no symlink and of the type we want.
static int make_component(int parent, const char *name, uint32_t type, uint32_t mode)
{
    const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    if (type == S_IFDIR) {
        int result = mkdirat(parent, name, mode);
        if (result < 0 && result != -EEXIST)
            return result;
        return open_tries(parent, name, O_PATH | O_DIRECTORY, resolve);
    }
    int fd = openat(parent, name,
                    O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                    mode);
    if (fd != -EEXIST)
        return fd;
    return open_tries(parent, name, O_PATH, resolve);
}

static bool is_last(const char *rest)
{
    while (*rest == '/')
        rest++;
    return *rest == '\0';
}

// Open the place, making it (type, mode) and the directories above it (0755) where
// they are absent.
int place_make(const struct place *place, uint32_t type, uint32_t mode)
{
    int parent = place_open(place, O_PATH);
    if (parent != -ENOENT)
        return parent;
    char prefix[PATH_MAX];
    size_t size = 0;
    parent = open_tries(place->dirfd, ".", O_PATH | O_DIRECTORY, place->resolve);
    while (parent >= 0 && !is_last(place->path + size)) {
        while (place->path[size] == '/' && size < sizeof(prefix) - 1)
            prefix[size] = '/', size++;
        const char *name = prefix + size;
        while (place->path[size] != '/' && place->path[size] != '\0' &&
               size < sizeof(prefix) - 1)
            prefix[size] = place->path[size], size++;
        prefix[size] = '\0';
        bool last = is_last(place->path + size);
        int next = size == sizeof(prefix) - 1
                       ? -ENAMETOOLONG
                       : open_tries(place->dirfd, prefix, O_PATH, place->resolve);
        if (next == -ENOENT)
            next = make_component(parent, name, last ? type : S_IFDIR,
                                  last ? mode : 0755);
        close(parent);
        parent = next;
    }
    return parent;
}

// Open the directory that holds the place; its name there is for the *at calls,
// which do not follow a last symlink. It may be the place's own dirfd.
int place_parent(const struct place *place, const char **name)
{
    char directory[PATH_MAX];
    size_t size = 0;
    *name = place->path;
    for (const char *c = place->path; *c != '\0'; c++)
        if (*c == '/')
            *name = c + 1;
    for (const char *c = place->path; c + 1 < *name; c++) {
        if (size == sizeof(directory) - 1)
            return -ENAMETOOLONG;
        directory[size++] = *c;
    }
    if (size == 0)
        return place->dirfd;
    directory[size] = '\0';
    return open_tries(place->dirfd, directory, O_PATH | O_DIRECTORY, place->resolve);
}
