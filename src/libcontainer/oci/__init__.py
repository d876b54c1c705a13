# SPDX-License-Identifier: Apache-2.0
"""Bundles of the OCI runtime specification: read, described, and made.

Pure: a document becomes a `libcontainer.Config` and a `libcontainer.Process`, and
everything that is wrong with it is told at once. Nothing here runs anything.
"""

from libcontainer.oci.bundle import Bundle, load_bundle, parse_bundle

__all__ = ["Bundle", "load_bundle", "parse_bundle"]
