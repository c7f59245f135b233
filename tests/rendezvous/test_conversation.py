"""Tests of `rendezvous.conversation`."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from rendezvous import messages, requests
from rendezvous.conversation import Conversation, Say
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.messages import StoredMessage
from rendezvous.moods import Mood

NOW = 1234.5


class ConversationCase(SynchronousTestCase):
    """A case with one conversation, not bound yet."""

    def setUp(self) -> None:
        """Begin."""
        self.conversation = Conversation()

    def say(self, kind: str | None, **fields: Any) -> Say | requests.Request:
        """The client says something; what comes of it."""
        if kind is not None:
            fields["type"] = kind
        return self.conversation.receive(messages.parse(json.dumps(fields).encode()), NOW)

    def refused(self, text: str, kind: str | None, **fields: Any) -> None:
        """The client says something and is refused in these very words."""
        refusal = self.assertRaises(Refusal, self.say, kind, **fields)
        self.assertEqual(refusal.text, text)

    def bind(self) -> None:
        """Bind as ordinary clients do."""
        self.say("bind", appid="app", side="side")


class UnboundTests(ConversationCase):
    """Before `bind`."""

    def test_everything_else_is_refused(self) -> None:
        """Whatever comes before `bind` is told to bind first, before anything is said of its form."""
        for kind, fields in (
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
        ):
            self.refused("must bind first", kind, **fields)  # type: ignore[arg-type]

    def test_no_type_comes_first(self) -> None:
        """What has no type is told that, bound or not."""
        self.refused("missing 'type'", None, nameplate="1")
        self.bind()
        self.refused("missing 'type'", None, nameplate="1")

    def test_malformed_comes_first(self) -> None:
        """What is no message is told that, bound or not."""
        incoming = messages.parse(b"nonsense")
        refusal = self.assertRaises(Refusal, self.conversation.receive, incoming, NOW)
        self.assertEqual(refusal.text, "a message must be JSON")

    def test_ping(self) -> None:
        """A ping is answered before `bind`, and refused without its value."""
        self.assert_pong(self.say("ping", ping=[1]))
        self.refused("ping requires 'ping'", "ping")
        self.bind()
        self.assert_pong(self.say("ping", ping=[1]))
        self.refused("ping requires 'ping'", "ping")

    def assert_pong(self, step: Say | requests.Request) -> None:
        """It is the answer to a ping of [1]."""
        if not isinstance(step, Say) or step.reply is None:
            raise AssertionError(step)
        self.assertEqual(
            json.loads(step.reply(2.0)), {"type": "pong", "pong": [1], "server_tx": 2.0}
        )

    def test_permissions(self) -> None:
        """The method none is taken, in both spellings and at any time; another is refused."""
        for bound in (False, True):
            if bound:
                self.bind()
            for kind in ("submit-permission", "submit-permissions"):
                self.assertEqual(self.say(kind, method="none"), Say())
                self.refused(
                    "unknown permission method, only 'none' is needed here",
                    kind,
                    method="hashcash",
                    stamp="1:20:…",
                )
                self.refused("submit-permissions requires 'method'", kind)


class BindTests(ConversationCase):
    """`bind`."""

    def test_bind(self) -> None:
        """A bind is acknowledged, and no more."""
        self.assertEqual(self.say("bind", appid="app", side="side"), Say())
        self.assertEqual((self.conversation.app, self.conversation.side), ("app", "side"))

    def test_version(self) -> None:
        """A bind that says which program it is leaves a record of that."""
        step = self.say("bind", appid="app", side="side", client_version=["python", "1.0"])
        self.assertEqual(step, Say(record=requests.RecordClient("app", "python", "1.0")))

    def test_twice(self) -> None:
        """A second bind is refused, whatever it says and however it says it."""
        self.bind()
        for fields in (
            {"appid": "app", "side": "side"},
            {"appid": "x", "side": "y"},
            {},
            {"side": 1},
        ):
            self.refused("already bound", "bind", **fields)

    def test_incomplete(self) -> None:
        """A bind must have both; a refused one may be followed by a good one."""
        self.refused("bind requires 'appid'", "bind", side="side")
        self.refused("bind requires 'appid'", "bind")
        self.refused("bind requires 'side'", "bind", appid="app")
        self.refused("'appid' must be a string", "bind", appid=1, side="side")
        self.refused("must bind first", "list")
        self.bind()
        self.say("list")

    def test_empty_names(self) -> None:
        """An empty app id and an empty side are names like any other."""
        self.say("bind", appid="", side="")
        self.assertEqual(self.say("list"), requests.ListNameplates(""))
        self.refused("already bound", "bind", appid="app", side="side")


class BoundCase(ConversationCase):
    """A case that begins bound."""

    def setUp(self) -> None:
        """Begin, and bind."""
        super().setUp()
        self.bind()


class NameplateTests(BoundCase):
    """`list`, `allocate`, `claim` and `release`."""

    def test_requests(self) -> None:
        """Each command becomes the request that it is."""
        self.assertEqual(self.say("list"), requests.ListNameplates("app"))
        self.assertEqual(self.say("allocate"), requests.AllocateNameplate("app", "side"))
        self.assertEqual(
            self.say("claim", nameplate="7"), requests.ClaimNameplate("app", "side", "7")
        )
        self.assertEqual(self.say("release"), requests.ReleaseNameplate("app", "side", "7"))

    def test_list_again(self) -> None:
        """`list` may come as often as it likes."""
        for _ in range(3):
            self.assertEqual(self.say("list"), requests.ListNameplates("app"))

    def test_unknown_type(self) -> None:
        """Once bound an unknown type is told so."""
        self.refused("unknown type", "no such type")

    def test_second_allocate(self) -> None:
        """A connection allocates once."""
        self.say("allocate")
        self.refused("you already allocated one, don't be greedy", "allocate")

    def test_claim_after_allocate(self) -> None:
        """What was allocated is claimed by the same connection, as all clients do."""
        self.say("allocate")
        self.assertEqual(
            self.say("claim", nameplate="7"), requests.ClaimNameplate("app", "side", "7")
        )

    def test_claim_needs_a_nameplate(self) -> None:
        """A claim without a nameplate is told that, after a first claim, too."""
        self.refused("claim requires 'nameplate'", "claim")
        self.say("claim", nameplate="7")
        self.refused("claim requires 'nameplate'", "claim")

    def test_second_claim(self) -> None:
        """A connection claims once, the same nameplate or another; a malformed one does not count."""
        self.refused("'nameplate' must be a string of 1 to 40 digits", "claim", nameplate="x")
        self.say("claim", nameplate="7")
        self.refused("only one claim per connection", "claim", nameplate="7")
        self.refused("only one claim per connection", "claim", nameplate="8")
        self.say("release")
        self.refused("only one claim per connection", "claim", nameplate="7")

    def test_release_without_claim(self) -> None:
        """A release that names nothing must follow a claim."""
        self.refused("release without nameplate must follow claim", "release")
        self.say("allocate")
        self.refused("release without nameplate must follow claim", "release")

    def test_release_by_name(self) -> None:
        """A connection that has claimed nothing may release by name, as after a reconnect."""
        self.assertEqual(
            self.say("release", nameplate="7"), requests.ReleaseNameplate("app", "side", "7")
        )

    def test_release_of_another(self) -> None:
        """A connection releases what it claimed, and nothing else."""
        self.say("claim", nameplate="7")
        self.refused("release and claim must use same nameplate", "release", nameplate="8")
        self.refused("release and claim must use same nameplate", "release", nameplate="07")
        self.say("release", nameplate="7")

    def test_second_release(self) -> None:
        """A connection releases once, and is told so whatever it names then."""
        self.say("claim", nameplate="7")
        self.say("release")
        for fields in ({}, {"nameplate": "7"}, {"nameplate": "8"}, {"nameplate": None}):
            self.refused("only one release per connection", "release", **fields)

    def test_claim_after_release(self) -> None:
        """A release by name does not keep a connection from its one claim."""
        self.say("release", nameplate="7")
        self.say("claim", nameplate="8")
        self.refused("only one release per connection", "release")


class MailboxTests(BoundCase):
    """`open`, `add` and `close`."""

    def test_requests(self) -> None:
        """Each command becomes the request that it is."""
        self.assertEqual(
            self.say("open", mailbox="box"), requests.OpenMailbox("app", "side", "box")
        )
        self.assertEqual(
            self.say("add", phase="0", body="ab", id={"a": 1}),
            requests.AddMessage("app", "side", "box", "0", "ab", '{"a": 1}', NOW),
        )
        self.assertEqual(
            self.say("add", phase="0", body="ab"),
            requests.AddMessage("app", "side", "box", "0", "ab", "null", NOW),
        )
        self.assertEqual(
            self.say("close", mood="happy"), requests.CloseMailbox("app", "side", "box", "happy")
        )

    def test_open_needs_a_mailbox(self) -> None:
        """An open without a mailbox is told that; a malformed one does not count."""
        self.refused("open requires 'mailbox'", "open")
        self.refused("'mailbox' must be a string", "open", mailbox=5)
        self.say("open", mailbox="box")

    def test_second_open(self) -> None:
        """A connection opens once, and is told so before the form of the second is looked at."""
        self.say("open", mailbox="box")
        for fields in ({"mailbox": "box"}, {"mailbox": "other"}, {}, {"mailbox": 5}):
            self.refused("only one open per connection", "open", **fields)
        self.say("close")
        self.refused("only one open per connection", "open", mailbox="box")

    def test_add_before_open(self) -> None:
        """An add needs an open mailbox, and is told so before its form is looked at."""
        for fields in ({"phase": "0", "body": "ab"}, {}, {"phase": 1}):
            self.refused("must open mailbox before adding", "add", **fields)

    def test_add_after_close(self) -> None:
        """A mailbox that was closed takes nothing more from this connection."""
        self.say("open", mailbox="box")
        self.say("close")
        self.refused("must open mailbox before adding", "add", phase="0", body="ab")

    def test_incomplete_add(self) -> None:
        """An add needs a phase, then a body."""
        self.say("open", mailbox="box")
        self.refused("missing 'phase'", "add")
        self.refused("missing 'phase'", "add", body="ab")
        self.refused("missing 'body'", "add", phase="0")

    def test_close_before_open(self) -> None:
        """A close that names nothing must follow an open; a claim does not do."""
        self.refused("close without mailbox must follow open", "close")
        self.say("claim", nameplate="7")
        self.refused("close without mailbox must follow open", "close", mood="happy")

    def test_close_by_name(self) -> None:
        """A connection that has opened nothing may close by name, as after a reconnect."""
        self.assertEqual(
            self.say("close", mailbox="box", mood="scary"),
            requests.CloseMailbox("app", "side", "box", "scary"),
        )
        self.refused("only one open per connection", "open", mailbox="box")

    def test_close_of_another(self) -> None:
        """A connection closes what it opened, and nothing else."""
        self.say("open", mailbox="box")
        self.refused("open and close must use same mailbox", "close", mailbox="other")
        self.say("add", phase="0", body="ab")
        self.say("close", mailbox="box")

    def test_second_close(self) -> None:
        """A connection closes once, and is told so whatever it names then."""
        self.say("open", mailbox="box")
        self.say("close")
        for fields in ({}, {"mailbox": "box"}, {"mailbox": "other"}, {"mailbox": 5}):
            self.refused("only one close per connection", "close", **fields)


class PipeliningTests(BoundCase):
    """Commands that come before the answers of those before them, and what the ledger refuses then."""

    def test_all_at_once(self) -> None:
        """A client need not wait for any answer: all commands of an exchange are taken in a row."""
        self.say("claim", nameplate="7")
        self.say("open", mailbox="box")
        self.say("add", phase="pake", body="00")
        self.say("add", phase="version", body="01")
        self.say("release")
        self.say("close")

    def test_refused_open(self) -> None:
        """After an open that the ledger refused nothing is open, and another may be tried."""
        request = self.say("open", mailbox="box")
        self.take_back(request)
        self.refused("must open mailbox before adding", "add", phase="0", body="ab")
        self.refused("close without mailbox must follow open", "close")
        self.say("open", mailbox="other")
        self.say("add", phase="0", body="ab")

    def test_refused_open_behind_a_close(self) -> None:
        """An open that is refused after the close was taken in does not undo the close."""
        opening = self.say("open", mailbox="box")
        self.say("close")
        self.take_back(opening)
        self.refused("only one close per connection", "close")
        self.refused("only one open per connection", "open", mailbox="box")

    def test_refused_close(self) -> None:
        """A close that the ledger refused may be tried again, by name or without."""
        self.say("open", mailbox="box")
        self.take_back(self.say("close"))
        self.take_back(self.say("close"))
        self.say("close", mailbox="box")

    def test_refused_allocate(self) -> None:
        """An allocate that the ledger refused may be tried again."""
        self.take_back(self.say("allocate"))
        self.say("allocate")
        self.refused("you already allocated one, don't be greedy", "allocate")

    def test_refused_release(self) -> None:
        """A release that the ledger refused may be tried again."""
        self.take_back(self.say("release", nameplate="7"))
        self.say("release", nameplate="7")

    def test_refused_claim(self) -> None:
        """A claim counts, refused or not: a crowded client is not to go on guessing."""
        self.take_back(self.say("claim", nameplate="7"))
        self.refused("only one claim per connection", "claim", nameplate="8")

    def test_refused_add(self) -> None:
        """An add that the ledger refused changes nothing else."""
        self.say("open", mailbox="box")
        self.take_back(self.say("add", phase="0", body="ab"))
        self.say("add", phase="0", body="ab")

    def take_back(self, step: Say | requests.Request) -> None:
        """The ledger refuses."""
        if isinstance(step, Say):
            raise AssertionError(step)
        self.conversation.take_back(step)


class AnswerTests(BoundCase):
    """The ledger's results in the words of the protocol."""

    def answer(self, request: requests.Request, result: requests.Result) -> Any:
        """What the client reads, but for the time."""
        reply = self.conversation.answer(request, result)
        if reply is None:
            return None
        said = json.loads(reply(NOW))
        self.assertEqual(said.pop("server_tx"), NOW)
        return said

    def test_answers(self) -> None:
        """Each result has its own words; to an open and an add there are none but the `ack`."""
        claim = requests.ClaimNameplate("app", "side", "7")
        allocate = requests.AllocateNameplate("app", "side")
        stored = StoredMessage(1, "side", "0", "ab", "null", NOW)
        for request, result, said in (
            (allocate, requests.Claimed("7", "box"), {"type": "allocated", "nameplate": "7"}),
            (claim, requests.Claimed("7", "box"), {"type": "claimed", "mailbox": "box"}),
            (
                requests.ReleaseNameplate("app", "side", "7"),
                requests.Released(Mood.HAPPY),
                {"type": "released"},
            ),
            (
                requests.CloseMailbox("app", "side", "box", None),
                requests.Closed(),
                {"type": "closed"},
            ),
            (
                requests.ListNameplates("app"),
                requests.Nameplates(["7"]),
                {"type": "nameplates", "nameplates": [{"id": "7"}]},
            ),
            (requests.OpenMailbox("app", "side", "box"), requests.Page([stored], 1), None),
            (
                requests.AddMessage("app", "side", "box", "0", "ab", "null", NOW),
                requests.Added(stored),
                None,
            ),
        ):
            self.assertEqual(self.answer(request, result), said)


