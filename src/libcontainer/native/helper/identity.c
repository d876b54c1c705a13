// SPDX-License-Identifier: Apache-2.0
// Exact credentials, read back (R10).

#include "helper.h"

// Bytes of /proc/self/status, and of a group in it.
enum { STATUS = 16000, DIGITS = 11 };

static int drop_bounding(const struct lc_identity *wanted)
{
    for (unsigned long cap = 0; cap < 64; cap++) {
        if (wanted->bounding >> cap & 1)
            continue;
        int result = sys(prctl, PR_CAPBSET_DROP, cap, 0, 0, 0);
        if (result == -EINVAL)
            break;  // past the last one this kernel knows
        if (result < 0)
            return result;
    }
    return 0;
}

static int set_ids(const struct helper *helper, const struct lc_op *op)
{
    const struct lc_identity *wanted = plan_data(&helper->plan, op);
    int result = 0;
    if (!wanted->keep_groups)
        result = sys(setgroups, wanted->ngroups, (const uint32_t *)(wanted + 1));
    if (result == 0)
        result = sys(setresgid, wanted->gid, wanted->gid, wanted->gid);
    if (result == 0)
        result = sys(setresuid, wanted->uid, wanted->uid, wanted->uid);
    return result;
}

static int set_capabilities(const struct lc_identity *wanted)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    for (int i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)(wanted->effective >> 32 * i);
        data[i].permitted = (uint32_t)(wanted->permitted >> 32 * i);
        data[i].inheritable = (uint32_t)(wanted->inheritable >> 32 * i);
    }
    int result = sys(capset, &header, data);
    // Without inheritable ones the kernel has emptied the ambient set by itself.
    if (result == 0 && wanted->inheritable != 0)
        result = sys(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (unsigned long cap = 0; cap < 64 && result == 0; cap++)
        if (wanted->ambient >> cap & 1)
            result = sys(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
    return result;
}

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

// The kernel sorts the list by the ids of the host, so the order may differ.
static bool are_groups(const struct lc_identity *wanted, const char *text,
                       uint32_t *held)
{
    const uint32_t *groups = (const uint32_t *)(wanted + 1), count = wanted->ngroups;
    uint32_t found = 0;
    for (; found < count; found++) {
        uint64_t next = next_number(&text, 10);
        if (next > UINT32_MAX)
            return false;
        held[found] = (uint32_t)next;
    }
    for (uint32_t i = 0; i < count; i++)
        if (held[i] != groups[i] &&
            (!is_member(held, count, groups[i]) || !is_member(groups, count, held[i])))
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
    if (!is_as_wanted(wanted, text, op->flags & LC_NO_NEW_PRIVS))
        return -EPERM;
    return wanted->keep_groups || are_groups(wanted, find_key(text, "Groups:"), held)
               ? 0
               : -EPERM;
}

int op_identity(struct helper *helper, const struct lc_op *op)
{
    const struct lc_identity *wanted = plan_data(&helper->plan, op);
    int result = drop_bounding(wanted);
    // Writing them needs CAP_SETPCAP even where nothing changes.
    if (result == 0 && sys(prctl, PR_GET_SECUREBITS, 0, 0, 0, 0) != 0)
        result = sys(prctl, PR_SET_SECUREBITS, 0, 0, 0, 0);
    // Leaving uid 0 empties the permitted set, of which a part may be wanted.
    const bool leaves_root = wanted->uid != 0;
    if (result == 0 && leaves_root)
        result = sys(prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (result == 0)
        result = set_ids(helper, op);
    if (result == 0 && leaves_root)
        result = sys(prctl, PR_SET_KEEPCAPS, 0, 0, 0, 0);
    // A change of ids resets it to /proc/sys/fs/suid_dumpable (R9).
    if (result == 0)
        result = sys(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (result == 0)
        result = set_capabilities(wanted);
    return result < 0 ? result : at(LC_WHERE_VERIFY, verify(helper, op));
}
