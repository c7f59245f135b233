"""Tests of `rendezvous.commands.by_type`: what all commands have in common."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw
from twisted.internet.defer import Deferred, DeferredList
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.commands.binding import Bind, Ping, SubmitPermissions, Unknown
from rendezvous.commands.by_type import COMMANDS, find_command
from rendezvous.commands.command import Command
from rendezvous.commands.mailboxes import Add, Close, Open
from rendezvous.commands.nameplates import Allocate, Claim, List, Release
from rendezvous.database import open_engine
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.ledger.ledger import Ledger
from rendezvous.protocol import replies
from rendezvous.protocol.conversation import CommandKind, Conversation
from rendezvous.protocol.envelope import parse
from rendezvous.protocol.replies import StoredMessage
from rendezvous.rules.schema import metadata
from tests.databases import drop_postgres, new_postgres_url
from tests.rendezvous.conversations import RecordingListener, bound, command, read
from tests.rendezvous.fakes import Reactor, Recorder
from tests.rendezvous.servers import make_context, open_test_runners
from tests.rendezvous.statements import CountingTransaction
from tests.rendezvous.stores import OnPostgres, OnSqlite, StoreCase
from tests.schedulers import make_scheduler

# What the Go client reads in one message.
GO_CLIENT_BYTES = 32 * 1024

WRONG_TYPES: list[Any] = [None, True, 0, -1, 1.5, [], ["a"], {}, {"a": 1}]

# A message of each type that is in order, field by field.
FULL: dict[str, dict[str, Any]] = {
    "submit-permissions": {"method": "none"},
    "submit-permission": {"method": "none"},
    "bind": {"appid": "app", "side": "side", "client_version": ["python", "0.24"]},
    "list": {},
    "allocate": {},
    "claim": {"nameplate": "7"},
    "release": {"nameplate": "7"},
    "open": {"mailbox": "box"},
    "add": {"phase": "pake", "body": "00ff"},
    "close": {"mailbox": "box", "mood": "happy"},
    "ping": {"ping": 1},
}
# What is not a value that came with the message.
_OURS = {"cost", "first_use", "keys", "size", "in_ledger"}


def ready(kind: object) -> Conversation:
    """A conversation in which a command of that type is allowed."""
    if kind == "bind":
        return Conversation()
    conversation = bound()
    if kind == "add":
        conversation.advance(CommandKind.OPEN)
        conversation.mailbox = "box"
    return conversation


def take(payload: bytes, kind: object) -> Command[Any] | Refusal:
    """The command, where it is allowed; or why it is refused."""
    try:
        return read(payload, ready(kind))
    except Refusal as refusal:
        return refusal


def say(**fields: Any) -> Command[Any] | Refusal:
    """A command with these fields."""
    return take(json.dumps(fields).encode(), fields.get("type"))


def values(taken: Command[Any] | Refusal) -> dict[str, Any]:
    """What a command carries."""
    if isinstance(taken, Refusal):
        raise AssertionError(taken)
    return {name: getattr(taken, name) for name in type(taken).__slots__ if name not in _OURS}


def refused(taken: Command[Any] | Refusal) -> tuple[ErrorKind, str]:
    """Why a command was refused."""
    if not isinstance(taken, Refusal):
        raise AssertionError(f"understood as {taken}")
    return taken.kind, taken.text


class TypeTests(SynchronousTestCase):
    """Which command a message asks for."""

    def test_every_type(self) -> None:
        """Each type of message becomes its command, with the values that it came with."""
        expected: dict[str, tuple[type[Command[Any]], dict[str, Any]]] = {
            "submit-permissions": (SubmitPermissions, {}),
            "submit-permission": (SubmitPermissions, {}),
            "bind": (Bind, {"program": ("python", "0.24")}),
            "list": (List, {"max_bytes": replies.MAX_LIST_BYTES}),
            "allocate": (Allocate, {}),
            "claim": (Claim, {"nameplate": "7", "not_new": None}),
            "release": (Release, {"nameplate": "7"}),
            "open": (Open, {"mailbox": "box", "address": ("app", "box"), "not_new": None}),
            "add": (
                Add,
                {"mailbox": "box", "phase": "pake", "body": "00ff", "message_id": "null"},
            ),
            "close": (Close, {"mailbox": "box", "mood": "happy"}),
            "ping": (Ping, {"value": Raw(b"1")}),
        }
        self.assertEqual(set(expected), set(FULL))
        for name, (kind, carried) in expected.items():
            taken = say(type=name, **FULL[name])
            self.assertIsInstance(taken, kind)
            self.assertEqual(values(taken), carried)

    def test_every_kind(self) -> None:
        """Each kind of command has one class; the Rust client's `submit-permission` is no kind of its own."""
        classes: list[type[Command[Any]]] = [*COMMANDS, Unknown]
        kinds = [each.kind for each in classes]
        self.assertEqual(sorted(kinds, key=list(CommandKind).index), list(CommandKind))

    def test_unknown(self) -> None:
        """A type that is none of the protocol's, or no string at all, is unknown."""
        odds: list[Any] = ["", "BIND", "bind ", "unknown", "type", "__init__", "null", *WRONG_TYPES]
        for odd in odds:
            self.assertIs(find_command(parse(json.dumps({"type": odd}).encode())), Unknown)
            self.assertEqual(refused(say(type=odd, id=5)), (ErrorKind.UNKNOWN_TYPE, "unknown type"))

    def test_no_message(self) -> None:
        """What is no message, or has no type, is told that, bound or not."""
        for payload, text in (
            (b"nonsense", "a message must be JSON"),
            (b"\xff", "a message must be UTF-8"),
            (b"{}", "missing 'type'"),
        ):
            for kind in ("bind", "add"):
                self.assertEqual(refused(take(payload, kind))[1], text)