class ErrorTextTests(SynchronousTestCase):
    """The texts that clients and test suites know."""

    def test_to_the_letter(self) -> None:
        """Every text of the protocol is there, letter by letter."""
        known = {
            *("missing 'type'", "unknown type", "must bind first", "already bound"),
            *("bind requires 'appid'", "bind requires 'side'", "ping requires 'ping'"),
            "you already allocated one, don't be greedy",
            *("claim requires 'nameplate'", "only one claim per connection"),
            *("crowded", "reclaimed", "release without nameplate must follow claim"),
            "release and claim must use same nameplate",
            *("only one release per connection", "open requires 'mailbox'"),
            *("only one open per connection", "must open mailbox before adding"),
            *("missing 'phase'", "missing 'body'", "close without mailbox must follow open"),
            *("open and close must use same mailbox", "only one close per connection"),
        }
        texts = [kind.text for kind in ErrorKind]
        self.assertEqual(known - set(texts), set())
        self.assertEqual(len(texts), len(set(texts)))

    def test_refusal(self) -> None:
        """A refusal says its kind's text, or a more exact one."""
        self.assertEqual(Refusal(ErrorKind.CROWDED).text, "crowded")
        self.assertEqual(Refusal(ErrorKind.MALFORMED, "exactly this").text, "exactly this")


