# SPDX-License-Identifier: Apache-2.0
"""The commands. They own their process: signals, terminal and exit status."""
