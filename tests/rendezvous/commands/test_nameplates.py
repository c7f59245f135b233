"""Tests of `rendezvous.commands.nameplates`."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.commands.command import Command
from rendezvous.commands.nameplates import _MIN_ENTRY_BYTES
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger.keys import nameplate_key
from rendezvous.protocol import replies
from rendezvous.protocol.conversation import Conversation
from rendezvous.protocol.moods import Mood, Retired
from rendezvous.rules import schema
from rendezvous.rules.nameplates import Allocated, Claimed
from tests.rendezvous.conversations import NOW, BoundCase, ConversationCase, command, read
from tests.rendezvous.fakes import Recorder
from tests.rendezvous.servers import make_context
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase


class UnboundTests(ConversationCase):
    """Before `bind`."""

    def test_refused(self) -> None:
        """All four are refused before `bind`, and before anything is said of their form."""
        for kind in ("list", "allocate", "claim", "release"):
            for fields in ({}, {"nameplate": "7"}, {"nameplate": 5}):
                self.refuse("must bind first", kind, **fields)


class OrderTests(BoundCase):
    """What is allowed when, as a client sees it."""

    def test_list_again(self) -> None:
        """`list` may come as often as it likes."""
        for _ in range(3):
            self.say("list")

    def test_second_allocate(self) -> None:
        """A connection allocates once."""
        self.say("allocate")
        self.refuse("you already allocated one, don't be greedy", "allocate")

    def test_refused_allocate(self) -> None:
        """An allocate that the ledger refused may come again."""
        self.undo(self.say("allocate"))
        self.say("allocate")
        self.refuse("you already allocated one, don't be greedy", "allocate")

    def test_claim_after_allocate(self) -> None:
        """What was allocated may be claimed by the same connection, as all clients do."""
        self.say("allocate")
        self.say("claim", nameplate="7")

    def test_claim_needs_a_nameplate(self) -> None:
        """A claim without a nameplate is told that, even after a first claim."""
        self.refuse("claim requires 'nameplate'", "claim")
        self.say("claim", nameplate="7")
        self.refuse("claim requires 'nameplate'", "claim")
        self.refuse("'nameplate' must be a string of 1 to 40 digits", "claim", nameplate="x")

    def test_second_claim(self) -> None:
        """A connection claims once, the same nameplate or another; a malformed one does not count."""
        self.refuse("'nameplate' must be a string of 1 to 40 digits", "claim", nameplate="x")
        self.say("claim", nameplate="7")
        self.refuse("only one claim per connection", "claim", nameplate="7")
        self.refuse("only one claim per connection", "claim", nameplate="8")
        self.say("release")
        self.refuse("only one claim per connection", "claim", nameplate="7")

    def test_refused_claim(self) -> None:
        """A claim counts even if the ledger refused it: a crowded client is not to go on guessing."""
        self.undo(self.say("claim", nameplate="7"))
        self.refuse("only one claim per connection", "claim", nameplate="8")
        self.assertEqual(self.listener.take(), [])

    def test_release_without_claim(self) -> None:
        """A release that names nothing must follow a claim."""
        self.refuse("release without nameplate must follow claim", "release")
        self.say("allocate")
        self.refuse("release without nameplate must follow claim", "release")

    def test_release_of_another(self) -> None:
        """A connection releases what it claimed, and nothing else."""
        self.say("claim", nameplate="7")
        self.refuse("release and claim must use same nameplate", "release", nameplate="8")
        self.refuse("release and claim must use same nameplate", "release", nameplate="07")
        self.say("release", nameplate="7")

    def test_second_release(self) -> None:
        """A connection releases once, and is told so whatever it names then."""
        self.say("claim", nameplate="7")
        self.say("release")
        for fields in ({}, {"nameplate": "7"}, {"nameplate": "8"}, {"nameplate": None}):
            self.refuse("only one release per connection", "release", **fields)

    def test_refused_release(self) -> None:
        """A release that the ledger refused may come again."""
        self.undo(self.say("release", nameplate="7"))
        self.say("release", nameplate="7")

    def test_claim_after_release(self) -> None:
        """A release by name, as after a reconnect, does not keep a connection from its one claim."""
        self.say("release", nameplate="7")
        self.say("claim", nameplate="8")
        self.refuse("only one release per connection", "release")


class ResultTests(BoundCase):
    """What follows from a result."""

    def test_replies(self) -> None:
        """Each result is sent in its own words."""
        for said, result, reply in (
            (self.say("list"), ["7"], {"type": "nameplates", "nameplates": [{"id": "7"}]}),
            (self.say("allocate"), Allocated("7", "box"), {"type": "allocated", "nameplate": "7"}),
            (
                self.say("claim", nameplate="7"),
                Claimed("box"),
                {"type": "claimed", "mailbox": "box"},
            ),
            (self.say("release"), Retired(nameplate=Mood.HAPPY), {"type": "released"}),
        ):
            self.assertEqual(self.reply(said, result), reply)
            self.assertEqual((said.at_once, said.in_ledger, said.size), (False, True, 0))
            self.assertEqual(said.stored_number(result), 0)

    def test_mailbox_is_used(self) -> None:
        """The mailbox of a nameplate that was allocated or claimed is kept alive, and no other is."""
        for said, result, told in (
            (self.say("list"), ["7"], []),
            (self.say("allocate"), Allocated("7", "box"), [("use", ("app", "box"))]),
            (self.say("claim", nameplate="7"), Claimed("other"), [("use", ("app", "other"))]),
            (self.say("release"), Retired(), []),
        ):
            said.start(self.listener)
            self.assertEqual(self.listener.take(), [])
            said.finish(self.listener, result)
            self.assertEqual(self.listener.take(), told)


class ListTests(SynchronousTestCase):
    """How many nameplates a list has."""

    def test_as_many_as_fit(self) -> None:
        """As many are read as fit in the answer, if all were as short as can be."""
        at_most = 1000 // _MIN_ENTRY_BYTES
        said = replies.nameplates(["1"] * (at_most + 1), 1000, 1.0)
        self.assertEqual(len(json.loads(said)["nameplates"]), at_most)

    def test_only_what_the_client_can_read(self) -> None:
        """The Go client, whatever it calls itself, gets what it can read; all others get more."""
        names = [str(n) for n in range(100_000)]
        for version, most in (
            (None, replies.MAX_LIST_BYTES),
            (["python", "0.24.0"], replies.MAX_LIST_BYTES),
            (["rust", "0.7.6"], replies.MAX_LIST_BYTES),
            (["go-william", "1.0.7"], replies.MAX_SHORT_LIST_BYTES),
            (["winden.app", "1"], replies.MAX_SHORT_LIST_BYTES),
        ):
            conversation = Conversation()
            bind = {"type": "bind", "appid": "app", "side": "a", "client_version": version}
            read(json.dumps(bind).encode(), conversation)
            said = read(b'{"type": "list"}', conversation).reply(names, 1.0) or b""
            self.assertLess(len(said), most + 100)
            self.assertGreater(len(said), most - 100)


class LedgerRules(StoreCase):
    """Commands carried out."""

    __test__ = False

    def setUp(self) -> None:
        """Begin with an empty database."""
        super().setUp()
        self.observer = Recorder()
        self.context = make_context(observer=self.observer)

    def do(self, said: Command[Any]) -> Any:
        """Carry a command out, and publish its result."""
        result = self.store.run(lambda tx: said.perform(tx, self.context))
        said.publish(self.context, result)
        return result

    def test_keys(self) -> None:
        """Commands that name a nameplate take turns on it; the others name no key."""
        key = (nameplate_key("app", "7"),)
        for said, keys in (
            (command("list"), ()),
            (command("allocate"), ()),
            (command("claim", nameplate="7"), key),
            (command("release", nameplate="7"), key),
        ):
            self.assertEqual(tuple(said.keys), keys)

    def test_allocate(self) -> None:
        """What was allocated is claimed: nobody else is given it, and the side may claim it again."""
        found = [self.do(command("allocate", side=f"side {n}")) for n in range(9)]
        self.assertEqual({each.nameplate for each in found}, set("123456789"))
        again = self.do(command("claim", side="side 0", nameplate=found[0].nameplate))
        self.assertEqual(again, Claimed(found[0].mailbox))

    def test_claim(self) -> None:
        """Two sides that claim a nameplate get the same mailbox, and a third is refused."""
        boxes = {self.do(command("claim", side=side, nameplate="7")).mailbox for side in "ab"}
        self.assertEqual(len(boxes), 1)
        refusal: Refusal = self.assertRaises(
            Refusal, self.do, command("claim", side="c", nameplate="7")
        )
        self.assertIs(refusal.kind, ErrorKind.CROWDED)

    def test_release(self) -> None:
        """The last release removes the nameplate, which is counted by how it ended."""
        self.do(command("claim", nameplate="7"))
        self.assertEqual(self.do(command("release", side="b", nameplate="7")), Retired())
        self.assertEqual(self.observer.nameplates, [])
        retired = self.do(command("release", nameplate="7"))
        self.assertEqual(retired, Retired(nameplate=Mood.LONELY))
        self.assertEqual((self.observer.nameplates, self.observer.mailboxes), ([Mood.LONELY], []))

    def test_released_is_free(self) -> None:
        """A nameplate that was released may be allocated at once, even if its length was full."""
        for number in range(1, 1000):
            self.do(command("claim", nameplate=str(number)))
        self.assertEqual(len(self.do(command("allocate")).nameplate), 4)
        self.do(command("release", nameplate="55"))
        self.assertEqual(self.do(command("allocate", side="b")).nameplate, "55")

    def test_times(self) -> None:
        """Commands are dated with the time at which they were received."""
        self.do(command("claim", nameplate="7"))
        self.do(command("allocate"))
        self.do(command("claim", nameplate="7", received=NOW + 500))
        rows = self.store.rows(schema.nameplates, "created", "used")
        self.assertEqual(sorted(rows), [(NOW, NOW), (NOW, NOW + 500)])

    def test_list(self) -> None:
        """The list has the nameplates of the application, and nothing if listing is not allowed."""
        self.do(command("claim", nameplate="7"))
        self.do(command("claim", app="another app", nameplate="8"))
        self.assertEqual(self.do(command("list")), ["7"])
        self.context = make_context(list_allowed=False)
        self.assertEqual(self.do(command("list")), [])


class NameplatesOnSqlite(OnSqlite, LedgerRules):
    """Carried out on SQLite."""


class NameplatesOnPostgres(OnPostgres, LedgerRules):
    """Carried out on PostgreSQL."""
