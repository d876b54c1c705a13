# SPDX-License-Identifier: Apache-2.0
"""The library's logger: silent unless the program configures it."""

from __future__ import annotations

import logging

logger = logging.getLogger("libcontainer")
logger.addHandler(logging.NullHandler())
