"""
Our rendezvous server with a ledger that answers from memory: what is left is the floor of its cost.

`python -m bench.floor_server --port=N` listens on 127.0.0.1:N. It keeps the rules only as far as the
benchmark's exchanges need them, and nothing on disk.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar, cast

import attrs
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTCP, IReactorTime
from twisted.python.failure import Failure

from rendezvous.commands.command import Command
from rendezvous.commands.mailboxes import Add, Close, Open
from rendezvous.commands.nameplates import Allocate, Claim, Release
from rendezvous.connections.websocket import RendezvousFactory
from rendezvous.ledger.ledger import Ledger
from rendezvous.observer import RendezvousObserver
from rendezvous.protocol.moods import Retired
from rendezvous.protocol.replies import StoredMessage
from rendezvous.rules.messages import Page
from rendezvous.rules.nameplates import Allocated, Claimed
from rendezvous.rules.sql.messages import Added
from rendezvous.server import Rendezvous
from rendezvous.subscriptions import Address
from wormhole_limits.bounds import BoundObserver
from wormhole_limits.scheduler import Scheduler, Task
from wormhole_server.config.settings import Settings
from wormhole_server.service.arguments import rendezvous_arguments, websocket_arguments

R = TypeVar("R")


@attrs.define
class _Mailbox:
    sides: set[str] = attrs.field(factory=set)
    messages: list[StoredMessage] = attrs.field(factory=list)


class MemoryRendezvous(Rendezvous):
    """Carries out every command at once."""

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__(
            clock,
            clock.seconds,
            Ledger(Scheduler(clock, BoundObserver())),
            RendezvousObserver(),
            BoundObserver(),
            **rendezvous_arguments(
                Settings(
                    address_storage_limit=None,
                    address_nameplate_limit=None,
                    address_nameplate_rate=None,
                )
            ),
            deny=lambda _: None,
            over_bound=lambda _: False,
        )
        self._names = map(str, count(1))
        self._nameplates: dict[tuple[str, str], str] = {}
        self._mailboxes: dict[Address, _Mailbox] = {}

    def perform(
        self,
        command: Command[R],
        lane: int,  # noqa: ARG002
        task: Task,  # noqa: ARG002
        done: Callable[[R | Failure], object],
    ) -> None:
        """See `Rendezvous.perform`."""
        done(cast("R", self._perform(command)))

    def perform_unwatched(self, command: Command[Any], lane: int, task: Task) -> None:
        """Note nothing."""

    def read_page(self, address: Address, number: int, lane: int, task: Task) -> Deferred[Page]:  # noqa: ARG002
        """See `Rendezvous.read_page`."""
        box = self._mailboxes.get(address, _Mailbox())
        return succeed(Page(box.messages[number - 1 :], len(box.messages)))

    def _perform(self, command: Command[Any]) -> object:
        app, side = command.conversation.app, command.conversation.side
        match command:
            case Allocate():
                name = next(self._names)
                mailbox = self._nameplates[app, name] = f"mailbox-{name}"
                return Allocated(name, mailbox)
            case Claim():
                mailbox = f"mailbox-{command.nameplate}"
                return Claimed(self._nameplates.setdefault((app, command.nameplate), mailbox))
            case Release():
                self._nameplates.pop((app, command.nameplate), None)
                return Retired()
            case Open():
                box = self._mailboxes.setdefault((app, command.mailbox), _Mailbox())
                box.sides.add(side)
                return Page(list(box.messages), len(box.messages))
            case Add():
                return self._add(command, app, side)
            case Close():
                closing = self._mailboxes.get((app, command.mailbox))
                if closing is not None:
                    closing.sides.discard(side)
                    if not closing.sides:
                        del self._mailboxes[app, command.mailbox]
                return Retired()
            case _:
                return [name for of, name in self._nameplates if of == app]

    def _add(self, command: Add, app: str, side: str) -> Added:
        box = self._mailboxes.setdefault((app, command.mailbox), _Mailbox())
        number = len(box.messages) + 1
        box.messages.append(
            StoredMessage(
                number, side, command.phase, command.body, command.message_id, command.received
            )
        )
        return Added(0, number)


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    rendezvous = MemoryRendezvous(cast(IReactorTime, default_reactor))
    rendezvous.heartbeat.startService()
    factory = RendezvousFactory(rendezvous, **websocket_arguments(Settings()))
    cast(IReactorTCP, default_reactor).listenTCP(port, factory, interface="127.0.0.1")
    default_reactor.run()


if __name__ == "__main__":
    main()
