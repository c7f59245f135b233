"""
Which settings hold which bound: for the documentation, the doctor and their tests.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Final

from wormhole_limits.bounds import Bound
from wormhole_server.config.settings import BY_NAME, Settings

# For every bound that some part of the server reports. One without settings is always held.
BOUND_SETTINGS: Final[Mapping[Bound, tuple[str, ...]]] = {
    Bound.WORK: (),
    Bound.CONNECTIONS: ("connections-per-address",),
    Bound.UNSENT: ("send-buffer-limit", "memory-limit"),
    Bound.UNFINISHED: ("message-timeout",),
    Bound.MAILBOX: ("mailbox-message-limit", "mailbox-size-limit"),
    Bound.LISTENERS: ("mailbox-listener-limit",),
    Bound.STORED: ("address-storage-limit",),
    Bound.DISK: ("disk-reserve",),
    Bound.NAMEPLATES: ("address-nameplate-limit",),
    Bound.NAMEPLATE_RATE: ("address-nameplate-rate",),
    Bound.GUESSES: ("address-guess-limit",),
    Bound.RELAY_WAITING: ("transit-waiting-per-address",),
    Bound.RELAY_RATE: ("transit-rate", "transit-rate-per-address", "transit-rate-per-pair"),
    Bound.RELAY_BYTES: ("transit-month-limit", "transit-month-limit-per-address"),
    Bound.RELAY_STRANGER: ("transit-for",),
    Bound.DENIED: ("deny-list",),
    Bound.PERMISSION: ("permission", "hashcash-bits"),
}


def settings_that_are_off(settings: Settings) -> Iterator[tuple[Bound, str]]:
    """Return the settings that keep a bound, or a part of it, from being held, with that bound."""
    for bound, names in BOUND_SETTINGS.items():
        for name in names:
            if _is_off(getattr(settings, BY_NAME[name].attribute)):
                yield bound, name


def _is_off(value: object) -> bool:
    return value is None or (isinstance(value, enum.Enum) and value.value in {"none", "anybody"})
