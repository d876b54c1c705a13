# SPDX-License-Identifier: Apache-2.0
"""Who answers for ``SCMP_ACT_NOTIFY``: a handler of ours, or a listener elsewhere."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import socket
import threading
from typing import assert_never

from libcontainer.bindings.seccomp import (
    Notification,
    notif_add_fd,
    notif_continue,
    notif_id_valid,
    notif_receive,
    notif_send,
)
from libcontainer.config.seccomp import Seccomp
from libcontainer.errors import StepError
from libcontainer.host.log import logger
from libcontainer.security.seccomp.notify import (
    AddFd,
    Answer,
    Continue,
    Errno,
    NotifyHandler,
    Request,
    Value,
)
from libcontainer.security.seccomp.numbers import call_name
from libcontainer.state import OCI_VERSION

_REFUSED = Errno(1)
_SECONDS = 10.0


class NotifyServer:
    """Answers one filter's requests in a thread, until the last process is gone.

    It owns the listener. A request that nobody answers any more fails with ENOSYS.
    """

    def __init__(self, listener: int, handler: NotifyHandler) -> None:
        self._listener = listener
        self._handler = handler
        self._thread = threading.Thread(
            target=self._serve, name=f"libcontainer-notify-{listener}", daemon=True
        )
        try:
            self._thread.start()
        except BaseException:
            # No more threads: a limit.
            os.close(listener)
            raise

    def join(self, timeout: float) -> None:
        """Wait until no process has the filter any more, or for *timeout* seconds."""
        self._thread.join(timeout)

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        try:
            while True:
                ((_, events),) = poll.poll()
                if not events & select.POLLIN:
                    return
                # The program can be killed at any moment.
                with contextlib.suppress(FileNotFoundError):
                    self._answer_one(notif_receive(self._listener))
        except OSError:
            logger.exception("the listener of a seccomp filter failed")
        finally:
            os.close(self._listener)

    def _answer_one(self, asked: Notification) -> None:
        request = Request(
            id=asked.id,
            pid=asked.pid,
            name=call_name(asked.architecture, asked.number),
            number=asked.number,
            architecture=asked.architecture,
            args=asked.args,
            is_valid=lambda: notif_id_valid(self._listener, asked.id),
            read=lambda address, size: self._read(asked, address, size),
        )
        try:
            answer = self._handler(request)
            self._send(asked.id, answer)
        except FileNotFoundError:
            raise
        except Exception:
            logger.exception("the handler of seccomp notifications failed")
            self._send(asked.id, _REFUSED)

    def _send(self, number: int, answer: Answer) -> None:
        if isinstance(answer, Continue):
            notif_continue(self._listener, number)
        elif isinstance(answer, Value):
            notif_send(self._listener, number, value=answer.number)
        elif isinstance(answer, Errno):
            notif_send(self._listener, number, error=answer.number)
        elif isinstance(answer, AddFd):
            notif_add_fd(
                self._listener, number, answer.fd, close_on_exec=answer.close_on_exec
            )
        else:
            assert_never(answer)

    def _read(self, asked: Notification, address: int, size: int) -> bytes:
        """Read memory of whoever asked, and make sure that it was who asked."""
        fd = os.open(f"/proc/{asked.pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if not notif_id_valid(self._listener, asked.id):
                message = f"thread {asked.pid} does not wait any more"
                raise ProcessLookupError(message)
            return os.pread(fd, size, address)
        finally:
            os.close(fd)


class ListenerTaker:
    """Takes over the listener of one launch.

    Attributes:
        server: who answers, if it is us.
    """

    def __init__(
        self,
        profile: Seccomp,
        handler: NotifyHandler | None,
        container_id: str,
        folder: str,
        *,
        init: bool,
    ) -> None:
        self.server: NotifyServer | None = None
        self._profile = profile
        self._handler = handler
        self._container_id = container_id
        self._folder = folder
        self._init = init

    def __call__(self, listener: int, host_pid: int) -> None:
        """Answer from here on, or send the listener to whoever does; it is owned.

        Raises:
            OSError: nobody takes it.
        """
        if self._handler is not None:
            self.server = NotifyServer(listener, self._handler)
            return
        try:
            self._send(listener, self._message(host_pid))
        finally:
            os.close(listener)

    def _send(self, listener: int, message: dict[str, object]) -> None:
        path = self._profile.listener_path or ""
        data = json.dumps(message).encode()
        kind = socket.SOCK_STREAM | socket.SOCK_CLOEXEC
        try:
            with socket.socket(socket.AF_UNIX, kind) as connection:
                connection.settimeout(_SECONDS)
                connection.connect(path)
                quiet = socket.MSG_NOSIGNAL
                sent = socket.send_fds(connection, [data], [listener], quiet)
                if sent < len(data):
                    connection.sendall(data[sent:], quiet)
        except OSError as error:
            number = error.errno or errno.ETIMEDOUT
            title = f"hand the seccomp listener to {path!r}"
            raise StepError(number, title) from error

    def _message(self, host_pid: int) -> dict[str, object]:
        """Return the ``ContainerProcessState`` of the OCI specification."""
        state: dict[str, object] = {
            "ociVersion": OCI_VERSION,
            "fds": ["seccompFd"],
            "pid": host_pid,
            "state": {
                "ociVersion": OCI_VERSION,
                "id": self._container_id,
                "status": "creating" if self._init else "running",
                "pid": host_pid,
                "bundle": self._folder,
            },
        }
        if self._profile.listener_metadata is not None:
            state["metadata"] = self._profile.listener_metadata
        return state
