"""Tests of `rendezvous.protocol.envelope`; the values of each command are tested with `commands.by_type`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.errors import ErrorKind, Refusal
from rendezvous.protocol.envelope import (
    Envelope,
    parse,
    read_body,
    read_nameplate,
    read_text,
    wrong_value,
)

WRONG_TYPES: list[Any] = [None, True, 0, -1, 1.5, [], ["a"], {}, {"a": 1}]


def reason(call: Callable[..., object], *args: Any, **kwargs: Any) -> tuple[ErrorKind, str] | None:
    """Why a call is refused, if it is."""
    try:
        call(*args, **kwargs)
    except Refusal as refusal:
        return refusal.kind, refusal.text
    return None


class KeyTests(SynchronousTestCase):
    """The keys of a message."""

    def test_known_keys(self) -> None:
        """Each key has the value that the message gives it, of whatever type."""
        keys = (
            *("type", "method", "appid", "side", "client_version", "nameplate", "mailbox"),
            *("phase", "body", "mood"),
        )
        for value in ("x", *WRONG_TYPES):
            for key in keys:
                envelope = parse(json.dumps({key: value}).encode())
                for other in keys:
                    self.assertEqual(getattr(envelope, other), value if other == key else UNSET)

    def test_undecoded(self) -> None:
        """`id` and `ping` are the JSON that came, whatever it is."""
        for text in ('"abc"', "1.50", "1e999", '{"a": [null ]}', "null", '"\\u0041"', "9" * 4000):
            envelope = parse(b'{"id":%s,"ping":%s}' % (text.encode(), text.encode()))
            self.assertEqual(bytes(envelope.id), text.encode())
            self.assertEqual(bytes(envelope.ping), text.encode())

    def test_absent(self) -> None:
        """Without an `id` there is null to acknowledge; without a `ping` there is nothing."""
        envelope = parse(b"{}")
        self.assertEqual((bytes(envelope.id), bytes(envelope.ping)), (b"null", b""))

    def test_last_of_equal_keys_counts(self) -> None:
        """Of two equal keys the last one counts, as in the clients' own JSON."""
        self.assertEqual(parse(b'{"type":"claim","nameplate":"1","nameplate":"2"}').nameplate, "2")

    def test_letters(self) -> None:
        """Letters beyond ASCII come through, escaped or not."""
        for payload in (
            '{"mailbox":"\u00e9\U0001f600"}'.encode(),
            rb'{"mailbox":"\u00e9\ud83d\ude00"}',
        ):
            self.assertEqual(parse(payload).mailbox, "é😀")

    def test_no_type(self) -> None:
        """An object without a type lacks it, whatever else it holds; one with any type does not."""
        for fields in ({}, {"null": 1}, {"Type": "list"}, {"id": 1, "appid": "x"}, {"why": "x"}):
            envelope = parse(json.dumps(fields).encode())
            self.assertEqual(
                reason(envelope.check), (ErrorKind.MISSING_TYPE, "missing 'type'"), fields
            )
        for kind in ("list", "", 5, None):
            self.assertIsNone(reason(parse(json.dumps({"type": kind}).encode()).check))


class MalformedTests(SynchronousTestCase):
    """What is no message."""

    def malformed(self, payload: bytes) -> str:
        """Why it is none."""
        envelope = parse(payload)
        self.assertIs(envelope.type, UNSET)
        found = reason(envelope.check)
        if found is None or found[0] is not ErrorKind.MALFORMED:
            raise AssertionError(payload[:60])
        return found[1]

    def test_not_json(self) -> None:
        """Broken JSON, and what only Python takes for JSON, is told apart from JSON."""
        for text in (
            *("", " ", "{", "}", "{]", "nul", "NaN", "'a'", '{"type":"ping","ping":NaN}'),
            *('{"type":"ping","ping":Infinity}', '{"type":"ping","ping":-Infinity}'),
            *('{"type":"ping","ping":01}', '{"type":"ping","ping":1.}', '{"type":"ping",}'),
            *('{"type":"ping","ping":"\\x"}', '{"type":"ping","ping":"\n"}', '{"a":"\0"}'),
            *('{"type":"ping","ping":1}{}', "\ufeff{}", '{"id":"\0","type":"list"}'),
        ):
            self.assertEqual(self.malformed(text.encode()), "a message must be JSON", repr(text))

    def test_not_an_object(self) -> None:
        """JSON that is no object is told so."""
        for text in (b"null", b"true", b"1", b'"bind"', b"[]", b'[{"type":"list"}]'):
            self.assertEqual(self.malformed(text), "a message must be a JSON object")

    def test_not_utf8(self) -> None:
        """Bytes that are no UTF-8 are refused wherever they stand, even in keys that nobody reads."""
        for wrong in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80"):
            for payload in (
                wrong,
                b'{"type":"open","mailbox":"%s"}' % wrong,
                b'{"type":"list","unknown":"%s"}' % wrong,
                b'{"type":"ping","ping":"%s"}' % wrong,
                b'{"type":"list","id":"%s"}' % wrong,
            ):
                self.assertEqual(self.malformed(payload), "a message must be UTF-8")

    def test_deep_nesting(self) -> None:
        """A message nested so deeply that nobody can read it is refused, wherever the depth is."""
        depth = 100_000
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            for key in ("ping", "id", "unknown", "body", "type"):
                start = f'{{"type":"ping","ping":1,"{key}":'
                for text in (
                    start + opening * depth,
                    start + opening * depth + "1" + closing * depth,
                    f'{{"appid":1e999,"{key}":' + opening * depth,
                ):
                    self.assertEqual(
                        self.malformed(text.encode()), "a message must not be nested so deeply"
                    )

    def test_huge_numbers(self) -> None:
        """A number that is out of range is refused where it is decoded, and its message acknowledged."""
        for number in ("1e999", "-1e999", "1" + "0" * 400 + ".5"):
            for key in ("type", "appid", "body", "mood"):
                payload = f'{{"id":1,"{key}":{number}}}'.encode()
                self.assertTrue(
                    self.malformed(payload).startswith("a message must hold ordinary values: ")
                )
                self.assertEqual(bytes(parse(payload).id), b"1")

    def test_lone_surrogates(self) -> None:
        """Half a letter is refused wherever it stands: nothing could store it or send it."""
        for key in ("type", "id", "ping", "body", "unknown"):
            for half in (r"\ud800", r"\udfff", r"\ud800x"):
                self.malformed(f'{{"{key}":"{half}"}}'.encode())

    def test_ids_of_malformed_messages(self) -> None:
        """A message that cannot be decoded has no `id` to acknowledge."""
        for payload in (b"\xff", b"[1]", b'{"id":1,"type":"x"', b'{"id":1,"a":' + b"[" * 100_000):
            self.assertEqual(bytes(parse(payload).id), b"null")


