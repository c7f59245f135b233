"""
Which version this is. `pyproject.toml` says it; the installed package remembers.
"""

from __future__ import annotations

from importlib import metadata

try:
    VERSION = metadata.version("wormhole-server")
except metadata.PackageNotFoundError:  # a checkout that was never installed
    VERSION = "unknown"
