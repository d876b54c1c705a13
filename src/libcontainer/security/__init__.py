# SPDX-License-Identifier: Apache-2.0
"""What a process may do: the kernel's security modules, and what is made for them."""
