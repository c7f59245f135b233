"""
Fakes for synchronous tests: a rendezvous server in memory that answers by the rules of the protocol
and can be cut off, and the links to it. Shared by the tests of the machines and of the wormhole.
"""

import json
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from wormhole_client.connection import Link, LinkOwner
from wormhole_client.eventual import EventualQueue
from wormhole_client.memory import Journal, Memory
from wormhole_client.wormhole import Wormhole, begin

Said = dict[str, Any]


def memory(side: str = "ours") -> Memory:
    return Memory("app", "ws://fake/v1", side)


@attrs.define
class Recorder:
    """Stands for the sending of commands; `take` gives and forgets them."""

    commands: list[Said] = attrs.field(factory=list)

    def send(self, kind: str, **keys: Any) -> None:
        self.commands.append({"type": kind, **keys})

    def take(self) -> list[Said]:
        taken, self.commands = self.commands, []
        return taken


@attrs.define(eq=False)
class FakeLink:
    """One connection to the fake server."""

    server: "FakeServer"
    owner: LinkOwner
    side: str = ""
    listening: str | None = None
    is_open: bool = True

    def send(self, text: bytes) -> None:
        assert self.is_open, "sent on a closed link"
        self.server.received(self, json.loads(text))

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self.server.gone(self)
            self.owner.lost()


@attrs.define(eq=False)
class FakeServer:
    """
    Nameplates and mailboxes in memory. What it says waits in `outbox` until `deliver`, one message
    at a time, so that a test can cut at every step. `log` holds every command that it was sent.
    """

    welcome: Said = attrs.field(factory=dict)
    up: bool = True
    nameplates: dict[str, dict[str, bool]] = attrs.field(factory=dict)
    mailboxes: dict[str, list[Said]] = attrs.field(factory=dict)
    closed_by: dict[str, set[str]] = attrs.field(factory=dict)
    moods: dict[str, str] = attrs.field(factory=dict)
    links: list[FakeLink] = attrs.field(factory=list)
    outbox: list[tuple[FakeLink, Said]] = attrs.field(factory=list)
    log: list[tuple[str, Said]] = attrs.field(factory=list)
    twist: Callable[[Said], list[Said]] = lambda said: [said]
    """What a hostile server makes of each message."""

    def dial(self, owner: LinkOwner) -> Deferred[Link]:
        result: Deferred[Link] = Deferred()
        if not self.up:
            result.errback(ConnectionRefusedError("the fake server is down"))
            return result
        link = FakeLink(self, owner)
        self.links.append(link)
        self.say(link, "welcome", welcome=self.welcome)
        result.callback(link)
        return result

    def say(self, link: FakeLink, kind: str, **keys: Any) -> None:
        for said in self.twist({"type": kind, **keys}):
            self.outbox.append((link, said))

    def deliver(self) -> bool:
        """Let one message arrive; whether there was one."""
        while self.outbox:
            link, said = self.outbox.pop(0)
            if link.is_open:
                link.owner.received(json.dumps(said).encode())
                return True
        return False

    def cut(self) -> None:
        """Lose every connection, and all that is on its way."""
        for link in list(self.links):
            link.close()

    def gone(self, link: FakeLink) -> None:
        self.links.remove(link)

    def received(self, link: FakeLink, said: Said) -> None:
        self.log.append((link.side, said))
        getattr(self, f"do_{said['type']}")(link, said)

    def do_bind(self, link: FakeLink, said: Said) -> None:
        link.side = said["side"]

    def do_list(self, link: FakeLink, said: Said) -> None:
        self.say(link, "nameplates", nameplates=[{"id": each} for each in self.nameplates])

    def do_allocate(self, link: FakeLink, said: Said) -> None:
        nameplate = str(len(self.nameplates) + 1)
        self.nameplates.setdefault(nameplate, {})[link.side] = True
        self.say(link, "allocated", nameplate=nameplate)

    def do_claim(self, link: FakeLink, said: Said) -> None:
        sides = self.nameplates.setdefault(said["nameplate"], {})
        if len(sides) == 2 and link.side not in sides:
            self.say(link, "error", error="crowded", orig=said)
        elif sides.get(link.side) is False:
            self.say(link, "error", error="reclaimed", orig=said)
        else:
            sides[link.side] = True
            self.say(link, "claimed", mailbox=f"mailbox-{said['nameplate']}")

    def do_release(self, link: FakeLink, said: Said) -> None:
        sides = self.nameplates.get(said["nameplate"], {})
        if link.side in sides:
            sides[link.side] = False
            if not any(sides.values()):
                del self.nameplates[said["nameplate"]]
        self.say(link, "released")

    def do_open(self, link: FakeLink, said: Said) -> None:
        link.listening = said["mailbox"]
        for message in self.mailboxes.setdefault(said["mailbox"], []):
            self.say(link, "message", **message)

    def do_add(self, link: FakeLink, said: Said) -> None:
        assert link.listening is not None, "add before open"
        message = {"side": link.side, "phase": said["phase"], "body": said["body"], "id": None}
        self.mailboxes[link.listening].append(message)
        for each in self.links:
            if each.listening == link.listening:
                self.say(each, "message", **message)

    def do_close(self, link: FakeLink, said: Said) -> None:
        link.listening = None
        self.moods[link.side] = said["mood"]
        closed = self.closed_by.setdefault(said["mailbox"], set())
        closed.add(link.side)
        if len(closed) == 2:
            self.mailboxes.pop(said["mailbox"], None)
        self.say(link, "closed")


@attrs.define(eq=False)
class World:
    """A fake server, a clock, and wormholes between them."""

    server: FakeServer = attrs.field(factory=FakeServer)
    clock: Clock = attrs.field(factory=Clock)

    def wormhole(
        self, side: str, journal: Journal | None = None, state: str | None = None
    ) -> Wormhole:
        start = Memory.load(state) if state is not None else memory(side)
        boss, observers = begin(
            start,
            self.clock,
            dial=self.server.dial,
            journal=journal,
            eventual=EventualQueue(self.clock),
        )
        return Wormhole(boss, observers)

    def settle(self) -> None:
        """Let everything happen that happens without the passing of time."""
        self.clock.advance(0)
        while self.server.deliver():
            self.clock.advance(0)

    def wait(self, seconds: float = 60.0) -> None:
        """Let time pass, enough for any reconnect."""
        self.clock.advance(seconds)
        self.settle()
