"""
What docs/protocol.md says of nameplates and mailboxes, in the shortest words: a model for the server.

Written from the protocol's text alone. It knows connections, and answers every command with the frames that
each connection gets, without times and with mailbox ids that it has been told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Frame = dict[str, Any]


class Wrong(Exception):
    """The client is told of an error with this text."""


@dataclass
class Plate:
    """Who has claimed it, and whether that side has released it."""

    mailbox: str
    released: dict[str, bool]


@dataclass
class Box:
    """Who has opened it, and whether it is open for that side; what is in it."""

    open: dict[str, bool]
    messages: list[Frame] = field(default_factory=list)


@dataclass(eq=False)
class Connection:
    """What one connection has said."""

    app: str
    side: str
    did: set[str] = field(default_factory=set)
    nameplate: str | None = None
    mailbox: str | None = None
    listens: bool = False
    heard: list[Frame] = field(default_factory=list)


@dataclass
class Model:
    """The whole truth."""

    plates: dict[tuple[str, str], Plate] = field(default_factory=dict)
    boxes: dict[tuple[str, str], Box] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    retired_plates: int = 0
    retired_boxes: int = 0

    def say(self, client: Connection, said: Frame, new_mailbox: Callable[[], str]) -> None:
        """A client sends a command; `heard` of the connections tells what comes of it."""
        client.heard.append({"type": "ack", "id": said["id"]})
        try:
            handler = getattr(self, "_" + said["type"])
            handler(client, said, new_mailbox)
        except Wrong as wrong:
            client.heard.append({"type": "error", "error": str(wrong), "orig": said})

    def gone(self, client: Connection) -> None:
        """Its connection is lost; nothing else changes."""
        self.connections.remove(client)

    def _claim(self, client: Connection, said: Frame, new_mailbox: Callable[[], str]) -> None:
        _once(client, "claim", "only one claim per connection")
        client.nameplate = said["nameplate"]
        mailbox = self._take(client.app, client.side, said["nameplate"], new_mailbox)
        client.heard.append({"type": "claimed", "mailbox": mailbox})

    def _take(self, app: str, side: str, name: str, new_mailbox: Callable[[], str]) -> str:
        plate = self.plates.get((app, name))
        if plate is None:
            plate = self.plates[app, name] = Plate(new_mailbox(), {})
        if side not in plate.released:
            box = self.boxes.setdefault((app, plate.mailbox), Box({}))
            if len(plate.released) == 2 or (side not in box.open and len(box.open) == 2):
                raise Wrong("crowded")
            plate.released[side] = False
            box.open[side] = True
        if plate.released[side]:
            raise Wrong("reclaimed")
        return plate.mailbox

    def _release(self, client: Connection, said: Frame, _: object) -> None:
        if "release" in client.did:
            raise Wrong("only one release per connection")
        name = said.get("nameplate", client.nameplate)
        if name is None:
            raise Wrong("release without nameplate must follow claim")
        if client.nameplate not in (None, name):
            raise Wrong("release and claim must use same nameplate")
        client.did.add("release")
        plate = self.plates.get((client.app, name))
        if plate is not None and client.side in plate.released:
            plate.released[client.side] = True
            if all(plate.released.values()):
                del self.plates[client.app, name]
                self.retired_plates += 1
        client.heard.append({"type": "released"})

    def _open(self, client: Connection, said: Frame, _: object) -> None:
        if "open" in client.did:
            raise Wrong("only one open per connection")
        address = (client.app, said["mailbox"])
        box = self.boxes.get(address)
        if box is not None and client.side not in box.open and len(box.open) == 2:
            client.mailbox = None
            raise Wrong("crowded")
        box = self.boxes.setdefault(address, Box({}))
        box.open[client.side] = True
        client.did.add("open")
        client.mailbox = said["mailbox"]
        client.listens = True
        client.heard.extend(box.messages)

    def _add(self, client: Connection, said: Frame, _: object) -> None:
        if not client.listens:
            raise Wrong("must open mailbox before adding")
        box = self.boxes.get((client.app, client.mailbox or ""))
        if box is None or not box.open.get(client.side):
            # Another connection of the same side has closed it since.
            raise Wrong("must open mailbox before adding")
        message = {
            "type": "message",
            "side": client.side,
            "phase": said["phase"],
            "body": said["body"],
            "id": said["id"],
        }
        for stored in box.messages:
            if all(stored[key] == message[key] for key in ("side", "phase", "body")):
                client.heard.append(stored)
                return
        box.messages.append(message)
        for other in self.connections:
            if other.listens and (other.app, other.mailbox) == (client.app, client.mailbox):
                other.heard.append(message)

    def _close(self, client: Connection, said: Frame, _: object) -> None:
        if "close" in client.did:
            raise Wrong("only one close per connection")
        mailbox = said.get("mailbox", client.mailbox)
        if mailbox is None:
            raise Wrong("close without mailbox must follow open")
        if client.mailbox not in (None, mailbox):
            raise Wrong("open and close must use same mailbox")
        # Whatever comes of it, the connection listens no more.
        client.listens = False
        client.mailbox = mailbox
        box = self.boxes.get((client.app, mailbox))
        if box is not None:
            if client.side not in box.open and len(box.open) == 2:
                client.did.discard("open")
                raise Wrong("crowded")
            if client.side in box.open:
                box.open[client.side] = False
                if not any(box.open.values()):
                    self._retire(client.app, mailbox)
        client.did |= {"open", "close"}
        client.heard.append({"type": "closed"})

    def _retire(self, app: str, mailbox: str) -> None:
        del self.boxes[app, mailbox]
        self.retired_boxes += 1
        for address, plate in list(self.plates.items()):
            if address[0] == app and plate.mailbox == mailbox:
                del self.plates[address]
                self.retired_plates += 1

    def _list(self, client: Connection, said: Frame, _: object) -> None:
        names = sorted(
            name
            for (app, name), plate in self.plates.items()
            if app == client.app and len(plate.released) == 1
        )
        client.heard.append({"type": "nameplates", "nameplates": names})


def _once(client: Connection, what: str, text: str) -> None:
    if what in client.did:
        raise Wrong(text)
    client.did.add(what)
