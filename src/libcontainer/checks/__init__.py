# SPDX-License-Identifier: Apache-2.0
"""`check`: what of the library works on this machine, for this user."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable

from attrs import field, frozen

from libcontainer.checks.features import FEATURES, Feature
from libcontainer.checks.trial import Trial
from libcontainer.errors import LibcontainerError, StepError, UnsupportedError
from libcontainer.factory import Factory


@frozen(kw_only=True)
class Check:
    """What came of trying one feature."""

    feature: str
    """Its name."""

    what: str
    """What it is for."""

    works: bool
    """Whether it works here, for this user."""

    reason: str | None = field(default=None)
    """Why not: the error, with step and errno."""

    fix: str | None = field(default=None)
    """What to do about it."""

    seconds: float = field(default=0.0)
    """How long the trial took."""

    def __str__(self) -> str:
        if self.works:
            return f"yes  {self.feature}: {self.what}"
        lines = [f"no   {self.feature}: {self.what}"]
        lines += [f"     reason: {self.reason}"] if self.reason else []
        lines += [f"     fix: {self.fix}"] if self.fix else []
        return "\n".join(lines)


def check(*features: str) -> list[Check]:
    """Try features of the library, each in a container that is thrown away.

    Nothing of the machine is changed, and nothing is left. What needs something
    that is not there, a tool or a kernel's module, says so; nothing is installed
    or loaded.

    Args:
        features: names of those to try; none is all of them.

    Returns:
        What came of each, in the order of `libcontainer.checks.features`.

    Raises:
        ValueError: there is no feature of a name.
    """
    known = {feature.name: feature for feature in FEATURES}
    if unknown := [name for name in features if name not in known]:
        message = f"no such feature: {', '.join(unknown)}; there are {', '.join(known)}"
        raise ValueError(message)
    wanted = [f for f in FEATURES if not features or f.name in features]
    folder = tempfile.mkdtemp(prefix="libcontainer-check-")
    try:
        # Other users of the container may have to look up what is mounted of it.
        os.chmod(folder, 0o711)  # noqa: S103
        with Factory(f"{folder}/state") as factory:
            return list(_try_all(wanted, Trial(factory, folder)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _try_all(wanted: Iterable[Feature], trial: Trial) -> Iterable[Check]:
    for feature in wanted:
        begun = time.monotonic()
        error: Exception | None = None
        try:
            feature.attempt(trial)
        except (LibcontainerError, OSError, ValueError) as problem:
            error = problem
        yield Check(
            feature=feature.name,
            what=feature.what,
            works=error is None,
            reason=None if error is None else _reason(error),
            fix=None if error is None else _fix(error, feature),
            seconds=time.monotonic() - begun,
        )


def _reason(error: Exception) -> str:
    lines = str(error).split("\nhint: ")[0].splitlines()
    return "; ".join(lines) or type(error).__name__


def _fix(error: Exception, feature: Feature) -> str | None:
    if isinstance(error, StepError) and error.hint is not None:
        return error.hint
    if isinstance(error, UnsupportedError) and not feature.fix:
        return error.need
    return feature.fix or None
