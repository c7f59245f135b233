"""Tests of `rendezvous.messages`."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from rendezvous import messages
from rendezvous.errors import ErrorKind, Refusal
from rendezvous.messages import CommandKind, Incoming, StoredMessage

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


def parse(**fields: Any) -> Incoming:
    return messages.parse(json.dumps(fields).encode())


def refused(incoming: Incoming) -> tuple[ErrorKind, str]:
    if not isinstance(incoming.command, Refusal):
        raise AssertionError(f"understood as {incoming.command}")
    return incoming.command.kind, incoming.command.text


class UnderstoodTests(SynchronousTestCase):
    """What a client that is in order says."""

    def test_every_type(self) -> None:
        """Each type of message becomes its command, with the values that it came with."""
        expected: dict[str, object] = {
            "submit-permissions": messages.SubmitPermissions("none"),
            "submit-permission": messages.SubmitPermissions("none"),
            "bind": messages.Bind("app", "side", "python", "0.24"),
            "list": messages.List(),
            "allocate": messages.Allocate(),
            "claim": messages.Claim("7"),
            "release": messages.Release("7"),
            "open": messages.Open("box"),
            "add": messages.Add("pake", "00ff"),
            "close": messages.Close("box", "happy"),
        }
        for name, command in expected.items():
            incoming = parse(type=name, **FULL[name])
            self.assertEqual(incoming.command, command)
            self.assertEqual(incoming.kind.value.rstrip("s"), name.rstrip("s"))

    def test_both_spellings_of_permissions_are_one_kind(self) -> None:
        """The Rust client's `submit-permission` counts as `submit-permissions`."""
        for name in ("submit-permission", "submit-permissions"):
            incoming = parse(type=name, method="none")
            self.assertIs(incoming.kind, CommandKind.SUBMIT_PERMISSIONS)

    def test_optional_keys(self) -> None:
        """`release` and `close` may name nothing, and a mood of null is none."""
        self.assertEqual(parse(type="release").command, messages.Release(None))
        self.assertEqual(parse(type="close").command, messages.Close(None, None))
        self.assertEqual(parse(type="close", mood=None).command, messages.Close(None, None))

    def test_unknown_keys_are_ignored(self) -> None:
        """Keys that the protocol does not know change nothing, whatever they hold."""
        for name, fields in FULL.items():
            odd = {"null": None, "": [], "timing": {"a": [1e300]}, "__class__": "x", "\0": 1}
            plain = parse(type=name, **fields)
            decorated = parse(type=name, **fields, **odd)
            if name == "ping":
                self.assertIsInstance(decorated.command, messages.Ping)
            else:
                self.assertEqual(decorated.command, plain.command)

    def test_other_commands_keys_are_not_looked_at(self) -> None:
        """A key that its own command would refuse does no harm in another."""
        for name, fields in FULL.items():
            others = {key: 5 for known in FULL.values() for key in known if key not in fields}
            incoming = parse(type=name, **fields, **others)
            self.assertNotIsInstance(incoming.command, Refusal)

    def test_last_of_equal_keys_counts(self) -> None:
        """Of two equal keys the last one counts, as in the clients' own JSON."""
        incoming = messages.parse(b'{"type":"claim","nameplate":"1","nameplate":"2"}')
        self.assertEqual(incoming.command, messages.Claim("2"))

    def test_binary_and_text_are_the_same(self) -> None:
        """Letters beyond ASCII come through, escaped or not."""
        for payload in (
            '{"type":"open","mailbox":"\u00e9\U0001f600"}'.encode(),
            rb'{"type":"open","mailbox":"\u00e9\ud83d\ude00"}',
        ):
            self.assertEqual(messages.parse(payload).command, messages.Open("é😀"))

    def test_id_comes_back_as_it_came(self) -> None:
        """Whatever JSON the `id` is, the acknowledgement holds the very same."""
        for text in ('"abc"', "1.50", "1e999", '{"a": [null ]}', "null", '"\\u0041"'):
            incoming = messages.parse(b'{"type":"list","id":%s}' % text.encode())
            self.assertIn(f'"id":{text},'.encode(), messages.ack(incoming.id, 1.5))

    def test_no_id(self) -> None:
        """Without an `id` the acknowledgement says null."""
        said = json.loads(messages.ack(parse(type="list").id, 1.5))
        self.assertEqual(said, {"type": "ack", "id": None, "server_tx": 1.5})

    def test_pong_is_the_very_json(self) -> None:
        """A ping's value comes back to the letter, large numbers and all."""
        for text in ("1e999", "9" * 4000, '"x"', "[1,2.50]", "{}", "false", "null", '""'):
            incoming = messages.parse(b'{"type":"ping","ping":%s}' % text.encode())
            self.assertIsInstance(incoming.command, messages.Ping)
            if isinstance(incoming.command, messages.Ping):
                said = messages.pong(incoming.command.value, 2.0)
                self.assertEqual(said, b'{"type":"pong","pong":%s,"server_tx":2.0}' % text.encode())


