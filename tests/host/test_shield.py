# SPDX-License-Identifier: Apache-2.0
"""Work that an interrupt cannot break off."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from libcontainer.host.shield import shielded


def test_it_returns_and_raises_what_the_work_does() -> None:
    assert shielded(lambda: 7) == 7
    error = ValueError("no")

    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="no") as caught:
        shielded(fail)
    assert caught.value is error


def test_the_work_is_not_in_the_main_thread() -> None:
    main = threading.get_ident()
    assert shielded(threading.get_ident) != main
    assert shielded(lambda: shielded(threading.get_ident) != main)
    assert threading.active_count() == 1 or threading.get_ident() == main


def test_in_another_thread_it_is_called_at_once() -> None:
    seen: list[int] = []

    def work() -> None:
        seen.extend([threading.get_ident(), shielded(threading.get_ident)])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen[0] == seen[1]


def test_an_interrupt_comes_after_the_end() -> None:
    steps: list[str] = []
    go_on = threading.Event()

    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        go_on.wait(20)
        time.sleep(0.05)
        steps.append("worked")

    def stop() -> None:
        steps.append("stopped")
        go_on.set()

    with pytest.raises(KeyboardInterrupt):
        shielded(work, stop)
    assert steps == ["stopped", "worked"]


def test_a_second_interrupt_changes_nothing() -> None:
    steps: list[str] = []

    def work() -> None:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
        steps.append("worked")

    with pytest.raises(KeyboardInterrupt):
        shielded(work)
    assert steps == ["worked"]
