"""
The Mailbox machine: opens it, adds messages until the server has echoed each, and closes it.

After a reconnect it opens the mailbox again and repeats what was not echoed. Owns
`WormholeState.mailbox`, its stage, `pending` and `mood`; knows nothing of what the messages say.
"""

from collections.abc import Callable
from typing import Protocol

import attrs
from automat import TypeMachineBuilder

from wormhole_client.errors import WormholeMood
from wormhole_client.machines.state import MailboxStage, WormholeState


class MailboxMachine(Protocol):
    """The inputs of the mailbox."""

    def connected(self) -> None:
        """The server is connected."""

    def lost(self) -> None:
        """The connection is lost."""

    def found(self, mailbox: str) -> None:
        """The nameplate points to this mailbox."""

    def add(self, phase: str, body: bytes) -> None:
        """A message is to be stored for the other end."""

    def echoed(self, phase: str) -> None:
        """The server has stored our message."""

    def close(self, mood: WormholeMood) -> None:
        """The wormhole is closing. What is pending is still delivered."""

    def closed(self) -> None:
        """The server has answered `close`."""


@attrs.frozen
class MailboxCore:
    """What the transitions work on."""

    state: WormholeState
    send: Callable[..., None]
    done: Callable[[], None]

    def open(self) -> None:
        self.send("open", mailbox=self.state.mailbox)
        for phase, body in self.state.pending.items():
            self.send("add", phase=phase, body=body)

    def close(self) -> None:
        mood = (self.state.mood or WormholeMood.HAPPY).value
        self.send("close", mailbox=self.state.mailbox, mood=mood)


_build = TypeMachineBuilder(MailboxMachine, MailboxCore)
_none_off = _build.state("unknown, offline")
_none_on = _build.state("unknown, online")
_open_off = _build.state("open, offline")
_open_on = _build.state("open, online")
_closing_off = _build.state("closing, offline")
_closing_on = _build.state("closing, online")
_done = _build.state("done")

_none_off.upon(MailboxMachine.connected).to(_none_on).returns(None)
_none_on.upon(MailboxMachine.lost).to(_none_off).returns(None)
_open_on.upon(MailboxMachine.lost).to(_open_off).returns(None)
_closing_on.upon(MailboxMachine.lost).to(_closing_off).returns(None)


@_none_off.upon(MailboxMachine.found).to(_open_off)
def _found_offline(_: MailboxMachine, core: MailboxCore, mailbox: str) -> None:
    core.state.mailbox = mailbox
    core.state.mailbox_stage = MailboxStage.OPEN


@_none_on.upon(MailboxMachine.found).to(_open_on)
def _found_online(_: MailboxMachine, core: MailboxCore, mailbox: str) -> None:
    _found_offline(_, core, mailbox)
    core.open()


@_open_off.upon(MailboxMachine.connected).to(_open_on)
def _reopen(_: MailboxMachine, core: MailboxCore) -> None:
    core.open()


@_none_off.upon(MailboxMachine.add).loop()
@_none_on.upon(MailboxMachine.add).loop()
@_open_off.upon(MailboxMachine.add).loop()
def _add_later(_: MailboxMachine, core: MailboxCore, phase: str, body: bytes) -> None:
    core.state.pending[phase] = body.hex()


@_open_on.upon(MailboxMachine.add).loop()
def _add(_: MailboxMachine, core: MailboxCore, phase: str, body: bytes) -> None:
    _add_later(_, core, phase, body)
    core.send("add", phase=phase, body=body.hex())


@_open_on.upon(MailboxMachine.echoed).loop()
@_closing_on.upon(MailboxMachine.echoed).loop()
def _echoed(_: MailboxMachine, core: MailboxCore, phase: str) -> None:
    core.state.pending.pop(phase, None)


@_open_off.upon(MailboxMachine.close).to(_closing_off)
def _close_offline(_: MailboxMachine, core: MailboxCore, mood: WormholeMood) -> None:
    core.state.mood = mood
    core.state.mailbox_stage = MailboxStage.CLOSING


@_open_on.upon(MailboxMachine.close).to(_closing_on)
def _close_online(_: MailboxMachine, core: MailboxCore, mood: WormholeMood) -> None:
    _close_offline(_, core, mood)
    core.close()


@_closing_off.upon(MailboxMachine.connected).to(_closing_on)
def _close_again(_: MailboxMachine, core: MailboxCore) -> None:
    if core.state.pending:  # the other end may wait for it
        core.open()
    core.close()


@_none_off.upon(MailboxMachine.close).to(_done)
@_none_on.upon(MailboxMachine.close).to(_done)
def _never_found(_: MailboxMachine, core: MailboxCore, mood: WormholeMood) -> None:
    core.state.mood = mood
    _finish(_, core)


@_closing_on.upon(MailboxMachine.closed).to(_done)
def _finish(_: MailboxMachine, core: MailboxCore) -> None:
    core.state.mailbox_stage = MailboxStage.DONE
    core.done()


# An answer that was not asked for, comes again or comes too late changes nothing.
for _state in (_open_off, _open_on, _closing_off, _closing_on, _done):
    _state.upon(MailboxMachine.found).loop().returns(None)
for _state in (_none_off, _none_on, _open_off, _closing_off, _done):
    _state.upon(MailboxMachine.echoed).loop().returns(None)
for _state in (_none_off, _none_on, _open_off, _open_on, _closing_off, _done):
    _state.upon(MailboxMachine.closed).loop().returns(None)
for _state in (_closing_off, _closing_on, _done):
    _state.upon(MailboxMachine.add).loop().returns(None)
    _state.upon(MailboxMachine.close).loop().returns(None)
_done.upon(MailboxMachine.connected).loop().returns(None)
_done.upon(MailboxMachine.lost).loop().returns(None)

_machine = _build.build()
_RESUMED = {
    MailboxStage.UNKNOWN: _none_off,
    MailboxStage.OPEN: _open_off,
    MailboxStage.CLOSING: _closing_off,
    MailboxStage.DONE: _done,
}


def mailbox_machine(core: MailboxCore) -> MailboxMachine:
    """Make a machine, offline, at the stage of the wormhole's state."""
    return _machine(core, _RESUMED[core.state.mailbox_stage])
