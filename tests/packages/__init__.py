# SPDX-License-Identifier: Apache-2.0
"""Proves the packages: that they are reproducible, and work where they are put."""
