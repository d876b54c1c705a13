# SPDX-License-Identifier: Apache-2.0
"""One program in a container of its own: what `run`, `Popen` and `arun` share."""
