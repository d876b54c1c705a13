# SPDX-License-Identifier: Apache-2.0
"""Full campaigns: attacks, faults, fuzzing, load. `./dev trust` makes their page."""
