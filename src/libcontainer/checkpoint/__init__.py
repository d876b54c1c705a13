# SPDX-License-Identifier: Apache-2.0
"""Checkpoint and restore by CRIU.

`rpc` is CRIU's language, `criu` talks it with the program; `external` and
`manifest` tell, without touching anything, what an image needs from outside;
`stage` is where a restore happens, `verify` looks at what came out of it before
it may go on; `dump` and `restore` put these together.

An image is not trusted. Nothing of it names a path of the host: what is mounted
from outside is what the caller's configuration says, and the processes that CRIU
has made of it are held until each has been compared with that configuration.
"""