_said = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["bind", "list", "allocate", "claim", "release", "open", "add", "close", "ping", "x"]
        )
    },
    optional={
        "appid": st.sampled_from(["app", 5]),
        "side": st.sampled_from(["side", None]),
        "nameplate": st.sampled_from(["1", "2", "x"]),
        "mailbox": st.sampled_from(["a", "b", 7]),
        "phase": st.just("0"),
        "body": st.just("ab"),
        "ping": st.just(1),
    },
)


class AnyConversationTests(SynchronousTestCase):
    """Whatever a client says."""

    @given(st.lists(st.tuples(_said, st.booleans()), max_size=30))
    def test_never_raises_but_to_refuse(self, steps: list[tuple[dict[str, Any], bool]]) -> None:
        """Any sequence of commands, some refused by the ledger, is answered, and the counts hold."""
        conversation = Conversation()
        granted = []
        for fields, refused in steps:
            incoming = messages.parse(json.dumps(fields).encode())
            try:
                step = conversation.receive(incoming, NOW)
            except Refusal:
                continue
            if isinstance(step, Say):
                continue
            self.assertEqual((step.app, conversation.side), ("app", "side"))
            if refused:
                conversation.take_back(step)
            else:
                granted.append(type(step))
        for once in (
            requests.AllocateNameplate,
            requests.ClaimNameplate,
            requests.ReleaseNameplate,
            requests.CloseMailbox,
        ):
            self.assertLessEqual(granted.count(once), 1)
