"""
The machine of the nameplate: claim it, learn its mailbox, release it once the other end has come.
Two columns, offline and online; what was asked and not answered is asked again on reconnect. Owns
`Memory.nameplate` and its stage; may not touch the mailbox beyond saying which one it is.
"""

from collections.abc import Callable
from typing import Protocol

import attrs
from automat import TypeMachineBuilder

from wormhole_client.memory import Memory, NameplateStage


class Nameplate(Protocol):
    """What can happen to a nameplate."""

    def connected(self) -> None:
        """The server can be spoken to."""

    def lost(self) -> None:
        """The server cannot be spoken to."""

    def choose(self, nameplate: str) -> None:
        """The application has decided; only the first decision counts."""

    def claimed(self, mailbox: str) -> None:
        """The server's answer to `claim`."""

    def release(self) -> None:
        """The nameplate has done its duty, or the wormhole is closing."""

    def released(self) -> None:
        """The server's answer to `release`."""


@attrs.frozen
class Core:
    """What the machine works on."""

    memory: Memory
    send: Callable[..., None]
    got_mailbox: Callable[[str], None]
    done: Callable[[], None]

    def enter(self, stage: NameplateStage) -> None:
        self.memory.nameplate_stage = stage


_build = TypeMachineBuilder(Nameplate, Core)
_idle_off = _build.state("idle, offline")
_idle_on = _build.state("idle, online")
_claiming_off = _build.state("claiming, offline")
_claiming_on = _build.state("claiming, online")
_claimed_off = _build.state("claimed, offline")
_claimed_on = _build.state("claimed, online")
_releasing_off = _build.state("releasing, offline")
_releasing_on = _build.state("releasing, online")
_done = _build.state("done")

_idle_off.upon(Nameplate.connected).to(_idle_on).returns(None)
_idle_on.upon(Nameplate.lost).to(_idle_off).returns(None)
_claiming_on.upon(Nameplate.lost).to(_claiming_off).returns(None)
_claimed_off.upon(Nameplate.connected).to(_claimed_on).returns(None)
_claimed_on.upon(Nameplate.lost).to(_claimed_off).returns(None)
_releasing_on.upon(Nameplate.lost).to(_releasing_off).returns(None)


@_idle_off.upon(Nameplate.choose).to(_claiming_off)
def _choose_offline(_: Nameplate, core: Core, nameplate: str) -> None:
    core.memory.nameplate = nameplate
    core.enter(NameplateStage.CLAIMING)


@_idle_on.upon(Nameplate.choose).to(_claiming_on)
def _choose_online(_: Nameplate, core: Core, nameplate: str) -> None:
    _choose_offline(_, core, nameplate)
    _claim(_, core)


@_claiming_off.upon(Nameplate.connected).to(_claiming_on)
def _claim(_: Nameplate, core: Core) -> None:
    core.send("claim", nameplate=core.memory.nameplate)


@_claiming_on.upon(Nameplate.claimed).to(_claimed_on)
def _claimed(_: Nameplate, core: Core, mailbox: str) -> None:
    core.enter(NameplateStage.CLAIMED)
    core.got_mailbox(mailbox)


@_claiming_off.upon(Nameplate.release).to(_releasing_off)
@_claimed_off.upon(Nameplate.release).to(_releasing_off)
def _release_offline(_: Nameplate, core: Core) -> None:
    core.enter(NameplateStage.RELEASING)


@_claiming_on.upon(Nameplate.release).to(_releasing_on)
@_claimed_on.upon(Nameplate.release).to(_releasing_on)
def _release_online(_: Nameplate, core: Core) -> None:
    core.enter(NameplateStage.RELEASING)
    _release(_, core)


@_releasing_off.upon(Nameplate.connected).to(_releasing_on)
def _release(_: Nameplate, core: Core) -> None:
    core.send("release", nameplate=core.memory.nameplate)


@_idle_off.upon(Nameplate.release).to(_done)
@_idle_on.upon(Nameplate.release).to(_done)
@_releasing_on.upon(Nameplate.released).to(_done)
def _finish(_: Nameplate, core: Core) -> None:
    core.enter(NameplateStage.DONE)
    core.done()


# What a server says unasked, repeats or says too late changes nothing.
for _state in (_idle_off, _idle_on, _claiming_off, _claiming_on, _claimed_off, _claimed_on):
    _state.upon(Nameplate.released).loop().returns(None)
for _state in (_idle_off, _idle_on, _claiming_off, _claimed_off, _claimed_on):
    _state.upon(Nameplate.claimed).loop().returns(None)
for _state in (_releasing_off, _releasing_on, _done):
    _state.upon(Nameplate.claimed).loop().returns(None)
    _state.upon(Nameplate.release).loop().returns(None)
    _state.upon(Nameplate.choose).loop().returns(None)
for _state in (_claiming_off, _claiming_on, _claimed_off, _claimed_on):
    _state.upon(Nameplate.choose).loop().returns(None)
_releasing_off.upon(Nameplate.released).loop().returns(None)
_done.upon(Nameplate.released).loop().returns(None)
_done.upon(Nameplate.connected).loop().returns(None)
_done.upon(Nameplate.lost).loop().returns(None)

_machine = _build.build()
_RESUMED = {
    NameplateStage.UNKNOWN: _idle_off,
    NameplateStage.CLAIMING: _claiming_off,
    NameplateStage.CLAIMED: _claimed_off,
    NameplateStage.RELEASING: _releasing_off,
    NameplateStage.DONE: _done,
}


def nameplate(core: Core) -> Nameplate:
    """A machine, offline, at the stage that the memory tells."""
    return _machine(core, _RESUMED[core.memory.nameplate_stage])
