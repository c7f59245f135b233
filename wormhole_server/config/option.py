"""
An option: the kind, default, group, help and names of one setting.

Owns their form. The settings themselves are in `config/groups/`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from wormhole_server.config.kinds import ValueKind

ENVIRONMENT_PREFIX = "WORMHOLE_SERVER_"

_METADATA_KEY = "wormhole_server.option"

_T = TypeVar("_T")


@enum.unique
class Group(enum.Enum):
    """The groups of options, in the order of the help. The values are their titles."""

    LISTENING = "Endpoints and addresses"
    CONNECTIONS = "Proxies and connection limits"
    STORAGE = "Database and usage records"
    CLIENTS = "Messages to clients"
    RENDEZVOUS = "Rendezvous limits"
    BOUNDS = "Bounds for mailboxes and addresses"
    RELAY = "Transit relay limits"
    RUNNING = "Operation"


@enum.unique
class Effect(enum.Enum):
    """When a value that changes while the server runs takes effect."""

    AT_ONCE = "at once"  # for connected clients too
    NEW_CONNECTIONS = "for new connections"  # open connections keep the old value
    NEXT_START = "at the next start"


@attrs.frozen
class Option:
    """
    A setting, as the help and the documentation describe it.

    :ivar name: the TOML key; a flag is the same after two dashes.
    :ivar many: whether it may be given more than once; its value is then a tuple.
    :ivar effect: when a value that a reload changes takes effect.
    """

    name: str
    kind: ValueKind
    default: Any
    group: Group
    help: str
    many: bool
    effect: Effect

    @property
    def reloadable(self) -> bool:
        """Whether a new value takes effect without a restart."""
        return self.effect is not Effect.NEXT_START

    @property
    def attribute(self) -> str:
        """The attribute of `Settings`."""
        return self.name.replace("-", "_")

    @property
    def flag(self) -> str:
        """The flag on a command line."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return ENVIRONMENT_PREFIX + self.attribute.upper()


def setting(
    kind: ValueKind,
    help_text: str,
    *,
    default: _T,
    many: bool = False,
    effect: Effect = Effect.NEXT_START,
    repr: bool | Callable[[Any], str] = True,  # noqa: A002 - as attrs names it
) -> _T:
    """
    Declare an attribute of a settings class.

    :param help_text: one or more sentences.
    :param repr: as in `attrs.field`; hides secrets.
    :return: the field, typed as its value, as `attrs.field` does.
    """
    metadata = {_METADATA_KEY: (kind, help_text, many, effect)}
    field: _T = attrs.field(default=default, metadata=metadata, repr=repr)
    return field


def options_of(settings: type[attrs.AttrsInstance], group: Group) -> list[Option]:
    """List the options that a settings class declares with `setting`."""
    options = []
    for field in attrs.fields(settings):
        kind, help_text, many, effect = field.metadata[_METADATA_KEY]
        name = field.name.replace("_", "-")
        options.append(Option(name, kind, field.default, group, help_text, many, effect))
    return options
