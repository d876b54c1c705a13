# SPDX-License-Identifier: Apache-2.0
"""What a command loads in place of attrs makes the same classes of the same source."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PRELUDE = """
import importlib, json, pkgutil, re, sys
importer = None
if sys.argv[1] != "attrs":
    from libcontainer.commands import imports, records
    records.install()
    importer = imports.install()
import attrs
import libcontainer
"""

FIELDS = """
# No command loads what is for other people's frameworks, nor could these load then.
OTHERS = (
    "libcontainer.native", "libcontainer._native", "libcontainer.commands.records",
    "libcontainer.contrib",
)
seen = {}
for found in pkgutil.walk_packages(libcontainer.__path__, "libcontainer."):
    if found.name.startswith(OTHERS) or found.name.endswith("__main__"):
        continue
    try:
        module = importlib.import_module(found.name)
    except ImportError:  # an extra that is not installed
        continue
    late = vars(module).get("__late__")
    for name, what in () if late is None else late.late.items():
        if type(what) is bytes:
            getattr(module, name)  # which makes it
    for name, value in vars(module).items():
        if isinstance(value, type) and value.__module__ == found.name:
            if attrs.has(value):
                seen[f"{found.name}.{name}"] = value

def default(attribute):
    value = attribute.default
    if type(value).__name__ == "Factory":
        return "made anew: " + type(value.factory()).__name__
    unset = type(value).__name__ in {"_Nothing", "object"} or "NOTHING" in repr(value)
    return "none" if unset else re.sub(" at 0x[0-9a-f]+", "", repr(value))

print(json.dumps({
    name: [
        [a.name, a.kw_only, bool(a.eq), bool(a.repr), a.init, default(a),
         a.converter is not None]
        for a in attrs.fields(cls)
    ] + [list(cls.__match_args__), cls.__hash__ is None,
         cls.__setattr__ is object.__setattr__]
    for name, cls in seen.items()
}))
"""

PLANS = """
sys.path.insert(0, sys.argv[2])
from libcontainer.config import config_from_json, config_to_json
from libcontainer.plan import explain
from tests.plan import samples
made = {name: explain(make()) for name, make in samples.SAMPLES.items()}
config = samples.DIRECTORY
document = json.loads(json.dumps(config_to_json(config)))
made["json"] = document
made["read back"] = config_from_json(document) == config
made["hash"] = hash(config_from_json(document)) == hash(config)
other = attrs.evolve(config, hostname="other")
made["evolve"] = [other == config, other.hostname, config.hostname]
made["repr"] = [repr(samples.SHELL), repr(samples.ROOT), repr(config)]
for wrong in ("x = config.hostname = 1", "libcontainer.Process()",
              "libcontainer.Process(['a'], frob=1)",
              "libcontainer.Config('a', 'b', 'c')",
              "attrs.evolve(config, frob=1)"):
    try:
        exec(wrong)
    except Exception as error:
        made[wrong] = [type(error).__name__, isinstance(error, AttributeError)]
import copy, pickle
made["copies"] = [copy.copy(config) == config, copy.deepcopy(config) == config,
                  pickle.loads(pickle.dumps(config)) == config]
print(json.dumps(made))
"""


KEEP = """
if importer is not None and sys.pycache_prefix:
    importer.save()
"""


def said(how: str, script: str, kept: Path | None = None) -> Any:
    """Return what a script says with attrs, or with what is loaded in its place.

    With *kept* it is what it says the second time, of what the first has kept there.
    """
    root = str(Path(__file__).resolve().parents[2])
    for _ in range(1 if kept is None else 2):
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + script + KEEP, how, root],
            capture_output=True,
            text=True,
            check=False,
            cwd=root,
            env={
                **{
                    k: v
                    for k, v in os.environ.items()
                    if k != "PYTHONDONTWRITEBYTECODE"
                },
                "PYTHONHASHSEED": "0",
                "PYTHONPYCACHEPREFIX": str(kept) if kept else "",
            },
        )
        assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_class_has_the_same_fields(tmp_path: Path) -> None:
    classes = said("attrs", FIELDS)
    assert len(classes) > 100
    assert said("records", FIELDS) == classes
    assert said("records", FIELDS, tmp_path) == classes


def test_configurations_and_plans_are_the_same(tmp_path: Path) -> None:
    expected = said("attrs", PLANS)
    assert expected["read back"]
    assert said("records", PLANS) == expected
    assert said("records", PLANS, tmp_path) == expected


@pytest.mark.parametrize("how", ["attrs", "records"])
def test_it_is_what_is_loaded(how: str) -> None:
    assert said(how, "print(json.dumps(attrs.__name__))") == (
        "attrs" if how == "attrs" else "libcontainer.commands.records"
    )
