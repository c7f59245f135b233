"""
What is to be said of an option beside its value: kind, group, help, and its names everywhere.

Owns the shape of that, and none of the options: they stand in `wormhole_server.settings`.
"""

from __future__ import annotations

import enum
from typing import Any

import attrs

from wormhole_server.kinds import Kind

ENVIRONMENT_PREFIX = "WORMHOLE_SERVER_"

_OPTION = "wormhole_server.option"


@enum.unique
class Group(enum.Enum):
    """Where an option stands in the help and in the documentation."""

    LISTENING = "Where it listens"
    STORAGE = "What it keeps"
    CLIENTS = "What clients are told"
    RENDEZVOUS = "Rendezvous: limits"
    RELAY = "Transit relay: limits"
    RUNNING = "How it runs"


@attrs.frozen
class Option:
    """
    One thing that can be set.

    :ivar name: as in TOML, and after the two dashes of a flag.
    :ivar many: whether it may be given more than once; its value is a tuple then.
    """

    name: str
    kind: Kind
    default: Any
    group: Group
    help: str
    many: bool

    @property
    def attribute(self) -> str:
        """Its name in `Settings`."""
        return self.name.replace("-", "_")

    @property
    def flag(self) -> str:
        """Its name on a command line."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return ENVIRONMENT_PREFIX + self.attribute.upper()


def option(kind: Kind, group: Group, text: str, *, many: bool = False) -> dict[str, Any]:
    """What `Settings` says about one of its attributes; see `Option`."""
    return {_OPTION: (kind, group, text, many)}


def described(field: attrs.Attribute[Any]) -> Option:
    """What stands at an attribute of `Settings`."""
    kind, group, text, many = field.metadata[_OPTION]
    return Option(field.name.replace("_", "-"), kind, field.default, group, text, many)
