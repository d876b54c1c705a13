# SPDX-License-Identifier: Apache-2.0
"""Measurements of libcontainer against its peers and the kernel's floor."""
