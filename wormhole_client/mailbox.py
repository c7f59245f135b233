"""
The machine of the mailbox: open it, add messages until the server has echoed each, close it with a
mood. Two columns, offline and online; a reconnect opens it again and repeats what was not echoed.
Owns `Memory.mailbox`, its stage, `pending` and `mood`; knows nothing of what the messages say.
"""

from collections.abc import Callable
from typing import Protocol

import attrs
from automat import TypeMachineBuilder

from wormhole_client.errors import Mood
from wormhole_client.memory import MailboxStage, Memory


class Mailbox(Protocol):
    """What can happen to a mailbox."""

    def connected(self) -> None:
        """The server can be spoken to."""

    def lost(self) -> None:
        """The server cannot be spoken to."""

    def found(self, mailbox: str) -> None:
        """The nameplate points to it."""

    def add(self, phase: str, body: bytes) -> None:
        """Have the server store a message for the other end."""

    def echoed(self, phase: str) -> None:
        """The server has stored our message."""

    def close(self, mood: Mood) -> None:
        """The wormhole is closing. What is pending is still delivered."""

    def closed(self) -> None:
        """The server's answer to `close`."""


@attrs.frozen
class Core:
    """What the machine works on."""

    memory: Memory
    send: Callable[..., None]
    done: Callable[[], None]

    def open(self) -> None:
        self.send("open", mailbox=self.memory.mailbox)
        for phase, body in self.memory.pending.items():
            self.send("add", phase=phase, body=body)

    def close(self) -> None:
        mood = (self.memory.mood or Mood.HAPPY).value
        self.send("close", mailbox=self.memory.mailbox, mood=mood)


_build = TypeMachineBuilder(Mailbox, Core)
_none_off = _build.state("unknown, offline")
_none_on = _build.state("unknown, online")
_open_off = _build.state("open, offline")
_open_on = _build.state("open, online")
_closing_off = _build.state("closing, offline")
_closing_on = _build.state("closing, online")
_done = _build.state("done")

_none_off.upon(Mailbox.connected).to(_none_on).returns(None)
_none_on.upon(Mailbox.lost).to(_none_off).returns(None)
_open_on.upon(Mailbox.lost).to(_open_off).returns(None)
_closing_on.upon(Mailbox.lost).to(_closing_off).returns(None)


@_none_off.upon(Mailbox.found).to(_open_off)
def _found_offline(_: Mailbox, core: Core, mailbox: str) -> None:
    core.memory.mailbox = mailbox
    core.memory.mailbox_stage = MailboxStage.OPEN


@_none_on.upon(Mailbox.found).to(_open_on)
def _found_online(_: Mailbox, core: Core, mailbox: str) -> None:
    _found_offline(_, core, mailbox)
    core.open()


@_open_off.upon(Mailbox.connected).to(_open_on)
def _reopen(_: Mailbox, core: Core) -> None:
    core.open()


@_none_off.upon(Mailbox.add).loop()
@_none_on.upon(Mailbox.add).loop()
@_open_off.upon(Mailbox.add).loop()
def _add_later(_: Mailbox, core: Core, phase: str, body: bytes) -> None:
    core.memory.pending[phase] = body.hex()


@_open_on.upon(Mailbox.add).loop()
def _add(_: Mailbox, core: Core, phase: str, body: bytes) -> None:
    _add_later(_, core, phase, body)
    core.send("add", phase=phase, body=body.hex())


@_open_on.upon(Mailbox.echoed).loop()
@_closing_on.upon(Mailbox.echoed).loop()
def _echoed(_: Mailbox, core: Core, phase: str) -> None:
    core.memory.pending.pop(phase, None)


@_open_off.upon(Mailbox.close).to(_closing_off)
def _close_offline(_: Mailbox, core: Core, mood: Mood) -> None:
    core.memory.mood = mood
    core.memory.mailbox_stage = MailboxStage.CLOSING


@_open_on.upon(Mailbox.close).to(_closing_on)
def _close_online(_: Mailbox, core: Core, mood: Mood) -> None:
    _close_offline(_, core, mood)
    core.close()


@_closing_off.upon(Mailbox.connected).to(_closing_on)
def _close_again(_: Mailbox, core: Core) -> None:
    if core.memory.pending:  # the other end may be waiting for it
        core.open()
    core.close()


@_none_off.upon(Mailbox.close).to(_done)
@_none_on.upon(Mailbox.close).to(_done)
def _never_found(_: Mailbox, core: Core, mood: Mood) -> None:
    core.memory.mood = mood
    _finish(_, core)


@_closing_on.upon(Mailbox.closed).to(_done)
def _finish(_: Mailbox, core: Core) -> None:
    core.memory.mailbox_stage = MailboxStage.DONE
    core.done()


# What a server says unasked, repeats or says too late changes nothing.
for _state in (_open_off, _open_on, _closing_off, _closing_on, _done):
    _state.upon(Mailbox.found).loop().returns(None)
for _state in (_none_off, _none_on, _open_off, _closing_off, _done):
    _state.upon(Mailbox.echoed).loop().returns(None)
for _state in (_none_off, _none_on, _open_off, _open_on, _closing_off, _done):
    _state.upon(Mailbox.closed).loop().returns(None)
for _state in (_closing_off, _closing_on, _done):
    _state.upon(Mailbox.add).loop().returns(None)
    _state.upon(Mailbox.close).loop().returns(None)
_done.upon(Mailbox.connected).loop().returns(None)
_done.upon(Mailbox.lost).loop().returns(None)

_machine = _build.build()
_RESUMED = {
    MailboxStage.UNKNOWN: _none_off,
    MailboxStage.OPEN: _open_off,
    MailboxStage.CLOSING: _closing_off,
    MailboxStage.DONE: _done,
}


def mailbox(core: Core) -> Mailbox:
    """A machine, offline, at the stage that the memory tells."""
    return _machine(core, _RESUMED[core.memory.mailbox_stage])
