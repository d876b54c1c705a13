# SPDX-License-Identifier: Apache-2.0
"""What acts on the kernel, on the caller's side."""
