# SPDX-License-Identifier: Apache-2.0
"""Thin wrappers of the kernel calls that containers are made with.

Each module is named after the man page of its call and adds three things only:
types, documentation, and errors. Nothing is decided here. The wrappers act on the
calling thread or process at once, so several of them can harm the host program
(`unshare`, `setns`, `pivot_root`, `prctl`, …); the library itself calls those only
in its helper, never in the caller's process.

Every failure is an `OSError` of the fitting subclass, with ``errno`` set and the call
and its arguments in the message. Every file descriptor made is close-on-exec and
belongs to the caller. The interpreter lock is released during each call. An integer
that does not fit the C type raises `OverflowError`, a path with a NUL byte
`ValueError`; the kernel is not asked then.
"""
