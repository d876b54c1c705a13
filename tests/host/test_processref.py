# SPDX-License-Identifier: Apache-2.0
"""A recorded process is found again, and nothing else is taken for it."""

from __future__ import annotations

import os
import threading

from attrs import evolve

from libcontainer.host.processref import ProcessRef, record_of


def test_a_number_that_has_become_a_threads_is_no_process() -> None:
    begun, ended = threading.Event(), threading.Event()
    numbers: list[int] = []

    def work() -> None:
        numbers.append(threading.get_native_id())
        begun.set()
        ended.wait()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        begun.wait()
        record = evolve(record_of(os.getpid()), host_pid=numbers[0])
        with ProcessRef.open(record) as found:
            assert found is None
    finally:
        ended.set()
        thread.join()
