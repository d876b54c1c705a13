// SPDX-License-Identifier: Apache-2.0
// Exact credentials, read back (R10).

#include "helper.h"

static int drop_bounding(const struct lc_identity *wanted)
{
    for (unsigned long cap = 0; cap < 64; cap++) {
        if (wanted->bounding >> cap & 1)
            continue;
        int result = prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
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
        result = setgroups(wanted->ngroups, (const uint32_t *)(wanted + 1));
    if (result == 0)
        result = setresgid(wanted->gid, wanted->gid, wanted->gid);
    if (result == 0)
        result = setresuid(wanted->uid, wanted->uid, wanted->uid);
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
    int result = capset(&header, data);
    for (unsigned long cap = 0; cap < 64 && result == 0; cap++)
        if (wanted->ambient >> cap & 1)
            result = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
    return result;
}

static bool is_member(const uint32_t *groups, uint32_t count, uint32_t group)
{
    for (uint32_t i = 0; i < count; i++)
        if (groups[i] == group)
            return true;
    return false;
}

// The kernel sorts the list by the ids of the host, so the order may differ.
static int verify_groups(const struct lc_identity *wanted)
{
    const uint32_t *groups = (const uint32_t *)(wanted + 1);
    int count = getgroups(0, NULL);
    if (count < 0)
        return count;
    if ((uint32_t)count != wanted->ngroups)
        return -EPERM;
    if (count == 0)
        return 0;
    long memory = mmap(NULL, sizeof(uint32_t) * (size_t)count, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory < 0)
        return (int)memory;
    uint32_t *held = (uint32_t *)memory;
    if (getgroups(count, held) != count)
        return -EPERM;
    for (uint32_t i = 0; i < wanted->ngroups; i++)
        if (held[i] != groups[i] && (!is_member(held, wanted->ngroups, groups[i]) ||
                                     !is_member(groups, wanted->ngroups, held[i])))
            return -EPERM;
    return 0;
}

static int verify_ids(const struct lc_identity *wanted)
{
    uint32_t real, effective, saved;
    int result = getresuid(&real, &effective, &saved);
    if (result < 0)
        return result;
    if (real != wanted->uid || effective != wanted->uid || saved != wanted->uid)
        return -EPERM;
    result = getresgid(&real, &effective, &saved);
    if (result < 0)
        return result;
    if (real != wanted->gid || effective != wanted->gid || saved != wanted->gid)
        return -EPERM;
    return wanted->keep_groups ? 0 : verify_groups(wanted);
}

// Already gone is fine for a bound, but not for what the process is to have.
static int verify_bounding(const struct lc_identity *wanted)
{
    uint64_t held = 0;
    for (unsigned long cap = 0; cap < 64; cap++) {
        int result = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
        if (result < 0)
            break;
        held |= (uint64_t)(result > 0) << cap;
    }
    bool more = (held & ~wanted->bounding) != 0;
    bool less = (wanted->bounding & wanted->permitted & ~held) != 0;
    return more || less ? -EPERM : 0;
}

// By system calls alone: /proc may be absent, or the image's.
static int verify_capabilities(const struct helper *helper,
                               const struct lc_identity *wanted)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0}, {0}};
    int result = capget(&header, data);
    for (int i = 0; i < 2 && result == 0; i++)
        if (data[i].effective != (uint32_t)(wanted->effective >> 32 * i) ||
            data[i].permitted != (uint32_t)(wanted->permitted >> 32 * i) ||
            data[i].inheritable != (uint32_t)(wanted->inheritable >> 32 * i))
            result = -EPERM;
    for (unsigned long cap = 0; cap < 64 && result == 0; cap++)
        if ((wanted->ambient >> cap & 1) &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) != 1)
            result = -EPERM;
    if (result == 0 && helper->no_new_privs &&
        prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        result = -EPERM;
    return result == 0 ? verify_bounding(wanted) : result;
}

int op_identity(struct helper *helper, const struct lc_op *op)
{
    const struct lc_identity *wanted = plan_data(&helper->plan, op);
    int result = drop_bounding(wanted);
    if (result == 0)
        result = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    // Writing them needs CAP_SETPCAP even where nothing changes.
    if (result == 0 && prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != 0)
        result = prctl(PR_SET_SECUREBITS, 0, 0, 0, 0);
    // Leaving uid 0 empties the permitted set, of which a part may be wanted.
    if (result == 0)
        result = prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (result == 0)
        result = set_ids(helper, op);
    if (result == 0)
        result = prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    // A change of ids resets it to /proc/sys/fs/suid_dumpable (R9).
    if (result == 0)
        result = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (result == 0)
        result = set_capabilities(wanted);
    if (result < 0)
        return result;
    result = verify_ids(wanted);
    if (result == 0)
        result = verify_capabilities(helper, wanted);
    return at(LC_WHERE_VERIFY, result);
}

int op_no_new_privs(struct helper *helper, const struct lc_op *op)
{
    (void)op;
    helper->no_new_privs = true;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int op_become_root(struct helper *helper, const struct lc_op *op)
{
    (void)helper;
    int result = op->flags & LC_KEEP_GROUPS ? 0 : setgroups(0, NULL);
    if (result == 0)
        result = setresgid(0, 0, 0);
    if (result == 0)
        result = setresuid(0, 0, 0);
    // Ends what allow_id_maps in namespaces.c began (R9).
    return result == 0 ? prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) : result;
}