class NameplateTests(SynchronousTestCase):
    """1 to 40 ASCII digits."""

    def test_in_order(self) -> None:
        """From one digit to forty, leading zeros and all."""
        for name in ("0", "7", "007", "42", "9" * 40):
            self.assertEqual(parse(type="claim", nameplate=name).command, messages.Claim(name))

    def test_refused(self) -> None:
        """Anything else is refused, in `claim` and in `release`."""
        text = "'nameplate' must be a string of 1 to 40 digits"
        wrong = ["", "7\n", "\n7", " 7", "7 ", "٧", "７", "-1", "+1", "1.0", "1e3", "0x7", "9" * 41]
        for name in [*wrong, "7\0", "\0", "seven", "1_000", 7, *WRONG_TYPES]:
            for command in ("claim", "release"):
                self.assertEqual(
                    refused(parse(type=command, nameplate=name)),
                    (ErrorKind.WRONG_VALUE, text),
                    repr(name),
                )


class FieldTests(SynchronousTestCase):
    """Every field of every command."""

    def test_wrong_types(self) -> None:
        """A field that must be a string is refused by its name when it is anything else."""
        for name, fields in FULL.items():
            for key in set(fields) - {"ping", "client_version", "nameplate"}:
                for wrong in WRONG_TYPES:
                    if (key, wrong) == ("mood", None):
                        continue
                    incoming = parse(type=name, **{**fields, key: wrong})
                    self.assertEqual(
                        refused(incoming), (ErrorKind.WRONG_VALUE, f"'{key}' must be a string")
                    )

    def test_null_characters(self) -> None:
        """No string that is stored may hold a null character, which PostgreSQL cannot store."""
        for name, fields in FULL.items():
            for key in set(fields) - {"ping", "client_version", "nameplate"}:
                incoming = parse(type=name, **{**fields, key: "a\0b"})
                self.assertEqual(
                    refused(incoming),
                    (ErrorKind.WRONG_VALUE, f"'{key}' must not contain a null character"),
                )

    def test_lone_surrogates(self) -> None:
        """Half a letter is refused wherever it stands: nothing could store it or say it again."""
        for name, fields in FULL.items():
            for key in [*fields, "id", "unknown"]:
                for half in (r"\ud800", r"\udfff", r"\ud800x"):
                    plain = json.dumps({"type": name, **fields, key: "@"}).encode()
                    incoming = messages.parse(plain.replace(b"@", half.encode()))
                    self.assertIs(refused(incoming)[0], ErrorKind.MALFORMED)

    def test_lengths(self) -> None:
        """Every string has a bound in bytes, which it may reach and not pass."""
        bounds = {"appid": 1024, "mailbox": 1024, "side": 256, "phase": 256, "mood": 256}
        for name, fields in FULL.items():
            for key in set(fields) & set(bounds):
                bound = bounds[key]
                for longest in ("x" * bound, "é" * (bound // 2)):
                    kept = parse(type=name, **{**fields, key: longest})
                    self.assertNotIsInstance(kept.command, Refusal)
                    over = parse(type=name, **{**fields, key: longest + "x"})
                    self.assertEqual(
                        refused(over),
                        (ErrorKind.WRONG_VALUE, f"'{key}' must have at most {bound} bytes"),
                    )

    def test_body_may_be_long(self) -> None:
        """A body may be as long as a message, and anything but hex, too."""
        body = "é" * 100_000
        self.assertEqual(parse(type="add", phase="0", body=body).command, messages.Add("0", body))

    def test_long_ids(self) -> None:
        """An `id` of 256 bytes is stored; a longer one is refused, and a huge one is not repeated."""
        add = FULL["add"]
        kept = parse(type="add", id="x" * 254, **add)
        self.assertNotIsInstance(kept.command, Refusal)
        over = parse(type="add", id="x" * 255, **add)
        self.assertEqual(refused(over), (ErrorKind.WRONG_VALUE, "'id' must have at most 256 bytes"))
        huge = parse(type="add", id="x" * 100_000, **add)
        self.assertEqual(json.loads(messages.ack(huge.id, 1.0))["id"], None)

    def test_client_version_is_a_statistic(self) -> None:
        """A client version of any form is taken; only two strings count, and they are cut short."""
        for odd in [*WRONG_TYPES, "python", ["a", 1], [None, "b"]]:
            incoming = parse(type="bind", appid="a", side="s", client_version=odd)
            self.assertEqual(incoming.command, messages.Bind("a", "s", None, None))
        long = parse(type="bind", appid="a", side="s", client_version=["\0x" * 200, "1", "more"])
        self.assertEqual(long.command, messages.Bind("a", "s", "x" * 100, "1"))

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
            self.assertEqual(refused(parse(type=name, **fields)), (kind, text))
        self.assertEqual(
            refused(parse(type="submit-permissions")),
            (ErrorKind.WRONG_VALUE, "submit-permissions requires 'method'"),
        )


class NotUnderstoodTests(SynchronousTestCase):
    """What is no message."""

    def test_no_type(self) -> None:
        """An object without a type misses it, whatever else it holds."""
        for fields in ({}, {"null": 1}, {"Type": "list"}, {"id": 1, "appid": "x"}):
            incoming = parse(**fields)
            self.assertEqual(refused(incoming), (ErrorKind.MISSING_TYPE, "missing 'type'"))
            self.assertIs(incoming.kind, CommandKind.UNKNOWN)

    def test_unknown_type(self) -> None:
        """A type that is none of the protocol's, or no string at all, is unknown."""
        odds: list[Any] = ["", "BIND", "bind ", "unknown", "type", "__init__", "null", *WRONG_TYPES]
        for odd in odds:
            incoming = parse(type=odd, id=5)
            self.assertEqual(refused(incoming), (ErrorKind.UNKNOWN_TYPE, "unknown type"))
            self.assertEqual(bytes(incoming.id), b"5")

    def test_not_json(self) -> None:
        """Broken JSON, and what only Python takes for JSON, is told apart from JSON."""
        for text in (
            *("", " ", "{", "}", "{]", "nul", "NaN", "'a'", '{"type":"ping","ping":NaN}'),
            *('{"type":"ping","ping":Infinity}', '{"type":"ping","ping":-Infinity}'),
            *('{"type":"ping","ping":01}', '{"type":"ping","ping":1.}', '{"type":"ping",}'),
            *('{"type":"ping","ping":"\\x"}', '{"type":"ping","ping":"\n"}', '{"a":"\0"}'),
            *('{"type":"ping","ping":1}{}', "\ufeff{}", '{"id":"\0","type":"list"}'),
        ):
            incoming = messages.parse(text.encode())
            self.assertEqual(
                refused(incoming), (ErrorKind.MALFORMED, "a message must be JSON"), repr(text)
            )

    def test_not_an_object(self) -> None:
        """JSON that is no object is told so."""
        for text in (b"null", b"true", b"1", b'"bind"', b"[]", b'[{"type":"list"}]'):
            self.assertEqual(
                refused(messages.parse(text)),
                (ErrorKind.MALFORMED, "a message must be a JSON object"),
            )

    def test_not_utf8(self) -> None:
        """Bytes that are no UTF-8 are refused wherever they stand, in keys that nobody reads, too."""
        for wrong in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80"):
            for payload in (
                wrong,
                b'{"type":"open","mailbox":"%s"}' % wrong,
                b'{"type":"list","unknown":"%s"}' % wrong,
                b'{"type":"ping","ping":"%s"}' % wrong,
                b'{"type":"list","id":"%s"}' % wrong,
            ):
                self.assertEqual(
                    refused(messages.parse(payload)),
                    (ErrorKind.MALFORMED, "a message must be UTF-8"),
                )

    def test_deep_nesting(self) -> None:
        """A message nested so deeply that nobody can read it is refused, wherever the depth is."""
        depth = 100_000
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            for key in ("ping", "id", "unknown", "body", "type"):
                start = f'{{"type":"ping","ping":1,"{key}":'
                for text in (
                    start + opening * depth,
                    start + opening * depth + "1" + closing * depth,
                ):
                    self.assertIs(
                        refused(messages.parse(text.encode()))[0], ErrorKind.MALFORMED, text[:60]
                    )

    def test_huge_numbers(self) -> None:
        """Numbers beyond all bounds are refused where they are looked at, and nothing breaks."""
        for number in ("1e999", "-1e999", "9" * 5000, "-" + "9" * 5000, "1" + "0" * 400 + ".5"):
            for name, fields in FULL.items():
                for key in set(fields) - {"ping"}:
                    plain = json.dumps({"type": name, "id": 1, **fields, key: "@"})
                    incoming = messages.parse(plain.replace('"@"', number).encode())
                    if key == "client_version" and not isinstance(incoming.command, Refusal):
                        continue
                    self.assertIn(
                        refused(incoming)[0], (ErrorKind.MALFORMED, ErrorKind.WRONG_VALUE)
                    )
                    self.assertEqual(bytes(incoming.id), b"1")


class RepliesTests(SynchronousTestCase):
    """What the server says."""

    def test_replies(self) -> None:
        """Every reply has its type, its values and the time at which it leaves."""
        for said, expected in (
            (messages.allocated("7", 1.5), {"type": "allocated", "nameplate": "7"}),
            (messages.claimed("box", 1.5), {"type": "claimed", "mailbox": "box"}),
            (messages.released(1.5), {"type": "released"}),
            (messages.closed(1.5), {"type": "closed"}),
            (
                messages.welcome({"motd": "hello"}, 1.5),
                {"type": "welcome", "welcome": {"motd": "hello"}},
            ),
            (
                messages.nameplates(["1", "22"], 1.5),
                {"type": "nameplates", "nameplates": [{"id": "1"}, {"id": "22"}]},
            ),
        ):
            self.assertEqual(json.loads(said), {**expected, "server_tx": 1.5})

    def test_message(self) -> None:
        """A stored message has its side, phase, body, the client's own id and two times."""
        stored = StoredMessage(3, "side", "0", "ab", '{"a":1}', 10.25)
        self.assertEqual(
            json.loads(messages.message(stored, 11.5)),
            {
                "type": "message",
                "side": "side",
                "phase": "0",
                "body": "ab",
                "id": {"a": 1},
                "server_rx": 10.25,
                "server_tx": 11.5,
            },
        )

    def test_short_orig_is_the_message(self) -> None:
        """A message of ordinary length comes back in the error as it was."""
        payload = b'{"type": "clam", "id": 1.50, "nameplate": ["7"]}'
        said = json.loads(messages.error("unknown type", payload, 1.5))
        self.assertEqual(
            said,
            {
                "type": "error",
                "error": "unknown type",
                "orig": json.loads(payload),
                "server_tx": 1.5,
            },
        )

    def test_long_orig_keeps_its_short_values(self) -> None:
        """Of a long message the short values come back whole and the long ones shortened."""
        payload = json.dumps({"type": "add", "phase": "0", "body": "f" * 100_000}).encode()
        orig = json.loads(messages.error("x", payload, 1.5))["orig"]
        self.assertEqual((orig["type"], orig["phase"]), ("add", "0"))
        self.assertTrue(orig["body"].endswith("…"))
        self.assertLess(len(orig["body"]), 300)

    def test_orig_of_what_is_no_message(self) -> None:
        """What is no object comes back as its beginning, in letters."""
        for payload, orig in (
            (b"", ""),
            (b"\xff{", "\ufffd{"),
            (b"[1]", "[1]"),
            (b"x" * 1000, "x" * 200 + "…"),
        ):
            self.assertEqual(json.loads(messages.error("x", payload, 1.0))["orig"], orig)

    def test_nameplates_stay_readable(self) -> None:
        """However many nameplates there are, every client can read the answer; the first ones are in."""
        for names in (["9" * 40] * 10_000, [str(n) for n in range(10_000)]):
            said = messages.nameplates(names, 1e9)
            self.assertLess(len(said), GO_CLIENT_BYTES)
            self.assertGreater(len(said), GO_CLIENT_BYTES // 2)
            listed = [entry["id"] for entry in json.loads(said)["nameplates"]]
            self.assertEqual(listed, names[: len(listed)])


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
        incoming = messages.parse(payload)
        text = incoming.command.text if isinstance(incoming.command, Refusal) else "x"
        self.assertLess(len(text), 1000)
        said = messages.error(text, payload, 1e9)
        self.assertLess(len(said), GO_CLIENT_BYTES)
        self.assertEqual(set(json.loads(said)), {"type", "error", "orig", "server_tx"})
        acknowledged = json.loads(messages.ack(incoming.id, 1e9))
        self.assertEqual(set(acknowledged), {"type", "id", "server_tx"})

    @given(_broken() | _typed.map(lambda fields: json.dumps(fields).encode()))
    def test_what_is_stored_can_be_stored(self, payload: bytes) -> None:
        """A command that was understood holds no text that a database or a frame cannot take."""
        incoming = messages.parse(payload)
        if isinstance(incoming.command, Refusal):
            return
        texts = [bytes(incoming.id).decode()] if incoming.kind is CommandKind.ADD else []
        for name in ("app", "side", "nameplate", "mailbox", "phase", "body", "mood", "method"):
            value = getattr(incoming.command, name, None)
            if value is not None:
                texts.append(value)
        for text in texts:
            self.assertNotIn("\0", text)
            text.encode()

    @given(_typed)
    def test_like_pythons_json(self, fields: dict[str, Any]) -> None:
        """A message that is JSON to everyone is never called anything else."""
        try:
            text = json.dumps(fields, allow_nan=False)
            text.encode()
            msgspec.json.decode(text)
        except (ValueError, UnicodeEncodeError):
            return
        incoming = messages.parse(text.encode())
        if isinstance(incoming.command, Refusal):
            self.assertNotEqual(incoming.command.text, "a message must be JSON")
