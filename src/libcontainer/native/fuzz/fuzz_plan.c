// SPDX-License-Identifier: Apache-2.0
// The plan parser, alone, under a sanitizer.
//
//   fuzz_plan FILE...           parse each file once
//   fuzz_plan -n COUNT [-s N]   COUNT mutations of a plan that uses every operation,
//                               from random seed N (default 1): the same every time
//
// Built with -DLC_LIBFUZZER (and no main) it is a libFuzzer target. An accepted plan
// is read the way the operations read it, so a check that is missing in the parser
// is a report of the sanitizer here.

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../helper/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink;

static void read_strings(const struct plan *plan, const struct lc_op *op)
{
    const char *text = plan_text(plan, op);
    for (uint32_t i = 0; i < op->count; i++) {
        sink += strlen(text);
        text = plan_next(text);
    }
}

static void read_slot(const struct plan *plan, int32_t slot)
{
    if (slot != -1)
        sink += (uint64_t)plan->slots[slot];
}

// The data of the kinds that hold slots or a size of their own.
static void read_inner(const struct plan *plan, const struct lc_op *op)
{
    const void *data = plan_data(plan, op);
    if (op->kind == LC_OP_VERIFY_IDENTITY) {
        const struct lc_identity *identity = data;
        const uint32_t *groups = (const uint32_t *)(identity + 1);
        for (uint32_t i = 0; i < identity->ngroups; i++)
            sink += groups[i];
    } else if (op->kind == LC_OP_EXEC) {
        const struct lc_fd *fds = data;
        for (uint32_t i = 0; i < op->data_size / sizeof(*fds); i++)
            read_slot(plan, fds[i].slot);
    }
}

static void read_op(const struct plan *plan, const struct lc_op *op)
{
    read_slot(plan, op->slot);
    read_slot(plan, op->slot2);
    read_strings(plan, op);
    for (uint32_t i = 0; i < op->data_size; i++)
        sink += ((const unsigned char *)plan_data(plan, op))[i];
    read_inner(plan, op);
}

// What the helper does to the slots while a plan runs may not change the rest.
static void overwrite_slots(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->head->nslots; i++)
        plan->slots[i] = 0x41414141;
}

static bool parse(const uint8_t *data, size_t size)
{
    struct plan plan;
    // Of exactly this size, so that one byte too far is seen.
    unsigned char *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    bool good = plan_parse(&plan, copy, size) == 0;
    sink += (uint64_t)plan_control(&plan);
    if (good) {
        overwrite_slots(&plan);
        for (uint32_t i = 0; i < plan.head->nops; i++)
            read_op(&plan, &plan.ops[i]);
    }
    free(copy);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse(data, size);
    return 0;
}

#ifndef LC_LIBFUZZER

enum { NSLOTS = 5, NOPS = LC_OP_LAST + 1, BYTES = 512 };

struct seed {
    struct lc_plan head;
    int32_t slots[NSLOTS];
    int32_t padding;
    struct lc_op ops[NOPS];
    union {
        uint64_t align;
        char bytes[BYTES];
    };
    uint32_t used;
};

static uint32_t put(struct seed *seed, const void *data, uint32_t size)
{
    uint32_t offset = (uint32_t)offsetof(struct seed, bytes) + seed->used;
    memcpy(seed->bytes + seed->used, data, size);
    seed->used += (size + 7) / 8 * 8;
    return offset;
}

static struct lc_op *use(struct seed *seed, uint16_t kind)
{
    struct lc_op *op = &seed->ops[seed->head.nops++];
    *op = (struct lc_op){.kind = kind, .step = (uint16_t)seed->head.nops, .slot = -1,
                         .slot2 = -1};
    return op;
}

static void use_data(struct seed *seed, uint16_t kind, const void *data, uint32_t size)
{
    struct lc_op *op = use(seed, kind);
    op->slot = kind == LC_OP_EXEC ? -1 : 1;
    op->data = put(seed, data, size);
    op->data_size = size;
}

static void use_strings(struct seed *seed, uint16_t kind, uint32_t strings, uint32_t count)
{
    struct lc_op *op = use(seed, kind);
    op->slot = kind == LC_OP_CHDIR || kind == LC_OP_FIND_PROGRAM ? -1 : 1;
    op->strings = strings;
    op->count = count;
}

static struct lc_op *last(struct seed *seed)
{
    return &seed->ops[seed->head.nops - 1];
}

