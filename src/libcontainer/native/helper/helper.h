// SPDX-License-Identifier: Apache-2.0
// What the operations share.
#ifndef LC_HELPER_H
#define LC_HELPER_H

#include "message.h"
#include "operations.h"
#include "plan.h"
#include "sys.h"

struct helper {
    struct plan plan;
    int32_t *slots;
    int control;           // fd of the control socket
    int root;              // fd of the container's root; -1: none yet
    uint32_t step;         // of the operation that runs
    uint32_t umask;        // what EXEC sets; until then it is 0 so that modes are exact
    uint32_t streams;      // bit: that standard stream was given, and stays over execve(2)
    bool limit_files;      // EXEC sets files: asked for, or raised by us
    struct rlimit64 files;
    const char *program;   // what FIND_PROGRAM found
    uint32_t hook;         // number of the one that runs, here or beside us; 0: none
    uint32_t skip;         // how many operations a child has carried out for us
    const struct lc_op *filter;  // what EXEC sets last; NULL: none
    uint8_t attached[LC_MAX_SLOTS / 8];  // bit: the slot's own mount is in use
};

// An error says which part of the step failed: enum lc_where above the errno. A
// result that already says so keeps what it says.
enum { ERRNO_BITS = 12 };
static inline int at(enum lc_where where, int result)
{
    if (result >= 0 || result <= -(1 << ERRNO_BITS))
        return result;
    return -((int)where << ERRNO_BITS | -result);
}

// What was in the slot is closed with the next sweep.
static inline void fill_slot(struct helper *helper, int32_t slot, int fd)
{
    helper->slots[slot] = fd;
    helper->attached[slot / 8] &= (uint8_t)~(1u << slot % 8);
}

// What was in the slot is closed at once.
static inline void set_slot(struct helper *helper, int32_t slot, int fd)
{
    if (helper->slots[slot] >= 0)
        sys(close, helper->slots[slot]);
    fill_slot(helper, slot, fd);
}

// main.c
int set_timer(uint32_t milliseconds);  // until the helper ends itself; 0: it does not
void *room(size_t size);  // the same memory each time, of unknown content; NULL: none
int sweep(struct helper *helper);
int close_others(const int *fds, uint32_t count, int64_t kept);

// Report to the caller, with fd unless that is -1.
static inline int message_send(const struct helper *helper, enum lc_message_kind kind,
                               int fd)
{
    struct lc_message message = {.kind = kind, .step = helper->step};
    return message_pass(helper->control, &message, fd, 0);
}

// seccomp.c
int seccomp_set(struct helper *helper, const struct lc_op *op);

// safepath.c: a path and how it may be resolved (R1).
struct place {
    int dirfd;
    const char *path;
    uint64_t resolve;
    bool ours;       // beneath a tree of our own, which no image reaches
    bool no_follow;  // a symlink at the end is meant itself
};
struct place place_at(struct helper *helper, int32_t slot, const char *path);
int place_open(const struct place *place, uint64_t flags);

// What was found: an fd with the name "", or a name in the directory it is of.
struct spot {
    int fd;
    const char *name;
};
static inline int spot_statx(struct spot spot, struct statx *found)
{
    return sys(statx, spot.fd, spot.name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
               STATX_TYPE, found);
}
int place_find(const struct place *place, struct spot *spot, struct statx *found);
int place_make(const struct place *place, uint32_t type, uint32_t mode,
               struct spot *spot);

#define DECLARE(kind, function, ...)                                             \
    int function(struct helper *helper, const struct lc_op *op);
OPERATIONS(DECLARE)
#undef DECLARE

#endif
