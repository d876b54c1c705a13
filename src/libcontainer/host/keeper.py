# SPDX-License-Identifier: Apache-2.0
"""Keeps a companion of a container: a program that ends when the container does.

Run as a program by its path, in an interpreter without site packages, by
`libcontainer.host.companions`; so it imports nothing of ours. Its arguments: pidfd of
init, fd to report to, fd that the program says it is ready by, the number that fd has
there, and the program.

A caller that dies takes an unfinished container with it, and a container takes this:
whatever happens, no program is left behind.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys

_NUMBERS = 4


def main(arguments: list[str]) -> int:
    """Run the program until it ends, or the container does; return 0."""
    init, report, ready, there = map(int, arguments[:_NUMBERS])
    program = arguments[_NUMBERS:]
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for fd in (init, report, ready):
        os.set_inheritable(fd, False)
    given = [(os.POSIX_SPAWN_DUP2, ready, there)]
    try:
        pid = os.posix_spawn(
            program[0],
            program,
            os.environ,
            file_actions=given,
            # Python has them ignored, and programs inherit that.
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )
    except OSError as error:
        os.write(2, f"{program[0]}: {error.strerror}\n".encode())
        return 1
    pidfd = os.pidfd_open(pid)
    os.write(report, b"%d\n" % pid)
    _let_go(report, ready)
    _await(init, pidfd)
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    return 0


def _let_go(*fds: int) -> None:
    """Close what the program has now, so that its end can be seen by others."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in range(3):
        os.dup2(null, number)
    for fd in (null, *fds):
        os.close(fd)


def _await(*pidfds: int) -> None:
    poll = select.poll()
    for pidfd in pidfds:
        poll.register(pidfd, select.POLLIN)
    poll.poll()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
