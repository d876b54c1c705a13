# SPDX-License-Identifier: Apache-2.0
"""The options of ``libcontainer exec``: its own, and those of a process."""

from __future__ import annotations

from libcontainer.commands.exec_options import PROCESS
from libcontainer.commands.table import EXEC

OPTIONS = (*PROCESS, *EXEC)
