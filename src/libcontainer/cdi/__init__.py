# SPDX-License-Identifier: Apache-2.0
"""Devices by the Container Device Interface: names in, a changed Config out.

A vendor describes in a file what a container needs for a device: nodes, mounts,
environment, hooks. `read_registry` reads such files, `Registry.apply` is pure.

Source: the Container Device Interface specification, version 1.1.
"""

from __future__ import annotations

from libcontainer.cdi.registry import FOLDERS, Registry, read_registry
from libcontainer.cdi.spec import Edits, Spec, parse_spec

__all__ = ["FOLDERS", "Edits", "Registry", "Spec", "parse_spec", "read_registry"]
