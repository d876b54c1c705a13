// SPDX-License-Identifier: Apache-2.0
// A parsed plan. plan.c makes no system call, so it can be fuzzed on its own.
#ifndef LC_PLAN_H
#define LC_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "../plan_abi.h"

struct plan {
    unsigned char *base;
    uint32_t size;
    const struct lc_plan *head;
    int32_t *slots;           // NULL until the slot table is known to be good
    const struct lc_op *ops;
    uint32_t bytes;           // where strings, lists and structs may begin
    uint32_t step;            // the step at fault in a bad plan; 0: the header
    uint64_t scanned;         // bytes of strings looked at, see SCAN_LIMIT
};

// Check every field of the plan at base, which is 8-aligned and writable. Gives 0
// or -EPROTO. Afterwards every offset, count, slot and string may be trusted.
int plan_parse(struct plan *plan, void *base, size_t size);

// The control socket of a plan whose slot table is good, or -1.
int plan_control(const struct plan *plan);

// The first string of an operation.
static inline const char *plan_text(const struct plan *plan, const struct lc_op *op)
{
    return (const char *)plan->base + op->strings;
}

static inline const void *plan_data(const struct plan *plan, const struct lc_op *op)
{
    return plan->base + op->data;
}

// The string after this one.
static inline const char *plan_next(const char *text)
{
    while (*text != '\0')
        text++;
    return text + 1;
}

#endif
