// SPDX-License-Identifier: Apache-2.0
// The closed vocabulary, each operation in one line: what the parser lets it say, and
// the function that carries it out.
//
//   kind, function, fields it needs, fields it may have besides, strings from .. to,
//   bits of its mode, bits of its flags
//
// FLAGS among the needed fields: they may not be 0. A field that is not named must be
// 0, -1 for a slot.
#ifndef LC_OPERATIONS_H
#define LC_OPERATIONS_H

enum { MANY = 0x7fffffff };

#define OPERATIONS(X)                                                             \
    X(CLONE, op_clone, 0, SLOT, 0, 0, 0, NAMESPACES)                              \
    X(BARRIER, op_barrier, 0, SLOT, 0, 0, 0, 0)                                   \
    X(TAKE, op_take, SLOT | ARG, 0, 0, 0, 0, 0)                                   \
    X(CLONE_TREE, op_clone_tree, SLOT, 0, 1, 1, 0, AT_RECURSIVE | AT_SYMLINK_NOFOLLOW) \
    X(MODE_OF, op_mode_of, SLOT, 0, 1, 1, 0, 0)                                   \
    X(ROOT, op_root, SLOT, 0, 0, 1, 0, 0)                                         \
    X(ATTACH, op_attach, SLOT, SLOT2, 1, 1, PERMISSIONS, ATTACH_FLAGS)            \
    X(MASK, op_mask, SLOT | SLOT2, ARG, 1, 1, 0, 0)                               \
    X(READONLY, op_readonly, 0, SLOT, 1, 1, 0, 0)                                 \
    X(PIVOT, op_pivot, 0, 0, 0, 0, 0, 0)                                          \
    X(CALL, op_call, DATA, SLOT | ARG, 0, 0, UINT16_MAX, ARGUMENTS | ARGUMENTS << 8)     \
    X(LET_GO, op_let_go, DATA, 0, 0, 0, 0, 0)                                     \
    X(GATE, op_gate, SLOT, 0, 0, 0, 0, 0)                                         \
    X(OPEN_PROC, op_open_proc, SLOT | SLOT2, 0, 1, 1, 0, LC_LAST_USE)             \
    X(WRITE_PROC, op_write_proc, SLOT, 0, 2, 2, 0, LC_LAST_USE)                   \
    X(LIMIT_FILES, op_limit_files, 0, ARG, 0, 0, 0, UINT64_MAX)                   \
    X(UMASK, op_umask, 0, 0, 0, 0, 0777, 0)                                       \
    X(CHDIR, op_chdir, 0, 0, 1, 1, 0, 0)                                          \
    X(VERIFY_NODE, op_verify_node, SLOT | FLAGS, ARG, 0, 0, 0, UINT64_MAX)        \
    X(TELL, op_tell, SLOT, 0, 0, 0, 0, 0)                                         \
    X(VERIFY_IDENTITY, op_verify_identity, SLOT | DATA, 0, 0, 0, 0, LC_NO_NEW_PRIVS) \
    X(FIND_PROGRAM, op_find_program, 0, 0, 1, MANY, 0, 0)                         \
    X(LANDLOCK_PATH, op_landlock_path, SLOT | FLAGS, 0, 1, 1, 0, UINT32_MAX)      \
    X(CHILD, op_child, FLAGS, ARG, 0, 0, UINT16_MAX, UINT8_MAX)                   \
    X(INIT, op_init, SLOT, 0, 0, 0, 0, 0)                                         \
    X(MONITOR, op_monitor, SLOT | SLOT2, 0, 0, 0, 0, 0)                           \
    X(SECCOMP, op_seccomp, DATA, 0, 0, 0, LC_SECCOMP_NOW, FILTER_FLAGS)           \
    X(EXEC, op_exec, 0, DATA, 1, MANY, UINT32_MAX, LC_OWN_PID)

#endif
