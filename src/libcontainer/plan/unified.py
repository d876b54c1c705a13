# SPDX-License-Identifier: Apache-2.0
"""The name that cgroup v2 goes by."""

UNIFIED = ""
"""The name of the cgroup v2 hierarchy among the controllers."""
