# SPDX-License-Identifier: Apache-2.0
"""What every network strategy must do, as a test that third parties can run.

::

    def test_my_strategy(tmp_path):
        network = libcontainer.CustomNetwork(strategy="mine")
        with libcontainer.Factory(tmp_path) as factory:
            survey = lambda: set(os.listdir("/sys/class/net"))
            check_strategy(network, factory, survey)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from libcontainer.config import Config
from libcontainer.errors import NetworkError
from libcontainer.network.runner import disconnect, records
from libcontainer.process import Process

if TYPE_CHECKING:
    from libcontainer.factory import Factory


def check_strategy(
    network: Any,  # noqa: ANN401 - any class of config/network.py
    factory: Factory,
    survey: Callable[[], object],
) -> None:
    """Run containers with a network and see that it keeps the contract.

    Args:
        network: what to connect them to.
        factory: what to make containers with.
        survey: tells what is on the host that the strategy may change.

    Raises:
        AssertionError: it does not keep the contract; the message says how.

    Needs what the strategy needs, and a user who may make containers.
    """
    before = survey()
    config = Config(networks=[network])
    record = records(config, "contract")
    _must(record == records(config, "contract"), "the record is not always the same")
    _must(json.loads(json.dumps(record)) == list(record), "the record is not JSON")
    _must(survey() == before, "to make the record has changed the host")
    disconnect(record, None)
    _must(survey() == before, "to disconnect what is not there has changed the host")
    with factory.create("contract", config) as container:
        container.run(Process(["sleep", "1000"])).close()
        factory.load("contract").delete(force=True)
        _must(survey() == before, "delete leaves something")
        _fail(factory, network)
        _must(survey() == before, "a launch that failed later leaves something")


def _fail(factory: Factory, network: Any) -> None:  # noqa: ANN401
    from libcontainer.config.network import Route  # noqa: PLC0415

    broken = [Route(destination="192.0.2.0/24", interface="absent0")]
    with factory.create("contract", Config(networks=[network], routes=broken)) as made:
        try:
            made.run(Process(["true"]))
        except NetworkError:
            return
    _must(False, "a route over a link that is not there was made")


def _must(kept: bool, otherwise: str) -> None:  # noqa: FBT001
    if not kept:
        raise AssertionError(otherwise)
