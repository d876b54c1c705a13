# SPDX-License-Identifier: Apache-2.0
"""The asyncio side: the same objects, with waits that do not block the loop."""
