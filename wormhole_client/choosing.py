"""
The two machines that ask the server for nameplates: the allocator wants a free one, the lister
wants to know those in use. Two columns each; a question without an answer is asked again on
reconnect. Own nothing but their own progress.
"""

from collections.abc import Callable
from typing import Protocol

import attrs
from automat import TypeMachineBuilder


class Allocator(Protocol):
    """What can happen to an allocation."""

    def connected(self) -> None:
        """The server can be spoken to."""

    def lost(self) -> None:
        """The server cannot be spoken to."""

    def allocate(self) -> None:
        """The application wants a code made for it; asked once."""

    def allocated(self, nameplate: str) -> None:
        """The server's answer."""


class Lister(Protocol):
    """What can happen to a list of nameplates."""

    def connected(self) -> None:
        """The server can be spoken to."""

    def lost(self) -> None:
        """The server cannot be spoken to."""

    def refresh(self) -> None:
        """Somebody wants to see the list."""

    def listed(self, nameplates: frozenset[str]) -> None:
        """The server's answer."""


@attrs.frozen
class AllocatorCore:
    """What the allocator works on."""

    send: Callable[..., None]
    got: Callable[[str], None]


@attrs.frozen
class ListerCore:
    """What the lister works on."""

    send: Callable[..., None]
    got: Callable[[frozenset[str]], None]


_build_allocator = TypeMachineBuilder(Allocator, AllocatorCore)
_idle_off = _build_allocator.state("idle, offline")
_idle_on = _build_allocator.state("idle, online")
_asking_off = _build_allocator.state("asking, offline")
_asking_on = _build_allocator.state("asking, online")
_answered = _build_allocator.state("answered")

_idle_off.upon(Allocator.connected).to(_idle_on).returns(None)
_idle_off.upon(Allocator.allocate).to(_asking_off).returns(None)
_idle_on.upon(Allocator.lost).to(_idle_off).returns(None)
_asking_on.upon(Allocator.lost).to(_asking_off).returns(None)


@_idle_on.upon(Allocator.allocate).to(_asking_on)
@_asking_off.upon(Allocator.connected).to(_asking_on)
def _ask(_: Allocator, core: AllocatorCore) -> None:
    core.send("allocate")


@_asking_on.upon(Allocator.allocated).to(_answered)
def _allocated(_: Allocator, core: AllocatorCore, nameplate: str) -> None:
    core.got(nameplate)


for _state in (_idle_off, _idle_on, _asking_off, _answered):
    _state.upon(Allocator.allocated).loop().returns(None)
for _state in (_asking_off, _asking_on, _answered):
    _state.upon(Allocator.allocate).loop().returns(None)
_answered.upon(Allocator.connected).loop().returns(None)
_answered.upon(Allocator.lost).loop().returns(None)

allocator = _build_allocator.build()


_build_lister = TypeMachineBuilder(Lister, ListerCore)
_content_off = _build_lister.state("content, offline")
_content_on = _build_lister.state("content, online")
_curious_off = _build_lister.state("curious, offline")
_curious_on = _build_lister.state("curious, online")

_content_off.upon(Lister.connected).to(_content_on).returns(None)
_content_off.upon(Lister.refresh).to(_curious_off).returns(None)
_content_on.upon(Lister.lost).to(_content_off).returns(None)
_curious_off.upon(Lister.refresh).loop().returns(None)
_curious_on.upon(Lister.refresh).loop().returns(None)  # one answer serves all who ask
_curious_on.upon(Lister.lost).to(_curious_off).returns(None)


@_content_on.upon(Lister.refresh).to(_curious_on)
@_curious_off.upon(Lister.connected).to(_curious_on)
def _list(_: Lister, core: ListerCore) -> None:
    core.send("list")


@_curious_on.upon(Lister.listed).to(_content_on)
def _listed(_: Lister, core: ListerCore, nameplates: frozenset[str]) -> None:
    core.got(nameplates)


for _quiet in (_content_off, _content_on, _curious_off):
    _quiet.upon(Lister.listed).loop().returns(None)

lister = _build_lister.build()
