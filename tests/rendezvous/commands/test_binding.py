"""Tests of `rendezvous.commands.binding`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from rendezvous.commands.binding import SubmitPermissions
from rendezvous.commands.command import Command
from rendezvous.errors import Refusal
from rendezvous.protocol.conversation import Conversation
from rendezvous.protocol.envelope import parse
from rendezvous.rules import schema
from tests.rendezvous.conversations import NOW, ConversationCase, read
from tests.rendezvous.servers import make_context
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase
from tests.wormhole_limits.fakes import mint
from wormhole_limits.stamps import StampRequirement


class PermissionTests(ConversationCase):
    """A client that has to bring a stamp."""

    def setUp(self) -> None:
        """A stamp with eight bits is required."""
        super().setUp()
        self.conversation.requirement = StampRequirement(8, "res")
        self.now = datetime(2026, 11, 26, tzinfo=UTC).timestamp()

    def submit(self, stamp: object) -> None:
        """Submit a stamp."""
        payload = {"type": "submit-permissions", "method": "hashcash", "stamp": stamp}
        envelope = parse(json.dumps(payload).encode())
        SubmitPermissions(envelope, self.conversation, self.now, 0.0)

    def test_stamp(self) -> None:
        """With a stamp that counts the client can bind; the method none is taken from then on."""
        self.submit(mint("1:8:261126:res::r:{}", 8))
        self.say("submit-permissions", method="none")
        self.say("bind", appid="app", side="a")
        self.assertIsNone(self.conversation.refusal)

    def test_none(self) -> None:
        """Without one it cannot, and whatever the client says from then on is refused for that."""
        self.refuse(
            "the permission method 'none' is not enough, 'hashcash' is required",
            "submit-permissions",
            method="none",
        )
        text = "the server requires a hashcash stamp before 'bind'; use a client that sends one, or try later"
        self.refuse(text, "bind", appid="app", side="a")
        self.assertRaisesRegex(
            Refusal, "requires a hashcash stamp", self.conversation.check_refusal
        )

    def test_bad_stamps(self) -> None:
        """A stamp that does not count is refused with the reason, and another may follow."""
        for stamp, text in (
            ("x", "the hashcash stamp does not count: it does not have the form"),
            (
                mint("1:8:261126:other::r:{}", 8),
                "the hashcash stamp does not count: it is for another",
            ),
            (5, "'stamp' must be a string"),
            ("1" * 1025, "'stamp' must have at most 1024 bytes"),
        ):
            self.assertRaisesRegex(Refusal, text, self.submit, stamp)
        self.refuse(
            "the permission method 'hashcash' requires 'stamp'",
            "submit-permissions",
            method="hashcash",
        )
        self.refuse(
            "unknown permission method, only 'none' is needed here",
            "submit-permissions",
            method="other",
        )
        self.assertFalse(self.conversation.permitted)
        self.submit(mint("1:8:261126:res::r:{}", 8))


class UnboundTests(ConversationCase):
    """Before `bind`."""

    def test_everything_else_is_refused(self) -> None:
        """What comes before `bind` is told to bind first, before anything is said of its form."""
        commands: tuple[tuple[object, dict[str, Any]], ...] = (
            ("list", {}),
            ("allocate", {}),
            ("claim", {"nameplate": "1"}),
            ("claim", {}),
            ("claim", {"nameplate": "x"}),
            ("release", {}),
            ("release", {"nameplate": 5}),
            ("open", {"mailbox": "m"}),
            ("open", {}),
            ("add", {"phase": "0", "body": ""}),
            ("add", {}),
            ("close", {}),
            ("close", {"mailbox": []}),
            ("no such type", {}),
            (5, {}),
        )
        for kind, fields in commands:
            self.refuse("must bind first", kind, **fields)

    def test_no_type_comes_first(self) -> None:
        """A message without a type is told that, bound or not."""
        self.refuse("missing 'type'", None, nameplate="1")
        self.bind()
        self.refuse("missing 'type'", None, nameplate="1")

    def test_unknown_type(self) -> None:
        """An unknown type is told that, once the client is bound."""
        self.bind()
        self.refuse("unknown type", "no such type")

    def test_ping(self) -> None:
        """A ping is answered at once, bound or not, and refused without its value."""
        for bound in (False, True):
            if bound:
                self.bind()
            ping = self.say("ping", ping=[1])
            self.assertEqual(self.reply(ping, None), {"type": "pong", "pong": [1]})
            self.at_once(ping)
            self.refuse("ping requires 'ping'", "ping")

    def at_once(self, said: Command[Any]) -> None:
        """It is answered without the ledger."""
        self.assertEqual((said.at_once, said.in_ledger), (True, False))

    def test_permissions(self) -> None:
        """The method none is taken, in both spellings and at any time; another is refused."""
        for bound in (False, True):
            if bound:
                self.bind()
            for kind in ("submit-permission", "submit-permissions"):
                said = self.say(kind, method="none")
                self.assertIsNone(self.reply(said, None))
                self.at_once(said)
                self.refuse(
                    "unknown permission method, only 'none' is needed here",
                    kind,
                    method="hashcash",
                    stamp="1:20:…",
                )
                self.refuse("submit-permissions requires 'method'", kind)


class BindTests(ConversationCase):
    """`bind`."""

    def test_bind(self) -> None:
        """A bind is acknowledged at once, and no more."""
        said = self.say("bind", appid="app", side="side")
        self.assertIsNone(self.reply(said, None))
        self.assertEqual((said.at_once, said.in_ledger), (True, False))
        self.assertEqual((self.conversation.app, self.conversation.side), ("app", "side"))

    def test_twice(self) -> None:
        """A second bind is refused, whatever it says and however it says it."""
        self.bind()
        for fields in ({"appid": "app", "side": "side"}, {"appid": "x"}, {}, {"side": 1}):
            self.refuse("already bound", "bind", **fields)
        self.assertEqual((self.conversation.app, self.conversation.side), ("app", "side"))

    def test_incomplete(self) -> None:
        """A bind must have both keys; a refused one may be followed by a good one."""
        self.refuse("bind requires 'appid'", "bind", side="side")
        self.refuse("bind requires 'appid'", "bind")
        self.refuse("bind requires 'side'", "bind", appid="app")
        self.refuse("'appid' must be a string", "bind", appid=1, side="side")
        self.refuse("must bind first", "list")
        self.bind()
        self.say("list")

    def test_empty_names(self) -> None:
        """An empty app id and an empty side are names like any other."""
        self.say("bind", appid="", side="")
        self.say("list")
        self.refuse("already bound", "bind", appid="app", side="side")

    def test_long_messages(self) -> None:
        """Programs that are known to read long messages get them, and those that give no name."""
        for fields, reads in (
            ({}, True),
            ({"client_version": ["python", "0.20.0"]}, True),
            ({"client_version": ["rust", "go"]}, True),
            ({"client_version": ["go", "rust"]}, False),
        ):
            self.conversation = Conversation()
            self.say("bind", appid="app", side="side", **fields)
            self.assertIs(self.conversation.reads_long_messages, reads)

    def test_web_client(self) -> None:
        """The web client is known by its name."""
        for fields, known in (
            ({}, False),
            ({"client_version": ["python", "wormhole-server-web"]}, False),
            ({"client_version": ["wormhole-server-web", "1"]}, True),
        ):
            self.conversation = Conversation()
            self.say("bind", appid="app", side="side", **fields)
            self.assertIs(self.conversation.is_web_client, known)


class ProgramRules(StoreCase):
    """The program that a client names in `bind`."""

    __test__ = False

    def bind(self, **fields: Any) -> Command[Any]:
        """Bind a new connection."""
        said = {"type": "bind", "appid": "app", "side": "side", **fields}
        return read(json.dumps(said).encode(), Conversation())

    def test_recorded(self) -> None:
        """A bind that names a program leaves a record of it; the answer does not wait for that."""
        for version in (["python", "1.0"], ["", ""], ["\0x" * 200, "1", "more"]):
            said = self.bind(client_version=version)
            self.assertEqual((said.at_once, said.in_ledger, said.keys), (True, True, ()))
            self.store.run(lambda tx, said=said: said.perform(tx, make_context()))  # type: ignore[misc]
        columns = ("app", "started", "implementation", "version")
        self.assertEqual(
            sorted(self.store.rows(schema.client_usage, *columns)),
            [("app", NOW, "", ""), ("app", NOW, "python", "1.0"), ("app", NOW, "x" * 100, "1")],
        )

    def test_not_recorded(self) -> None:
        """A bind whose client version has another form is taken, and leaves no record."""
        for odd in (None, 1, "python", [], ["a"], ["a", 1], [None, "b"], {"a": "b"}):
            self.assertFalse(self.bind(client_version=odd).in_ledger)


class ProgramsOnSqlite(OnSqlite, ProgramRules):
    """Programs on SQLite."""


class ProgramsOnPostgres(OnPostgres, ProgramRules):
    """Programs on PostgreSQL."""
