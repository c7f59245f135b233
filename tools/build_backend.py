"""
The build backend: setuptools, after the browser client has been built.

Node is asked for only where it is needed, so that a machine for which there is none can build with
`WORMHOLE_SERVER_NO_WEB=1`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any, Final

from setuptools import build_meta
from setuptools.build_meta import (
    build_sdist,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

from tools import web_build

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

_COPIES: Final = web_build.ROOT / "build" / "lib" / web_build.ASSETS.relative_to(web_build.ROOT)

Settings = Mapping[str, Any] | None


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """See PEP 517."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_requirements()]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """See PEP 660."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *_requirements()]


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """See PEP 517."""
    web_build.build()
    # setuptools would take what an earlier build in this folder has left.
    shutil.rmtree(_COPIES, ignore_errors=True)
    return str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """See PEP 660."""
    web_build.build()
    return str(build_meta.build_editable(wheel_directory, config_settings, metadata_directory))


def _requirements() -> list[str]:
    return [web_build.REQUIREMENT] if web_build.is_wanted() else []
