# SPDX-License-Identifier: Apache-2.0
"""What an image is, and the configuration that it becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from libcontainer.config import Config, Overlay
from libcontainer.config.strict_json import parse_strict_json
from libcontainer.errors import ConfigError, ImageError, Problem
from libcontainer.image.digests import check_digest
from libcontainer.process import Process

_DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MAX_LAYERS: Final = 128
_MAX_LABELS: Final = 10_000
_SIGNAL: Final = re.compile(r"[A-Z0-9+-]{1,32}")


@frozen(kw_only=True)
class ImageConfig:
    """What an image says of how it is run (OCI image specification, config.md).

    Attributes:
        entrypoint: program and arguments that *cmd* is appended to.
        cmd: arguments, or program and arguments without an *entrypoint*.
        env: environment, name and value.
        working_dir: where the program starts, or empty.
        user: ``name``, ``uid``, ``name:group`` and mixes; empty is root.
        labels: notes of its maker, which change nothing.
        volumes: places for data, which change nothing.
        ports: ports that it says to serve, which change nothing.
        stop_signal: the signal that it says to end at, or empty.
        architecture: of its programs, as Go names it.
        diff_ids: digests of the layers, the lowest first.
    """

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""
    user: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    volumes: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    stop_signal: str = ""
    architecture: str = ""
    diff_ids: tuple[str, ...] = ()

    @staticmethod
    def read(data: bytes) -> ImageConfig:
        """Return the configuration that a JSON text describes.

        Raises:
            ImageError: it is not of this form.
        """
        document = read_json(data, "the configuration of the image")
        system = document.get("os", "linux")
        if system != "linux":
            message = f"the image is for {str(system)[:50]!r}, not for linux"
            raise ImageError(message)
        config = document.get("config") or {}
        if not isinstance(config, dict):
            message = "config: must be an object"
            raise ImageError(message)
        rootfs = document.get("rootfs")
        ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
        diff_ids = tuple(check_digest(item) for item in _list(ids, "rootfs.diff_ids"))
        if len(diff_ids) > _MAX_LAYERS:
            message = f"the image has more than {_MAX_LAYERS} layers"
            raise ImageError(message)
        stop_signal = _text(config.get("StopSignal"), "StopSignal")
        if stop_signal and not _SIGNAL.fullmatch(stop_signal):
            message = f"StopSignal: not a signal: {stop_signal[:50]!r}"
            raise ImageError(message)
        return ImageConfig(
            entrypoint=_words(config.get("Entrypoint"), "Entrypoint"),
            cmd=_words(config.get("Cmd"), "Cmd"),
            env=_env(config.get("Env")),
            working_dir=_text(config.get("WorkingDir"), "WorkingDir"),
            user=_text(config.get("User"), "User"),
            labels=_labels(config.get("Labels")),
            volumes=_keys(config.get("Volumes"), "Volumes"),
            ports=_keys(config.get("ExposedPorts"), "ExposedPorts"),
            stop_signal=stop_signal,
            architecture=_text(document.get("architecture"), "architecture"),
            diff_ids=diff_ids,
        )


@frozen(kw_only=True)
class Image:
    """An image that is unpacked in a `Store`.

    Attributes:
        name: what it is called there.
        layers: host paths of its layers, the topmost first.
        settings: what it says of how it is run.
        digest: of its manifest, or None where it came without one.
    """

    name: str
    layers: tuple[str, ...]
    settings: ImageConfig
    digest: str | None = None

    def rootfs(self, **wishes: Any) -> Overlay:  # noqa: ANN401 - those of Overlay
        """Return its layers as a root filesystem; *wishes* are as for `Overlay`."""
        return Overlay(self.layers, **wishes)

    def to_config(self, **wishes: Any) -> Config:  # noqa: ANN401 - those of Config
        """Return the configuration of a container that is made of it.

        Of the image are the root filesystem, environment, directory, user and labels.
        Nothing else that it says has an effect: volumes and ports are for the caller
        to read. The program is in `to_process`.

        Args:
            wishes: as for `Config`; each takes the place of the image's.
        """
        settings = self.settings
        env = dict(settings.env)
        env.setdefault("PATH", _DEFAULT_PATH)
        folder = settings.working_dir or "/"
        fields: dict[str, Any] = {
            "rootfs": self.rootfs(),
            "env": env,
            "cwd": folder if folder.startswith("/") else f"/{folder}",
            "user": settings.user,
            "labels": dict(settings.labels),
        }
        return Config(**{**fields, **wishes})

    def to_process(
        self,
        args: Sequence[str] | None = None,
        **wishes: Any,  # noqa: ANN401 - those of Process
    ) -> Process:
        """Return its program.

        Args:
            args: what comes behind its entrypoint; None is its own.
            wishes: as for `Process`.

        Raises:
            ConfigError: *args* is one text, and no sequence.
            ImageError: it has none, and none was given.
        """
        if isinstance(args, str):
            message = "must be a sequence of strings, not one string"
            raise ConfigError([Problem("process.args", message)])
        words = (
            *self.settings.entrypoint,
            *(self.settings.cmd if args is None else args),
        )
        if not words:
            message = f"the image {self.name!r} has no program: give one"
            raise ImageError(message)
        return Process(words, **wishes)


def read_json(data: bytes, what: str) -> dict[str, Any]:
    """Return a JSON object of unknown origin.

    Raises:
        ImageError: it is none.
    """
    try:
        return parse_strict_json(data, what)
    except ConfigError as error:
        raise ImageError(str(error)) from error


def _text(value: object, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        message = f"{name}: must be text"
        raise ImageError(message)
    return value


def _list(value: object, name: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        message = f"{name}: must be a list"
        raise ImageError(message)
    return value


def _words(value: object, name: str) -> tuple[str, ...]:
    return tuple(_text(item, name) for item in _list(value, name))


def _env(value: object) -> tuple[tuple[str, str], ...]:
    found = {}
    for entry in _words(value, "Env"):
        key, equals, text = entry.partition("=")
        if not equals or not key:
            message = f"Env: not NAME=VALUE: {entry[:100]!r}"
            raise ImageError(message)
        found[key] = text
    return tuple(found.items())


def _mapping(value: object, name: str) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > _MAX_LABELS:
        message = f"{name}: must be an object of at most {_MAX_LABELS} keys"
        raise ImageError(message)
    return value


def _labels(value: object) -> tuple[tuple[str, str], ...]:
    items = _mapping(value, "Labels").items()
    return tuple((key, _text(text, f"Labels[{key!r}]")) for key, text in items)


def _keys(value: object, name: str) -> tuple[str, ...]:
    return tuple(_mapping(value, name))