class FieldTests(SynchronousTestCase):
    """Every field of every command."""

    def test_unknown_keys_are_ignored(self) -> None:
        """Keys that the protocol does not know change nothing, whatever they hold."""
        odd: dict[str, Any] = {"null": None, "": [], "timing": {"a": [1e300]}, "\0": 1, "why": "x"}
        for name, fields in FULL.items():
            plain = say(type=name, **fields)
            decorated = say(type=name, **fields, **odd)
            self.assertEqual(values(decorated), values(plain))

    def test_other_commands_keys_are_not_looked_at(self) -> None:
        """A key that its own command would refuse does no harm in another."""
        for name, fields in FULL.items():
            others = {key: 5 for known in FULL.values() for key in known if key not in fields}
            self.assertNotIsInstance(say(type=name, **fields, **others), Refusal)

    def test_optional_keys(self) -> None:
        """`release` and `close` may name nothing, if something was claimed or opened; a null mood is none."""
        conversation = bound()
        read(b'{"type":"claim","nameplate":"7"}', conversation)
        self.assertEqual(values(read(b'{"type":"release"}', conversation)), {"nameplate": "7"})
        for mood in (b"", b',"mood":null'):
            conversation = ready("add")
            closed = read(b'{"type":"close"%s}' % mood, conversation)
            self.assertEqual(values(closed), {"mailbox": "box", "mood": None})

    def test_wrong_types(self) -> None:
        """A field that must be a string is refused by its name when it is anything else."""
        for name, fields in FULL.items():
            for key in set(fields) - {"ping", "client_version", "nameplate"}:
                for wrong in WRONG_TYPES:
                    if (key, wrong) == ("mood", None):
                        continue
                    taken = say(type=name, **{**fields, key: wrong})
                    self.assertEqual(
                        refused(taken), (ErrorKind.WRONG_VALUE, f"'{key}' must be a string")
                    )

    def test_nameplates(self) -> None:
        """A nameplate that is not 1 to 40 digits is refused in `claim` and in `release`."""
        for name in ["", "7\n", "٧", "x", 7, *WRONG_TYPES]:
            for kind in ("claim", "release"):
                self.assertEqual(
                    refused(say(type=kind, nameplate=name)),
                    (ErrorKind.WRONG_VALUE, "'nameplate' must be a string of 1 to 40 digits"),
                )

    def test_null_characters(self) -> None:
        """No string that is stored may hold a null character, which PostgreSQL cannot store."""
        for name, fields in FULL.items():
            for key in set(fields) - {"ping", "client_version", "nameplate"}:
                taken = say(type=name, **{**fields, key: "a\0b"})
                self.assertEqual(
                    refused(taken),
                    (ErrorKind.WRONG_VALUE, f"'{key}' must not contain a null character"),
                )

    def test_lengths(self) -> None:
        """Every string has a bound in bytes, which it may reach and not pass."""
        bounds = {"appid": 1024, "mailbox": 1024, "side": 256, "phase": 256, "mood": 256}
        for name, fields in FULL.items():
            for key in set(fields) & set(bounds):
                bound_bytes = bounds[key]
                for longest in ("x" * bound_bytes, "é" * (bound_bytes // 2)):
                    kept = say(type=name, **{**fields, key: longest})
                    self.assertNotIsInstance(kept, Refusal)
                    over = say(type=name, **{**fields, key: longest + "x"})
                    self.assertEqual(
                        refused(over),
                        (ErrorKind.WRONG_VALUE, f"'{key}' must have at most {bound_bytes} bytes"),
                    )
        over = say(type="submit-permissions", method="x" * 257)
        self.assertEqual(
            refused(over), (ErrorKind.WRONG_VALUE, "'method' must have at most 256 bytes")
        )

    def test_body_may_be_long(self) -> None:
        """A body may be as long as a message, and anything but hex, too."""
        body = "é" * 100_000
        self.assertEqual(values(say(type="add", phase="0", body=body))["body"], body)

    def test_ids(self) -> None:
        """The `id` of an add is stored as it came; one of more than 256 bytes is refused."""
        for text in (b'"abc"', b"1.50", b'{"a": [null ]}', b'"%s"' % (b"x" * 254)):
            taken = take(b'{"type":"add","phase":"0","body":"","id":%s}' % text, "add")
            self.assertEqual(values(taken)["message_id"].encode(), text)
        over = say(type="add", id="x" * 255, **FULL["add"])
        self.assertEqual(refused(over), (ErrorKind.WRONG_VALUE, "'id' must have at most 256 bytes"))

    def test_pong_is_the_very_json(self) -> None:
        """A ping's value comes back to the letter, large numbers and all."""
        for text in ("1e999", "9" * 4000, '"x"', "[1,2.50]", "{}", "false", "null", '""'):
            taken = take(b'{"type":"ping","ping":%s}' % text.encode(), "ping")
            if isinstance(taken, Refusal):
                raise AssertionError(taken)
            said = taken.reply(None, 2.0)
            self.assertEqual(said, b'{"type":"pong","pong":%s,"server_tx":2.0}' % text.encode())

    def test_missing_keys(self) -> None:
        """A missing key is told in the words that clients know."""
        for name, missing, kind, text in (
            ("bind", "appid", ErrorKind.BIND_WITHOUT_APPID, "bind requires 'appid'"),
            ("bind", "side", ErrorKind.BIND_WITHOUT_SIDE, "bind requires 'side'"),
            ("claim", "nameplate", ErrorKind.CLAIM_WITHOUT_NAMEPLATE, "claim requires 'nameplate'"),
            ("open", "mailbox", ErrorKind.OPEN_WITHOUT_MAILBOX, "open requires 'mailbox'"),
            ("add", "phase", ErrorKind.ADD_WITHOUT_PHASE, "missing 'phase'"),
            ("add", "body", ErrorKind.ADD_WITHOUT_BODY, "missing 'body'"),
            ("ping", "ping", ErrorKind.PING_WITHOUT_PING, "ping requires 'ping'"),
        ):
            fields = {key: value for key, value in FULL[name].items() if key != missing}
            self.assertEqual(refused(say(type=name, **fields)), (kind, text))
        self.assertEqual(
            refused(say(type="submit-permissions")),
            (ErrorKind.WRONG_VALUE, "submit-permissions requires 'method'"),
        )

    def test_huge_numbers(self) -> None:
        """Numbers beyond all bounds are refused where they are looked at, and nothing breaks."""
        for number in ("1e999", "-1e999", "9" * 5000, "-" + "9" * 5000, "1" + "0" * 400 + ".5"):
            for name, fields in FULL.items():
                for key in set(fields) - {"ping"}:
                    plain = json.dumps({"type": name, "id": 1, **fields, key: "@"})
                    taken = take(plain.replace('"@"', number).encode(), name)
                    if key == "client_version" and not isinstance(taken, Refusal):
                        continue
                    self.assertIn(refused(taken)[0], (ErrorKind.MALFORMED, ErrorKind.WRONG_VALUE))


class ExchangeRules(StoreCase):
    """All commands of an exchange."""

    __test__ = False

    def test_few_statements(self) -> None:
        """An exchange of two clients takes 36 statements, and 2 that are put off, to go with others."""
        counted: list[str] = []
        context = make_context()

        def do(said: Command[Any]) -> Any:
            return self.store.run(
                lambda tx: said.perform(CountingTransaction(tx, counted), context)
            )

        claimed = do(command("allocate"))
        plate, box = claimed.nameplate, claimed.mailbox
        for side in ("a", "b"):
            do(command("claim", side=side, nameplate=plate))
            do(command("open", side=side, mailbox=box))
            for phase in ("pake", "version", "0", "1", "2"):
                do(command("add", side=side, mailbox=box, phase=phase, body="00"))
        for side in ("a", "b"):
            do(command("release", side=side, nameplate=plate))
        for side in ("a", "b"):
            do(command("close", side=side, mailbox=box, mood="happy"))
        self.assertEqual(counted.count("later"), 2)
        self.assertLessEqual(len(counted) - 2, 36)


class ExchangeOnSqlite(OnSqlite, ExchangeRules):
    """An exchange on SQLite."""


class ExchangeOnPostgres(OnPostgres, ExchangeRules):
    """An exchange on PostgreSQL."""


@pytest.mark.processes
class SeveralConnectionsTests(SynchronousTestCase):
    """Two instances of two lanes each."""

    def setUp(self) -> None:
        """Bring them up on one database."""
        url = new_postgres_url()
        self.addCleanup(drop_postgres, url)
        engine = open_engine(url)
        metadata.create_all(engine)
        self.reactor = Reactor()
        self.observer = Recorder()
        self.ledgers = [Ledger(make_scheduler(self.reactor)) for _ in range(2)]
        self.contexts = [make_context() for _ in self.ledgers]
        for ledger in self.ledgers:
            ledger.open(open_test_runners(self.reactor, engine, self.observer))
            self.addCleanup(lambda ledger=ledger: self.reactor.result(ledger.close()))  # type: ignore[misc]

    def send(self, said: Command[Any], place: int) -> Deferred[Any]:
        """Let one of the four lanes carry a command out."""
        operation = partial(said.perform, context=self.contexts[place % 2])
        return self.ledgers[place % 2].submit(operation, lane=place // 2, keys=said.keys)

    def results(self, sent: list[Deferred[Any]]) -> list[Any]:
        """Of all; none may fail."""
        told: list[tuple[bool, Any]] = self.reactor.result(DeferredList(sent, consumeErrors=True))
        for good, result in told:
            if not good:
                result.raiseException()
        return [result for _, result in told]

    def test_messages_have_one_order(self) -> None:
        """However many add at once, the messages of a mailbox are numbered without gap or repetition."""
        opened = [self.send(command("open", side=side, mailbox="box"), 0) for side in "ab"]
        self.results(opened)
        sent = []
        for number in range(100):
            add = command("add", side="ab"[number % 2], mailbox="box", phase=str(number), body="")
            sent.append(self.send(add, number % 4))
            if number % 8 == 7:
                self.reactor.advance(0)
        results = self.results(sent)
        numbers = [result.number for result in results]
        self.assertEqual(sorted(numbers), list(range(1, 101)))
        # Those of one lane keep their order.
        for place in range(4):
            self.assertEqual(numbers[place::4], sorted(numbers[place::4]))
        (page,) = self.results([self.send(command("open", mailbox="box"), 1)])
        stored = {message.number: message.phase for message in page.messages}
        self.assertEqual(stored, {number: str(n) for n, number in enumerate(numbers)})

    def test_repeated_before_the_close(self) -> None:
        """A message that is repeated right before the close of its mailbox gets its echo."""
        add = partial(command, "add", mailbox="box", phase="0", body="00")
        self.results([self.send(command("open", mailbox="box"), 0), self.send(add(), 0)])
        repeated, _ = self.results(
            [self.send(add(), 0), self.send(command("close", mailbox="box", mood="happy"), 0)]
        )
        self.assertEqual(repeated.number, 1)
        self.assertIsInstance(repeated, StoredMessage)
        self.assertEqual(self.observer.counts["batch_failed"], 0)

    def test_allocated_once(self) -> None:
        """No two who allocate at the same time are given the same nameplate, and none is told of a fault."""
        sent = [
            self.send(command("allocate", side=f"side {number}"), number % 4)
            for number in range(120)
        ]
        claimed = self.results(sent)
        self.assertEqual(len({result.nameplate for result in claimed}), 120)
        self.assertEqual(len({result.mailbox for result in claimed}), 120)
        self.assertEqual(self.observer.counts["batch_failed"], 0)

    def test_same_nameplate_at_once(self) -> None:
        """Of four sides that claim one nameplate at once two get it, the same, and two are crowded."""
        for number in range(20):
            claims = [
                self.send(command("claim", side=side, nameplate=str(number)), place)
                for place, side in enumerate("abcd")
            ]
            told: list[tuple[bool, Any]] = self.reactor.result(
                DeferredList(claims, consumeErrors=True)
            )
            boxes = [result.mailbox for good, result in told if good]
            refused = [failure.value for good, failure in told if not good]
            self.assertEqual((len(boxes), len(set(boxes))), (2, 1))
            for refusal in refused:
                self.assertIsInstance(refusal, Refusal)
                self.assertIs(refusal.kind, ErrorKind.CROWDED)
        self.assertEqual(self.observer.counts["batch_failed"], 0)

    def test_exchanges_at_once(self) -> None:
        """Many exchanges at once, their sides on different instances, all come to their end."""
        exchanges = range(30)
        claims: list[Deferred[Any]] = []
        for side, shift in (("a", 0), ("b", 1)):
            claims += [
                self.send(command("claim", side=side, nameplate=str(n)), n + shift)
                for n in exchanges
            ]
        boxes = [claimed.mailbox for claimed in self.results(claims)]
        sent = []
        for side, shift in (("a", 0), ("b", 1)):
            for number, mailbox in zip(exchanges, boxes[:30], strict=True):
                steps = [
                    command("open", side=side, mailbox=mailbox),
                    command("add", side=side, mailbox=mailbox, phase="0", body=""),
                    command("release", side=side, nameplate=str(number)),
                    command("close", side=side, mailbox=mailbox, mood="happy"),
                ]
                for step in steps:
                    sent.append(self.send(step, (number + shift) % 4))
                    self.reactor.advance(0)
        self.results(sent)
        (left,) = self.results([self.send(command("list"), 0)])
        self.assertEqual(left, [])
        self.assertEqual(self.observer.counts["batch_failed"], 0)


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)
_fields = sorted({key for fields in FULL.values() for key in fields} | {"id", "type"})
_objects = st.dictionaries(st.sampled_from(_fields) | st.text(), _json, max_size=8)
_typed = st.builds(
    lambda name, fields: {**fields, "type": name}, st.sampled_from(sorted(FULL)), _objects
)


@st.composite
def _broken(draw: st.DrawFn) -> bytes:
    """A message with some of its bytes changed, doubled or missing."""
    payload = bytearray(
        json.dumps(draw(_typed), ensure_ascii=draw(st.booleans())).encode("utf-8", "replace")
    )
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(payload)))
        payload[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(payload)


_long = st.builds(
    lambda fields, key, filler, times: json.dumps({**fields, key: filler * times}).encode(
        "utf-8", "replace"
    ),
    _typed,
    st.sampled_from(_fields) | st.text(max_size=400),
    st.text(min_size=1, max_size=20),
    st.integers(1, 3000),
)
_many_keys = st.builds(
    lambda letter, width, count: json.dumps(
        {letter * width + str(n): letter * width for n in range(count)}, ensure_ascii=False
    ).encode(),
    st.sampled_from('a\x01"\\é😀\x7f'),
    st.integers(0, 400),
    st.integers(0, 60),
)


class AnyBytesTests(SynchronousTestCase):
    """Whatever comes."""

    @given(st.binary(max_size=300) | _broken() | _long | _many_keys)
    @example(b'{"' + b"\\u0001" * 500 + b'":"' + b"\\u0001" * 5000 + b'"}')
    @example(b"\x01" * 5000)
    @example(b"\xff" * 300_000)
    @example(b'{"a":' + b"9" * 4300 + b"}")
    def test_anything_is_answered(self, payload: bytes) -> None:
        """Any bytes are understood or refused, and the error is JSON that every client can read."""
        envelope = parse(payload)
        taken = take(payload, envelope.type)
        text = taken.text if isinstance(taken, Refusal) else "x"
        self.assertLess(len(text), 1000)
        said = replies.error(text, payload, 1e9)
        self.assertLess(len(said), GO_CLIENT_BYTES)
        self.assertEqual(set(json.loads(said)), {"type", "error", "orig", "server_tx"})
        acknowledged = json.loads(replies.ack(envelope.id, 1e9))
        self.assertEqual(set(acknowledged), {"type", "id", "server_tx"})

    @given(_broken() | _typed.map(lambda fields: json.dumps(fields).encode()))
    def test_what_is_stored_can_be_stored(self, payload: bytes) -> None:
        """A command that was understood holds no text that a database or a frame cannot take."""
        taken = take(payload, parse(payload).type)
        if isinstance(taken, Refusal):
            return
        conversation = taken.conversation
        texts = [conversation.app, conversation.side]
        texts += [value for value in values(taken).values() if isinstance(value, str)]
        for text in texts:
            self.assertNotIn("\0", text)
            text.encode()


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
        conversation, listener = Conversation(), RecordingListener()
        granted: list[CommandKind] = []
        for fields, is_refused in steps:
            try:
                said = read(json.dumps(fields).encode(), conversation)
            except Refusal:
                continue
            if said.at_once:
                continue
            self.assertEqual((conversation.app, conversation.side), ("app", "side"))
            if is_refused:
                said.undo(listener)
            else:
                granted.append(said.kind)
        for once in (
            CommandKind.ALLOCATE,
            CommandKind.CLAIM,
            CommandKind.RELEASE,
            CommandKind.CLOSE,
        ):
            self.assertLessEqual(granted.count(once), 1)
