# SPDX-License-Identifier: Apache-2.0
"""The presets ``high``, ``medium`` and ``low``."""

from __future__ import annotations

from typing import Any

import pytest

from libcontainer import presets
from libcontainer.config import DEFAULT_MASKED_PATHS, Config, Rlimit
from libcontainer.errors import ConfigError
from libcontainer.validate import validate


def test_each_preset_is_within_the_next_lower_one() -> None:
    assert list(presets.PRESETS) == ["high", "medium", "low"]
    high, medium, low = presets.PRESETS.values()
    for stricter, laxer in ((high, medium), (medium, low)):
        assert stricter.capabilities.bounding < laxer.capabilities.bounding
        assert set(stricter.denied_syscalls) > set(laxer.denied_syscalls)
    assert high.capabilities.bounding == {
        "CAP_NET_BIND_SERVICE",
        "CAP_KILL",
        "CAP_AUDIT_WRITE",
    }
    assert "CAP_SYS_ADMIN" not in low.capabilities.bounding


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_preset_makes_a_good_config_and_keeps_the_rest(name: str) -> None:
    core = Rlimit("core", 0, 0)
    lax = Config(
        hostname="box",
        masked_paths=[],
        readonly_paths=[],
        no_new_privs=False,
        rlimits=[core, Rlimit("nofile", 9, 99)],
    )
    config = presets.apply(lax, name)
    assert validate(config) == []
    assert config.hostname == "box"
    assert config.capabilities == presets.PRESETS[name].capabilities
    assert config.rlimits == (core, Rlimit("nofile", 1024, 1024))
    assert config.masked_paths == DEFAULT_MASKED_PATHS
    assert config.readonly_paths
    assert config.no_new_privs is True


@pytest.mark.parametrize("name", ["", "High", "highest", None])
def test_an_unknown_preset_is_refused(name: Any) -> None:
    with pytest.raises(ConfigError, match="preset: must be one of high, medium, low"):
        presets.apply(Config(), name)
