# SPDX-License-Identifier: Apache-2.0
"""A thread made for one piece of work, which changes what only threads have.

Namespaces, filesystem ids and the securebits are a thread's own. Whoever changes them
in a thread of the program around us would change that program; so it is done in one
that ends right after.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def apart(name: str, work: Callable[[], T]) -> T:
    """Return what *work* returns, or raise what it raises, in a thread of its own.

    Args:
        name: what the thread is called after ``libcontainer-``.
        work: what is done there.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name=f"libcontainer-{name}")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
