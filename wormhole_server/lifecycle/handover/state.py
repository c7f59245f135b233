"""
The state: what a server says of the sockets that it hands over, as bytes. No I/O.

Owns the format and its version. A server reads every version that it lists; an older one, which does not know
the version of its predecessor, gets nothing.
"""

from __future__ import annotations

from typing import Final

import attrs
import msgspec

from transit_relay.session import HandedConnection

VERSION: Final = 1
"""Raised with any change that a server which knows the version before would misread."""

VERSIONS: Final = frozenset({VERSION})
"""What `decode` reads."""


@attrs.frozen
class HandedPeer:
    """
    A peer of the relay, beside its socket.

    :ivar unsent: bytes that are still to be sent to it.
    :ivar client: the IP address that its connection is counted for; None: for none.
    """

    connection: HandedConnection
    unsent: bytes = b""
    client: str | None = None


@attrs.frozen
class HandedState:
    """
    What is said of the sockets of a bundle, in their order: first the ports, then the peers.

    :ivar moment: seconds of CLOCK_MONOTONIC, which all processes of a machine share.
    :ivar ports: the endpoint of each, as it was configured.
    """

    moment: float
    ports: tuple[str, ...] = ()
    peers: tuple[HandedPeer, ...] = ()
    version: int = VERSION


@attrs.frozen
class _Head:
    version: int


class UnknownVersionError(Exception):
    """The state was written by a server of another version, in a format that this one does not know."""


def encode(state: HandedState) -> bytes:
    """Write a state down."""
    return msgspec.json.encode(state)


def decode(data: bytes, moment: float) -> HandedState:
    """
    Read a state, and add to every time what has passed since.

    :param moment: seconds of CLOCK_MONOTONIC.
    :raises UnknownVersionError: its format is of another version.
    """
    try:
        version = msgspec.json.decode(data, type=_Head).version
        if version not in VERSIONS:
            raise UnknownVersionError(f"version {version}")
        state = msgspec.json.decode(data, type=HandedState)
    except msgspec.DecodeError as error:
        raise UnknownVersionError(str(error)) from error
    return attrs.evolve(
        state, peers=tuple(_later(peer, moment - state.moment) for peer in state.peers)
    )


def _later(peer: HandedPeer, seconds: float) -> HandedPeer:
    before = peer.connection
    paired = None if before.paired is None else before.paired + seconds
    return attrs.evolve(
        peer, connection=attrs.evolve(before, age=before.age + seconds, paired=paired)
    )
