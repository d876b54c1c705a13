# SPDX-License-Identifier: Apache-2.0
"""Python functions of the caller that run in a container.

The caller's interpreter and the folders of its ``sys.path`` are mounted read-only,
so any root filesystem will do. What goes in is pickled: the container trusts its
caller. What comes out is not unpickled unless the caller asks for it.
"""
