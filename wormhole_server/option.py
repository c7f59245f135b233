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
    PROXIES = "Who may connect"
    STORAGE = "What it keeps"
    CLIENTS = "What clients are told"
    RENDEZVOUS = "Rendezvous: limits"
    RELAY = "Transit relay: limits"
    RUNNING = "How it runs"


@enum.unique
class Effect(enum.Enum):
    """When a value counts that is changed while the server runs."""

    AT_ONCE = "at once"  # for those who are connected, too
    NEW_CONNECTIONS = "for new connections"  # those that there are end as they began
    NEXT_START = "at the next start"


@attrs.frozen
class Option:
    """
    One thing that can be set.

    :ivar name: as in TOML, and after the two dashes of a flag.
    :ivar many: whether it may be given more than once; its value is a tuple then.
    :ivar effect: when a new value counts after a reload.
    """

    name: str
    kind: Kind
    default: Any
    group: Group
    help: str
    many: bool
    effect: Effect

    @property
    def reloadable(self) -> bool:
        """Whether a new value counts without a restart."""
        return self.effect is not Effect.NEXT_START

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


def option(
    kind: Kind,
    group: Group,
    text: str,
    *,
    many: bool = False,
    effect: Effect = Effect.NEXT_START,
) -> dict[str, Any]:
    """What `Settings` says about one of its attributes; see `Option`."""
    return {_OPTION: (kind, group, text, many, effect)}


def described(field: attrs.Attribute[Any]) -> Option:
    """What stands at an attribute of `Settings`."""
    kind, group, text, many, effect = field.metadata[_OPTION]
    name = field.name.replace("_", "-")
    return Option(name, kind, field.default, group, text, many, effect)
