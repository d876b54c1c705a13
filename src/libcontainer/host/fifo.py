# SPDX-License-Identifier: Apache-2.0
"""Opens the way to a named pipe, for a process that will have another root."""

from __future__ import annotations

import errno
import os
import stat


def open_folder(path: str) -> int:
    """Return an fd of the folder of a named pipe, which only serves to name it.

    Raises:
        OSError: the pipe cannot be reached, or, with EINVAL, it is none.
    """
    folder, name = os.path.split(path)
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        is_fifo = stat.S_ISFIFO(os.stat(name, dir_fd=fd).st_mode)
    except BaseException:
        os.close(fd)
        raise
    if is_fifo:
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
