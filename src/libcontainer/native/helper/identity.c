// SPDX-License-Identifier: Apache-2.0
// Whether the credentials are what they were to become (R10): calls of the plan have
// set them, and what the kernel then says of the process decides.

#include "helper.h"

// Bytes of /proc/self/status, and of a group in it.
enum { STATUS = 16000, DIGITS = 11 };

static bool is_member(const uint32_t *groups, uint32_t count, uint32_t group)
{
    for (uint32_t i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return false;
}

// What stands behind a key of /proc/self/status, which begins a line.
static const char *find_key(const char *text, const char *key)
{
    for (;; text++) {
        size_t size = 0;
        while (key[size] != '\0' && text[size] == key[size])
            size++;
        if (key[size] == '\0')
            return text + size;
        while (*text != '\n' && *text != '\0')
            text++;
        if (*text == '\0')
            return text;
    }
}

// The next number; all bits where there is none, which no identity has.
static uint64_t next_number(const char **text, unsigned int base)
{
    uint64_t value = 0;
    while (**text == '\t' || **text == ' ')
        (*text)++;
    const char *start = *text;
    for (;; (*text)++) {
        char c = **text;
        unsigned int digit =
            c <= '9' ? (unsigned int)(c - '0') : (unsigned int)(c - 'a' + 10);
        if (digit >= base)
            return *text == start ? UINT64_MAX : value;
        value = value * base + digit;
    }
}

// Real, effective, saved, and of the file system.
static bool is_id(const char *status, const char *key, uint32_t id)
{
    const char *text = find_key(status, key);
    for (int i = 0; i < 4; i++)
        if (next_number(&text, 10) != id)
            return false;
    return true;
}

static uint64_t mask_of(const char *status, const char *key)
{
    const char *text = find_key(status, key);
    return next_number(&text, 16);
}

// A bound that was there before may be narrower, but not where the process is to have
// what it bounds.
static bool is_as_wanted(const struct lc_identity *wanted, const char *status,
                         bool no_new_privs)
{
    uint64_t held = mask_of(status, "CapBnd:");
    return is_id(status, "Uid:", wanted->uid) && is_id(status, "Gid:", wanted->gid) &&
           mask_of(status, "CapInh:") == wanted->inheritable &&
           mask_of(status, "CapPrm:") == wanted->permitted &&
           mask_of(status, "CapEff:") == wanted->effective &&
           mask_of(status, "CapAmb:") == wanted->ambient &&
           (held & ~wanted->bounding) == 0 &&
           (wanted->bounding & wanted->permitted & ~held) == 0 &&
           (!no_new_privs || mask_of(status, "NoNewPrivs:") == 1);
}

// The kernel sorts the list by the ids of the host, so the order may differ. As many
// as are wanted, and each of them, none of which is wanted twice.
static bool are_groups(const struct lc_identity *wanted, const char *text,
                       uint32_t *held)
{
    const uint32_t *groups = (const uint32_t *)(wanted + 1), count = wanted->ngroups;
    for (uint32_t i = 0; i < count; i++)
        held[i] = (uint32_t)next_number(&text, 10);
    for (uint32_t i = 0; i < count; i++)
        if (held[i] != groups[i] && !is_member(held, count, groups[i]))
            return false;
    return next_number(&text, 10) == UINT64_MAX;
}

// The kernel's own words, out of the file that was opened before anything could keep
// this process from it.
static int verify(const struct helper *helper, const struct lc_op *op)
{
    const struct lc_identity *wanted = plan_data(&helper->plan, op);
    int count = wanted->keep_groups ? sys(getgroups, 0, NULL) : (int)wanted->ngroups;
    if (count < 0)
        return count;
    // The groups as numbers, then the file, which names them too.
    const size_t size = STATUS + (size_t)count * DIGITS;
    uint32_t *held = room((size_t)count * sizeof(*held) + size);
    if (held == NULL)
        return -ENOMEM;
    char *text = (char *)(held + count);
    int got = sys(read, helper->slots[op->slot], text, size - 1);
    if (got < 0)
        return got;
    text[got] = '\0';
    bool good = is_as_wanted(wanted, text, op->flags & LC_NO_NEW_PRIVS) &&
                (wanted->keep_groups ||
                 are_groups(wanted, find_key(text, "Groups:"), held));
    return good ? 0 : -EPERM;
}

int op_verify_identity(struct helper *helper, const struct lc_op *op)
{
    return at(LC_WHERE_VERIFY, verify(helper, op));
}
