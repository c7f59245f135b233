"""
The Nameplate machine: claims the nameplate, learns its mailbox, and releases it.

It releases the nameplate once the other end has come, or when the wormhole closes. Owns
`WormholeState.nameplate` and its stage; does not touch the mailbox, except for saying which one it is.
"""

from collections.abc import Callable
from typing import Protocol

import attrs
from automat import TypeMachineBuilder

from wormhole_client.machines.state import NameplateStage, WormholeState


class NameplateMachine(Protocol):
    """The inputs of the nameplate."""

    def connected(self) -> None:
        """The server is connected."""

    def lost(self) -> None:
        """The connection is lost."""

    def choose(self, nameplate: str) -> None:
        """The application has decided; only its first decision counts."""

    def claimed(self, mailbox: str) -> None:
        """The server has answered `claim`."""

    def release(self) -> None:
        """The nameplate is no longer needed."""

    def released(self) -> None:
        """The server has answered `release`."""


class NameplateOwner(Protocol):
    """The receiver of what comes of a nameplate."""

    def got_mailbox(self, mailbox: str) -> None:
        """Handle the mailbox that the nameplate points to."""

    def nameplate_done(self) -> None:
        """Handle that the nameplate is released, or that there never was one."""


@attrs.frozen
class NameplateCore:
    """What the transitions work on."""

    state: WormholeState
    send: Callable[..., None]
    owner: NameplateOwner

    def enter(self, stage: NameplateStage) -> None:
        self.state.nameplate_stage = stage


_build = TypeMachineBuilder(NameplateMachine, NameplateCore)
_idle_off = _build.state("idle, offline")
_idle_on = _build.state("idle, online")
_claiming_off = _build.state("claiming, offline")
_claiming_on = _build.state("claiming, online")
_claimed_off = _build.state("claimed, offline")
_claimed_on = _build.state("claimed, online")
_releasing_off = _build.state("releasing, offline")
_releasing_on = _build.state("releasing, online")
_done = _build.state("done")

_idle_off.upon(NameplateMachine.connected).to(_idle_on).returns(None)
_idle_on.upon(NameplateMachine.lost).to(_idle_off).returns(None)
_claiming_on.upon(NameplateMachine.lost).to(_claiming_off).returns(None)
_claimed_off.upon(NameplateMachine.connected).to(_claimed_on).returns(None)
_claimed_on.upon(NameplateMachine.lost).to(_claimed_off).returns(None)
_releasing_on.upon(NameplateMachine.lost).to(_releasing_off).returns(None)


@_idle_off.upon(NameplateMachine.choose).to(_claiming_off)
def _choose_offline(_: NameplateMachine, core: NameplateCore, nameplate: str) -> None:
    core.state.nameplate = nameplate
    core.enter(NameplateStage.CLAIMING)


@_idle_on.upon(NameplateMachine.choose).to(_claiming_on)
def _choose_online(_: NameplateMachine, core: NameplateCore, nameplate: str) -> None:
    _choose_offline(_, core, nameplate)
    _claim(_, core)


@_claiming_off.upon(NameplateMachine.connected).to(_claiming_on)
def _claim(_: NameplateMachine, core: NameplateCore) -> None:
    core.send("claim", nameplate=core.state.nameplate)


@_claiming_on.upon(NameplateMachine.claimed).to(_claimed_on)
def _claimed(_: NameplateMachine, core: NameplateCore, mailbox: str) -> None:
    core.enter(NameplateStage.CLAIMED)
    core.owner.got_mailbox(mailbox)


@_claiming_off.upon(NameplateMachine.release).to(_releasing_off)
@_claimed_off.upon(NameplateMachine.release).to(_releasing_off)
def _release_offline(_: NameplateMachine, core: NameplateCore) -> None:
    core.enter(NameplateStage.RELEASING)


@_claiming_on.upon(NameplateMachine.release).to(_releasing_on)
@_claimed_on.upon(NameplateMachine.release).to(_releasing_on)
def _release_online(_: NameplateMachine, core: NameplateCore) -> None:
    core.enter(NameplateStage.RELEASING)
    _release(_, core)


@_releasing_off.upon(NameplateMachine.connected).to(_releasing_on)
def _release(_: NameplateMachine, core: NameplateCore) -> None:
    core.send("release", nameplate=core.state.nameplate)


@_idle_off.upon(NameplateMachine.release).to(_done)
@_idle_on.upon(NameplateMachine.release).to(_done)
@_releasing_on.upon(NameplateMachine.released).to(_done)
def _finish(_: NameplateMachine, core: NameplateCore) -> None:
    core.enter(NameplateStage.DONE)
    core.owner.nameplate_done()


# An answer that was not asked for, comes again or comes too late changes nothing.
for _state in (_idle_off, _idle_on, _claiming_off, _claiming_on, _claimed_off, _claimed_on):
    _state.upon(NameplateMachine.released).loop().returns(None)
for _state in (_idle_off, _idle_on, _claiming_off, _claimed_off, _claimed_on):
    _state.upon(NameplateMachine.claimed).loop().returns(None)
for _state in (_releasing_off, _releasing_on, _done):
    _state.upon(NameplateMachine.claimed).loop().returns(None)
    _state.upon(NameplateMachine.release).loop().returns(None)
    _state.upon(NameplateMachine.choose).loop().returns(None)
for _state in (_claiming_off, _claiming_on, _claimed_off, _claimed_on):
    _state.upon(NameplateMachine.choose).loop().returns(None)
_releasing_off.upon(NameplateMachine.released).loop().returns(None)
_done.upon(NameplateMachine.released).loop().returns(None)
_done.upon(NameplateMachine.connected).loop().returns(None)
_done.upon(NameplateMachine.lost).loop().returns(None)

_machine = _build.build()
_RESUMED = {
    NameplateStage.UNKNOWN: _idle_off,
    NameplateStage.CLAIMING: _claiming_off,
    NameplateStage.CLAIMED: _claimed_off,
    NameplateStage.RELEASING: _releasing_off,
    NameplateStage.DONE: _done,
}


def nameplate_machine(core: NameplateCore) -> NameplateMachine:
    """Make a machine, offline, at the stage of the wormhole's state."""
    return _machine(core, _RESUMED[core.state.nameplate_stage])
