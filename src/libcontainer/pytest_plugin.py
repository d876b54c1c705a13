# SPDX-License-Identifier: Apache-2.0
"""A plugin of pytest: containers as fixtures, and marks for what tests need.

Found by its entry point. Where that is not wanted: ``-p no:libcontainer``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from libcontainer.container import Container
    from libcontainer.factory import Factory
    from libcontainer.oneshot.result import Result

_NEEDS = {
    "needs_containers": ("containers", "containers can be run"),
    "needs_userns": ("user-namespace", "user namespaces can be made"),
    "needs_limits": ("pids-limit", "containers can be limited"),
    "needs_network": ("veth", "links to the host can be made"),
}


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks."""
    for mark, (_, what) in _NEEDS.items():
        config.addinivalue_line("markers", f"{mark}: skip where no {what}, with why")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose marks name what does not work here."""
    for mark, (feature, _) in _NEEDS.items():
        if item.get_closest_marker(mark) is None:
            continue
        reason = _lacking(feature)
        if reason is not None:
            pytest.skip(f"{mark}: {reason}")


@functools.cache
def _lacking(feature: str) -> str | None:
    # Tried once a session, and not before a test asks for it.
    from libcontainer.checks import check  # noqa: PLC0415

    [found] = check(feature)
    return None if found.works else f"{found.reason}; {found.fix or 'no fix is known'}"


@pytest.fixture
def container_factory(tmp_path: Path) -> Iterator[Factory]:
    """A factory of the test's own; its containers are gone after the test."""
    from libcontainer.factory import Factory  # noqa: PLC0415

    root = tmp_path / "libcontainer"
    root.mkdir(mode=0o700)
    with Factory(root) as factory:
        yield factory
        for left in factory:
            left.delete(force=True)


@pytest.fixture
def make_container(container_factory: Factory) -> Iterator[Callable[..., Container]]:
    """Make containers: ``make_container(hostname="box")``, fields of `Config`."""
    from attrs import evolve  # noqa: PLC0415

    from libcontainer.oneshot.wishes import default_config  # noqa: PLC0415

    made: list[Container] = []

    def make(**fields: Any) -> Container:  # noqa: ANN401 - fields of Config
        config = evolve(default_config(), **fields)
        made.append(container_factory.create(f"test-{len(made)}", config))
        return made[-1]

    yield make
    for container in made:
        container.delete(force=True)


@pytest.fixture
def container(make_container: Callable[..., Container]) -> Container:
    """A container on the host's own root, in which nothing runs yet."""
    return make_container()


@pytest.fixture
def run_in_container(container_factory: Factory) -> Callable[..., Result[Any]]:
    """`libcontainer.run` with the test's own factory."""
    from libcontainer.api import run  # noqa: PLC0415

    return functools.partial(run, factory=container_factory)