class TextTests(SynchronousTestCase):
    """The checks of values."""

    def test_text(self) -> None:
        """A string is taken as it is, up to its greatest length in bytes."""
        for text in ("", "x", "é😀", "x" * 10, "é" * 5, "'\"\\\n"):
            self.assertEqual(read_text("side", text, at_most=10), text)
        for text in ("x" * 11, "é" * 5 + "x", "é" * 6, "😀😀😀"):
            self.assertEqual(
                reason(read_text, "side", text, at_most=10),
                (ErrorKind.WRONG_VALUE, "'side' must have at most 10 bytes"),
            )

    def test_no_text(self) -> None:
        """What is no string, or holds a null character, is refused by its name."""
        for wrong in WRONG_TYPES:
            self.assertEqual(
                reason(read_text, "side", wrong, at_most=10),
                (ErrorKind.WRONG_VALUE, "'side' must be a string"),
            )
            self.assertEqual(
                reason(read_body, wrong), (ErrorKind.WRONG_VALUE, "'body' must be a string")
            )
        for wrong in ("\0", "a\0b", "é\0"):
            self.assertEqual(
                reason(read_text, "side", wrong, at_most=10),
                (ErrorKind.WRONG_VALUE, "'side' must not contain a null character"),
            )
            self.assertEqual(
                reason(read_body, wrong),
                (ErrorKind.WRONG_VALUE, "'body' must not contain a null character"),
            )

    def test_body(self) -> None:
        """A body may be of any length, and anything but hex, too."""
        for body in ("", "00ff", "é" * 100_000):
            self.assertEqual(read_body(body), body)

    def test_nameplate(self) -> None:
        """A nameplate is 1 to 40 ASCII digits, leading zeros and all."""
        for name in ("0", "7", "007", "42", "9" * 40):
            self.assertEqual(read_nameplate(name), name)
        text = "'nameplate' must be a string of 1 to 40 digits"
        wrong = ["", "7\n", "\n7", " 7", "7 ", "٧", "７", "-1", "+1", "1.0", "1e3", "0x7", "9" * 41]
        for name in [*wrong, "7\0", "\0", "seven", "1_000", 7, *WRONG_TYPES]:
            self.assertEqual(
                reason(read_nameplate, name), (ErrorKind.WRONG_VALUE, text), repr(name)
            )

    def test_wrong_value(self) -> None:
        """A wrong value is refused with a text of its own."""
        refusal = wrong_value("exactly this")
        self.assertEqual((refusal.kind, refusal.text), (ErrorKind.WRONG_VALUE, "exactly this"))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


class AnyBytesTests(SynchronousTestCase):
    """Whatever comes."""

    @given(st.binary(max_size=300) | _json.map(lambda value: json.dumps(value).encode()))
    def test_never_raises(self, payload: bytes) -> None:
        """Any bytes become an envelope, which is a message or says why it is none."""
        envelope = parse(payload)
        found = reason(envelope.check)
        if found is not None:
            self.assertIn(found[0], (ErrorKind.MALFORMED, ErrorKind.MISSING_TYPE))
            self.assertLess(len(found[1]), 1000)

    @given(_json)
    def test_like_pythons_json(self, value: object) -> None:
        """What is JSON to everyone is never called anything else."""
        try:
            text = json.dumps(value, allow_nan=False)
            text.encode()
            msgspec.json.decode(text)
        except (ValueError, UnicodeEncodeError):
            return
        found = reason(parse(text.encode()).check)
        self.assertNotEqual(found, (ErrorKind.MALFORMED, "a message must be JSON"))

    def test_plain(self) -> None:
        """An envelope that was not parsed has no values."""
        envelope = Envelope()
        self.assertTrue(all(getattr(envelope, key) is UNSET for key in ("type", "appid", "body")))
