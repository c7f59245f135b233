"""
The commands by their type on the wire: the one place that knows them all.
"""

from __future__ import annotations

from typing import Any

from rendezvous.commands.binding import Bind, Ping, SubmitPermissions, Unknown
from rendezvous.commands.command import Command
from rendezvous.commands.mailboxes import Add, Close, Open
from rendezvous.commands.nameplates import Allocate, Claim, List, Release
from rendezvous.protocol.envelope import Envelope

COMMANDS: tuple[type[Command[Any]], ...] = (
    SubmitPermissions,
    Bind,
    List,
    Allocate,
    Claim,
    Release,
    Open,
    Add,
    Close,
    Ping,
)
_BY_TYPE = {
    **{command.kind.value: command for command in COMMANDS},
    # magic-wormhole.rs leaves out the last letter.
    "submit-permission": SubmitPermissions,
}


def find_command(envelope: Envelope) -> type[Command[Any]]:
    """Find the class of the command that a message asks for; `Unknown` if there is none."""
    kind = envelope.type
    return _BY_TYPE.get(kind, Unknown) if isinstance(kind, str) else Unknown
