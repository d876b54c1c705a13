// SPDX-License-Identifier: Apache-2.0
// The strict parser (R15). A field that an operation does not use must be 0 (-1 for
// a slot), so a plan has one meaning and a newer caller cannot be half understood.

#include "plan.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/sched.h>
#include <stdbool.h>

#include "operations.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

enum field { SLOT = 1, SLOT2 = 2, FLAGS = 4, ARG = 8, DATA = 16 };

struct shape {
    uint8_t needs;
    uint8_t may;
    uint32_t least, most;  // strings
    uint32_t mode;         // the bits that may be set
    uint64_t flags;        // the bits that may be set
};

#define NAMESPACES                                                                     \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |     \
     CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME)
#define MAKES (LC_MAKE_DIRECTORY | LC_MAKE_FILE | LC_MAKE_LIKE_SOURCE)
#define ATTACH_FLAGS (MAKES | LC_REAL_DIRECTORY | LC_ON_PROC | LC_NO_FOLLOW)
#define FILTER_FLAGS 0x3f
#define PERMISSIONS 07777
#define ARGUMENTS 0x3f  // one bit an argument of a system call

#define SHAPE(kind, function, ...) [LC_OP_##kind] = {__VA_ARGS__},
static const struct shape shapes[LC_OP_LAST + 1] = {OPERATIONS(SHAPE)};

// Strings may be shared between operations, so a small plan could ask for far more
// scanning than it has bytes.
enum {
    SCAN_LIMIT = 4 * LC_MAX_SIZE,
    MAX_TARGET = 1048575,
    MAX_FILTER = 4096,
};

static bool slot_ok(const struct plan *plan, int32_t slot)
{
    return slot >= 0 && (uint32_t)slot < plan->head->nslots;
}

static bool slot_or_none(const struct plan *plan, int32_t slot)
{
    return slot == -1 || slot_ok(plan, slot);
}

// `count` strings, one after the other, all of them terminated inside the plan.
static bool strings_ok(struct plan *plan, const struct lc_op *op)
{
    uint32_t end = op->strings, count = op->count;
    if (count == 0 || end < plan->bytes)
        return count == 0 && end == 0;
    while (count > 0 && end < plan->size) {
        count -= plan->base[end] == '\0';
        end++;
    }
    plan->scanned += end - op->strings;
    return count == 0 && plan->scanned <= SCAN_LIMIT;
}

static bool block_ok(const struct plan *plan, const struct lc_op *op)
{
    if (op->data == 0 || op->data_size == 0)
        return op->data == 0 && op->data_size == 0;
    return op->data % 8 == 0 && op->data >= plan->bytes && op->data <= plan->size &&
           op->data_size <= plan->size - op->data;
}

static bool identity_ok(const struct plan *plan, const struct lc_op *op)
{
    const struct lc_identity *data = plan_data(plan, op);
    if (op->data_size < sizeof(*data) || data->ngroups > LC_MAX_GROUPS ||
        op->data_size != sizeof(*data) + data->ngroups * sizeof(uint32_t))
        return false;
    // The id -1 means "leave it" to the kernel, which no identity may contain.
    return data->keep_groups <= 1 && (data->keep_groups == 0 || data->ngroups == 0) &&
           data->uid != UINT32_MAX && data->gid != UINT32_MAX;
}

static bool fds_ok(const struct plan *plan, const struct lc_op *op)
{
    const struct lc_fd *fds = plan_data(plan, op);
    uint32_t count = op->data_size / (uint32_t)sizeof(*fds);
    if (op->data_size % sizeof(*fds) != 0 || count > LC_MAX_SLOTS)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!slot_ok(plan, fds[i].slot) || fds[i].target < 0 ||
            fds[i].target > MAX_TARGET)
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (fds[j].target == fds[i].target)
                return false;
    }
    return true;
}

static bool call_ok(const struct plan *plan, const struct lc_op *op)
{
    const struct lc_arguments *call = plan_data(plan, op);
    uint64_t pointers = op->flags & ARGUMENTS, slots = op->flags >> 8;
    const uint32_t number = op->mode & UINT8_MAX;
    if (op->data_size < sizeof(*call) || number == 0 || number > LC_CALL_LAST ||
        op->mode >> 8 > LC_WHERE_TIMEOUT || (pointers & slots) != 0)
        return false;
    for (int i = 0; i < 6; i++) {
        uint64_t value = call->value[i];
        if ((pointers >> i & 1) &&
            (value < sizeof(*call) || value >= op->data_size || value % 8 != 0))
            return false;
        if ((slots >> i & 1) && value >= plan->head->nslots)
            return false;
    }
    return true;
}

static bool details_ok(const struct plan *plan, const struct lc_op *op)
{
    switch (op->kind) {
    case LC_OP_TAKE:
        return op->arg <= LC_MAX_TAKEN &&
               op->arg <= plan->head->nslots - (uint32_t)op->slot;
    case LC_OP_ATTACH:
        return (op->flags & MAKES & ((op->flags & MAKES) - 1)) == 0;  // one at most
    case LC_OP_MASK:
        return op->arg <= plan->head->nslots;
    case LC_OP_VERIFY_IDENTITY:
        return identity_ok(plan, op);
    case LC_OP_LET_GO:
        return fds_ok(plan, op);
    case LC_OP_EXEC:
        return op->mode > 0 && op->mode <= op->count && fds_ok(plan, op);
    case LC_OP_SECCOMP:
        return op->data_size % 8 == 0 && op->data_size <= 8 * MAX_FILTER;
    case LC_OP_CALL:
        return call_ok(plan, op);
    default:
        return true;
    }
}

