# SPDX-License-Identifier: Apache-2.0
"""seccomp profiles to BPF programs. Pure: nothing here acts.

`compiler` is the whole way from `libcontainer.config.seccomp.Seccomp` to bytes;
`bpf` has the instructions and an interpreter of them, `numbers` the system calls.
"""
