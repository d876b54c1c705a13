# SPDX-License-Identifier: Apache-2.0
"""Files of containers, by descriptor: whoever else may change the tree meanwhile."""
