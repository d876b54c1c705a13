# SPDX-License-Identifier: Apache-2.0
"""The init operations: the closed vocabulary of what the helper can do.

One class an operation. The class name, ``LC_OP_*`` in ``plan_abi.h``,
``op_*()`` in the helper and the test carry the same stem. A class knows two
things: how its fields travel (`Op.record`) and how it is told to a person
(`Op.title`). It decides nothing: a plan has no variables and no conditions.

*slot* is the number of an fd in the plan's slot table. A *tree* is a slot that
holds a detached mount. A path *inside* is resolved beneath the container's
root, so a symlink of the image can never lead out of it.
"""

from __future__ import annotations

from libcontainer.plan.ops.attach import (
    MAKE_DIRECTORY,
    MAKE_FILE,
    MAKE_LIKE_SOURCE,
    MOUNT_FLAGS,
    NO_FOLLOW,
    ON_PROC,
    REAL_DIRECTORY,
    Attach,
    Mask,
    MountNew,
    Pivot,
    Readonly,
    Root,
    Scratch,
    SetPropagation,
)
from libcontainer.plan.ops.base import Op
from libcontainer.plan.ops.call import CALLS, Call, SlotRef
from libcontainer.plan.ops.identity import SetIdentity, VerifyIdentity
from libcontainer.plan.ops.namespaces import (
    CLONE_NEWNS,
    BecomeRoot,
    Clone,
    Loopback,
    OpenProc,
    Setns,
    Unshare,
    WriteProc,
)
from libcontainer.plan.ops.nodes import (
    Mkdir,
    Mknod,
    Symlink,
)
from libcontainer.plan.ops.process import (
    Barrier,
    Chdir,
    Child,
    Exec,
    FindProgram,
    Gate,
    Init,
    LandlockPath,
    LetGo,
    LimitFiles,
    Monitor,
    NoNewPrivs,
    Seccomp,
    SetRlimit,
    Take,
    Umask,
    WaitFifo,
)
from libcontainer.plan.ops.terminal import Tell, Terminal, VerifyNode
from libcontainer.plan.ops.trees import (
    CloneTree,
    MakeFs,
    ModeOf,
    Overlay,
    SetAttributes,
)

__all__ = [
    "CALLS",
    "CLONE_NEWNS",
    "MAKE_DIRECTORY",
    "MAKE_FILE",
    "MAKE_LIKE_SOURCE",
    "MOUNT_FLAGS",
    "NO_FOLLOW",
    "ON_PROC",
    "REAL_DIRECTORY",
    "Attach",
    "Barrier",
    "BecomeRoot",
    "Call",
    "Chdir",
    "Child",
    "Clone",
    "CloneTree",
    "Exec",
    "FindProgram",
    "Gate",
    "Init",
    "LandlockPath",
    "LetGo",
    "LimitFiles",
    "Loopback",
    "MakeFs",
    "Mask",
    "Mkdir",
    "Mknod",
    "ModeOf",
    "Monitor",
    "MountNew",
    "NoNewPrivs",
    "Op",
    "OpenProc",
    "Overlay",
    "Pivot",
    "Readonly",
    "Root",
    "Scratch",
    "Seccomp",
    "SetAttributes",
    "SetIdentity",
    "SetPropagation",
    "SetRlimit",
    "Setns",
    "SlotRef",
    "Symlink",
    "Take",
    "Tell",
    "Terminal",
    "Umask",
    "Unshare",
    "VerifyIdentity",
    "VerifyNode",
    "WaitFifo",
    "WriteProc",
]
