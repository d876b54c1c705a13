# SPDX-License-Identifier: Apache-2.0
"""What other programs take to run their work in our containers.

Each module is for one of them and imports it; nothing else of the library imports
any. `pip install libcontainer[dask]` and the like install what they need.
"""
