# SPDX-License-Identifier: Apache-2.0
"""Cgroups: limits, measures and the freezer of a group of processes.

``hierarchy`` finds what the machine has, ``v1`` and ``v2`` turn `Resources` into
files (pure), ``group`` acts on the directories of one container.
"""