static void use_structs(struct seed *seed, uint32_t list)
{
    struct { struct lc_identity fixed; uint32_t groups[2]; } identity = {
        .fixed = {.uid = 1, .gid = 2, .ngroups = 2}, .groups = {3, 4}};
    struct { struct lc_arguments fixed; uint64_t memory; } call = {
        .fixed = {.value = {2, sizeof(struct lc_arguments)}}};
    struct lc_fd fds[2] = {{1, 0}, {2, 1}};
    use_data(seed, LC_OP_VERIFY_IDENTITY, &identity, sizeof(identity));
    use_data(seed, LC_OP_CALL, &call, sizeof(call));
    last(seed)->mode = LC_CALL_WRITE;
    last(seed)->flags = 1 << 8 | 1 << 1;
    use(seed, LC_OP_MONITOR)->slot = 1;
    last(seed)->slot2 = 2;
    use_strings(seed, LC_OP_FIND_PROGRAM, list, 2);
    use_data(seed, LC_OP_EXEC, fds, sizeof(fds));
    last(seed)->strings = list;
    last(seed)->count = 2;
    last(seed)->mode = 1;
}

static void make_seed(struct seed *seed)
{
    static const uint16_t slot_only[] = {LC_OP_ROOT, LC_OP_GATE, LC_OP_INIT};
    static const uint16_t texts[] = {LC_OP_CHDIR, LC_OP_READONLY, LC_OP_CLONE_TREE,
                                     LC_OP_ATTACH, LC_OP_MODE_OF};
    static const uint16_t bare[] = {LC_OP_BARRIER, LC_OP_PIVOT};
    *seed = (struct seed){.head = {.magic = LC_MAGIC, .abi = LC_ABI, .nslots = NSLOTS}};
    for (int32_t i = 0; i < NSLOTS; i++)
        seed->slots[i] = i + 3;
    uint32_t list = put(seed, "/bin/sh\0A=b", 12);
    for (size_t i = 0; i < sizeof(slot_only) / sizeof(*slot_only); i++)
        use(seed, slot_only[i])->slot = 1;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        use_strings(seed, texts[i], list, 1);
    for (size_t i = 0; i < sizeof(bare) / sizeof(*bare); i++)
        use(seed, bare[i]);
    use(seed, LC_OP_CLONE)->flags = 0x00020000;
    use_structs(seed, list);
    seed->head.slots = (uint32_t)offsetof(struct seed, slots);
    seed->head.ops = (uint32_t)offsetof(struct seed, ops);
    seed->head.size = (uint32_t)offsetof(struct seed, used);
}

static uint64_t state;

// xorshift64*: no quality needed, only the same numbers everywhere.
static uint32_t number(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 2685821657736338717u) >> 32) % below;
}

static uint32_t interesting(uint32_t size)
{
    const uint32_t values[] = {0, 1, 2, 7, 8, 255, 4096, 65535, 0x7fffffff, 0x80000000,
                               UINT32_MAX, UINT32_MAX - 7, size, size - 1, size + 1,
                               size - 8, number(size + 16), number(64)};
    return values[number(sizeof(values) / sizeof(*values))];
}

static size_t mutate(uint8_t *data, size_t size)
{
    for (uint32_t i = number(4); i > 0; i--) {
        uint32_t at = number((uint32_t)size - 3);
        uint32_t value = interesting((uint32_t)size);
        switch (number(4)) {
        case 0:
            data[at] ^= (uint8_t)(1u << number(8));
            break;
        case 1:
            data[at] = (uint8_t)value;
            break;
        default:
            memcpy(data + at / 4 * 4, &value, sizeof(value));
        }
    }
    if (number(8) != 0)
        return size;
    size_t shorter = number((uint32_t)size);
    uint32_t told = (uint32_t)shorter;
    if (number(2) == 0 && shorter > sizeof(struct lc_plan))
        memcpy(data + offsetof(struct lc_plan, size), &told, sizeof(told));
    return shorter;
}

static int run_mutations(unsigned long count)
{
    static struct seed seed, copy;
    unsigned long accepted = 0;
    make_seed(&seed);
    if (!parse((const uint8_t *)&seed, seed.head.size)) {
        fprintf(stderr, "fuzz_plan: the unchanged plan is refused\n");
        return 1;
    }
    for (unsigned long i = 0; i < count; i++) {
        copy = seed;
        size_t size = mutate((uint8_t *)&copy, seed.head.size);
        accepted += parse((const uint8_t *)&copy, size);
    }
    printf("%lu plans, %lu accepted\n", count, accepted);
    return 0;
}

static int parse_file(const char *path)
{
    static uint8_t data[LC_MAX_SIZE + 1];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    size_t size = fread(data, 1, sizeof(data), file);
    fclose(file);
    printf("%s: %s\n", path, parse(data, size) ? "accepted" : "refused");
    return 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    state = argc == 5 && strcmp(argv[3], "-s") == 0 ? strtoul(argv[4], NULL, 10) : 1;
    if ((argc == 3 || argc == 5) && strcmp(argv[1], "-n") == 0 && state != 0)
        return run_mutations(strtoul(argv[2], NULL, 10));
    for (int i = 1; i < argc; i++)
        failed |= parse_file(argv[i]);
    return failed;
}

#endif