// Whether what must be there is there and what may not be there is not.
static bool shape_ok(const struct plan *plan, const struct lc_op *op)
{
    const struct shape *shape = &shapes[op->kind];
    uint32_t used = 0;
    used |= op->slot != -1 ? SLOT : 0u;
    used |= op->slot2 != -1 ? SLOT2 : 0u;
    used |= op->flags != 0 ? FLAGS : 0u;
    used |= op->arg != 0 ? ARG : 0u;
    used |= op->data != 0 || op->data_size != 0 ? DATA : 0u;
    uint32_t known = (uint32_t)shape->needs | shape->may | FLAGS;
    return (used & ~known) == 0 && (shape->needs & ~used) == 0 &&
           op->count >= shape->least && op->count <= shape->most &&
           (op->mode & ~shape->mode) == 0 && (op->flags & ~shape->flags) == 0 &&
           slot_or_none(plan, op->slot) && slot_or_none(plan, op->slot2);
}

static bool op_ok(struct plan *plan, const struct lc_op *op)
{
    return op->kind > 0 && op->kind <= LC_OP_LAST && op->step > 0 &&
           shape_ok(plan, op) && strings_ok(plan, op) && block_ok(plan, op) &&
           details_ok(plan, op);
}

static bool slots_ok(struct plan *plan)
{
    const struct lc_plan *head = plan->head;
    if (head->nslots == 0 || head->nslots > LC_MAX_SLOTS || head->slots % 4 != 0 ||
        head->slots < sizeof(*head) || head->slots > plan->size ||
        head->nslots > (plan->size - head->slots) / sizeof(int32_t))
        return false;
    int32_t *slots = (int32_t *)(void *)(plan->base + head->slots);
    for (uint32_t i = 0; i < head->nslots; i++)
        if (slots[i] < -1)
            return false;
    if (head->control >= head->nslots || slots[head->control] < 0)
        return false;
    plan->slots = slots;
    return true;
}

// The parts must lie in the order of plan_abi.h: the slot table is written to while
// the plan runs, so nothing that was checked may overlap it.
static bool header_ok(struct plan *plan)
{
    const struct lc_plan *head = plan->head;
    if (head->magic != LC_MAGIC || head->abi != LC_ABI || head->size != plan->size ||
        head->reserved != 0 || !slots_ok(plan))
        return false;
    uint32_t slots_end = head->slots + head->nslots * (uint32_t)sizeof(int32_t);
    if (head->nops == 0 || head->nops > LC_MAX_OPS || head->ops % 8 != 0 ||
        head->ops < slots_end || head->ops > plan->size ||
        head->nops > (plan->size - head->ops) / sizeof(struct lc_op))
        return false;
    plan->ops = (const struct lc_op *)(const void *)(plan->base + head->ops);
    plan->bytes = head->ops + head->nops * (uint32_t)sizeof(struct lc_op);
    return head->fault_step <= UINT16_MAX && head->fault >= -64 && head->fault < 4096 &&
           (head->fault_step == 0) == (head->fault == 0);
}

// What of the order has been seen: whether there is a program to execute, outside and
// in a child, and where the EXEC of the last child is (0: no child yet).
struct order {
    bool program[2];
    uint32_t child_end;
};

// Nothing runs after EXEC, and EXEC needs a program. A child does little else.
static bool order_ok(const struct plan *plan, uint32_t place, struct order *order)
{
    const struct lc_op *op = &plan->ops[place];
    const uint32_t last = plan->head->nops - 1;
    const bool inside = place <= order->child_end && place > 0;
    switch (op->kind) {
    case LC_OP_CHILD:
        order->child_end = place + op->mode;
        order->program[1] = false;
        return !inside && op->mode > 0 && order->child_end < last &&
               plan->ops[order->child_end].kind == LC_OP_EXEC;
    case LC_OP_EXEC:
        return order->program[inside] && place == (inside ? order->child_end : last);
    case LC_OP_FIND_PROGRAM:
        order->program[inside] = true;
        return true;
    default:
        return !inside || op->kind == LC_OP_CALL;
    }
}

int plan_parse(struct plan *plan, void *base, size_t size)
{
    *plan = (struct plan){.base = base, .head = base};
    if (size < sizeof(struct lc_plan) || size > LC_MAX_SIZE)
        return -EPROTO;
    plan->size = (uint32_t)size;
    if (!header_ok(plan))
        return -EPROTO;
    struct order order = {0};
    for (uint32_t i = 0; i < plan->head->nops; i++) {
        const struct lc_op *op = &plan->ops[i];
        plan->step = op->step;
        if (!op_ok(plan, op) || !order_ok(plan, i, &order))
            return -EPROTO;
    }
    plan->step = 0;
    return 0;
}

int plan_control(const struct plan *plan)
{
    return plan->slots == NULL ? -1 : plan->slots[plan->head->control];
}
