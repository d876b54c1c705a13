# SPDX-License-Identifier: Apache-2.0
"""What the launcher is made of, a topic a module."""
