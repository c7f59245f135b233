"""Tests of `wormhole_websocket.frames`: a table of RFC 6455, another implementation, and every cut."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from websockets.frames import Frame
from websockets.frames import Opcode as TheirOpcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from wormhole_websocket.frames import (
    MARGIN,
    MESSAGE_UNITS,
    CloseCode,
    CloseReceived,
    MessageEnded,
    MessageEvent,
    MessageReader,
    MessageReceived,
    Opcode,
    PingReceived,
    PongReceived,
    StreamEvent,
    StreamReader,
    TextBegun,
    TextReceived,
    Violation,
    binary_header,
    client_frame,
    close_frame,
    frame_header,
    ping_frame,
    pong_frame,
    text_frame,
)
from wormhole_websocket.masking import masked_copy

MASK = b"\x37\xfa\x21\x3d"
LIMIT = 1000
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = Opcode
PROTOCOL_ERROR, INVALID_DATA, TOO_BIG = (
    CloseCode.PROTOCOL_ERROR,
    CloseCode.INVALID_DATA,
    CloseCode.MESSAGE_TOO_BIG,
)


def frame(opcode: Opcode, payload: bytes = b"", *, final: bool = True) -> bytes:
    """A client's frame."""
    return client_frame(opcode, payload, MASK, final=final)


def read(wire: bytes, cuts: Sequence[int] = ()) -> list[MessageEvent]:
    """The events of a message reader that reads `wire`, cut at these places."""
    reader = MessageReader(LIMIT)
    return [event for piece in _pieces(wire, cuts) for event in reader.read(piece)]


def take(wire: bytes, cuts: Sequence[int], units: int) -> list[MessageEvent]:
    """The same events, taken in small portions: as long as the reader is ready, and no longer."""
    reader = MessageReader(LIMIT)
    events: list[MessageEvent] = []
    for piece in _pieces(wire, cuts):
        reader.feed(piece)
        while reader.ready:
            some, spent = reader.take(units)
            assert spent or not reader.ready
            events += some
    return events


def read_stream(
    wire: bytes, cuts: Sequence[int] = (), *, texts: bool = False, anew: bool = False
) -> list[StreamEvent | bytes]:
    """
    The events of a stream reader; payload that no other event interrupts is joined.

    :param anew: at each cut before the end, another reader goes on from where the one before stands.
    """
    reader = StreamReader(texts=texts)
    memory = bytearray(MARGIN + len(wire))
    events: list[StreamEvent | bytes] = []
    for piece in _pieces(wire, cuts):
        memory[MARGIN : MARGIN + len(piece)] = piece
        for event in reader.read(memoryview(memory), MARGIN, MARGIN + len(piece)):
            last = events[-1] if events else None
            if (
                isinstance(event, TextReceived)
                and isinstance(last, TextReceived)
                and not last.final
            ):
                events[-1] = TextReceived(last.payload + event.payload, event.final)
            elif not isinstance(event, memoryview):
                events.append(event)
            elif isinstance(last, bytes):
                events[-1] = last + bytes(event)
            else:
                events.append(bytes(event))
        at_end = any(isinstance(event, TextBegun | CloseReceived | Violation) for event in events)
        if anew and not at_end:
            reader = StreamReader(texts=texts, position=reader.position)
    return events


def _pieces(wire: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    places = [0, *sorted(cuts), len(wire)]
    return (wire[start:end] for start, end in itertools.pairwise(places))


def long_header(first: int, code: int, size: int) -> bytes:
    """A client's header with a length of two or eight bytes, fitting or not."""
    return bytes((first, 0x80 | code)) + size.to_bytes(2 if code == 126 else 8, "big") + MASK


# What a client may send, and what follows from it.
GOOD: dict[str, tuple[bytes, list[MessageEvent]]] = {
    "the example of 5.7": (
        bytes.fromhex("8185 37fa213d 7f9f4d5158"),
        [MessageReceived(b"Hello", text=True)],
    ),
    "an empty message": (frame(TEXT), [MessageReceived(b"", text=True)]),
    "binary": (frame(BINARY, b"\xff"), [MessageReceived(b"\xff", text=False)]),
    "not UTF-8": (frame(TEXT, b"\xff"), [MessageReceived(b"\xff", text=True)]),
    "125 bytes": (frame(BINARY, b"x" * 125), [MessageReceived(b"x" * 125, text=False)]),
    "126 bytes": (frame(BINARY, b"x" * 126), [MessageReceived(b"x" * 126, text=False)]),
    "just the limit": (frame(BINARY, b"x" * LIMIT), [MessageReceived(b"x" * LIMIT, text=False)]),
    "fragments": (
        frame(TEXT, b"one ", final=False)
        + frame(CONTINUATION, b"", final=False)
        + frame(CONTINUATION, b"t", final=False)
        + frame(CONTINUATION, b"wo"),
        [MessageReceived(b"one two", text=True)],
    ),
    "fragments up to the limit, twice": (
        (frame(BINARY, b"x" * 600, final=False) + frame(CONTINUATION, b"y" * 400)) * 2,
        [MessageReceived(b"x" * 600 + b"y" * 400, text=False)] * 2,
    ),
    "control frames among fragments": (
        frame(TEXT, b"a", final=False)
        + frame(PING, b"p")
        + frame(PONG)
        + frame(CONTINUATION, b"b")
        + frame(PING),
        [
            PingReceived(b"p"),
            PongReceived(b""),
            MessageReceived(b"ab", text=True),
            PingReceived(b""),
        ],
    ),
    "the longest control frame": (frame(PING, b"x" * 125), [PingReceived(b"x" * 125)]),
    "a close without a code": (frame(CLOSE), [CloseReceived(None, "")]),
    "a close with a code": (frame(CLOSE, b"\x03\xe8"), [CloseReceived(1000, "")]),
    "a close with a reason": (
        frame(CLOSE, b"\x0f\xa0" + "schön".encode()),
        [CloseReceived(4000, "schön")],
    ),
    **{
        f"a close with {code}": (frame(CLOSE, code.to_bytes(2, "big")), [CloseReceived(code, "")])
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1011, 1014, 3000, 4999)
    },
    "a close inside a message, and more": (
        frame(TEXT, b"a", final=False) + frame(CLOSE) + frame(CONTINUATION, b"b"),
        [CloseReceived(None, "")],
    ),
}

# What a client must not send, and what to close the connection with. A whole message stands before it.
BAD: dict[str, tuple[bytes, CloseCode]] = {
    "no mask": (b"\x81\x02{}", PROTOCOL_ERROR),
    "no mask, a long length": (b"\x82\x7e\x01\x00", PROTOCOL_ERROR),
    "the first reserved bit": (b"\xc1\x80" + MASK, PROTOCOL_ERROR),
    "the second reserved bit": (b"\xa1\x80" + MASK, PROTOCOL_ERROR),
    "the third reserved bit": (b"\x91\x80" + MASK, PROTOCOL_ERROR),
    "a reserved bit of a control frame": (b"\xc9\x80" + MASK, PROTOCOL_ERROR),
    "a reserved opcode": (b"\x83\x80" + MASK, PROTOCOL_ERROR),
    "the last reserved opcode": (b"\x87\x80" + MASK, PROTOCOL_ERROR),
    "a reserved control opcode": (b"\x8b\x80" + MASK, PROTOCOL_ERROR),
    "a fragmented ping": (frame(PING, final=False), PROTOCOL_ERROR),
    "a fragmented close": (frame(CLOSE, final=False), PROTOCOL_ERROR),
    "a ping of 126 bytes": (frame(PING, b"x" * 126), PROTOCOL_ERROR),
    "a ping of 2**62 bytes": (long_header(0x89, 127, 1 << 62), PROTOCOL_ERROR),
    "a close of 126 bytes": (frame(CLOSE, b"\x03\xe8" + b"x" * 124), PROTOCOL_ERROR),
    "a continuation of nothing": (frame(CONTINUATION, b"x"), PROTOCOL_ERROR),
    "an unfinished continuation of nothing": (frame(CONTINUATION, final=False), PROTOCOL_ERROR),
    "a message inside a message": (frame(TEXT, final=False) + frame(TEXT), PROTOCOL_ERROR),
    "5 bytes with a length of two": (long_header(0x81, 126, 5) + b"hello", PROTOCOL_ERROR),
    "125 bytes with a length of two": (long_header(0x82, 126, 125), PROTOCOL_ERROR),
    "65535 bytes with a length of eight": (long_header(0x82, 127, 65535), PROTOCOL_ERROR),
    "the highest bit of a length": (long_header(0x82, 127, 1 << 63), PROTOCOL_ERROR),
    "a close with half a code": (frame(CLOSE, b"\x03"), PROTOCOL_ERROR),
    "a close with a reason that is not UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), INVALID_DATA),
    "a close with half a letter": (frame(CLOSE, b"\x03\xe8" + "ö".encode()[:1]), INVALID_DATA),
    "one byte over the limit": (frame(BINARY, b"x" * (LIMIT + 1)), TOO_BIG),
    "2**62 bytes": (long_header(0x82, 127, 1 << 62), TOO_BIG),
    "the longest frame there is": (long_header(0x82, 127, (1 << 63) - 1), TOO_BIG),
    "fragments over the limit": (
        frame(TEXT, b"x" * LIMIT, final=False) + frame(CONTINUATION, b"x"),
        TOO_BIG,
    ),
    **{
        f"a close with {code}": (frame(CLOSE, code.to_bytes(2, "big")), PROTOCOL_ERROR)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
}


class TableTests(SynchronousTestCase):
    """Each rule of RFC 6455, at every cut."""

    def test_good(self) -> None:
        """What a client may send has its events, wherever it is cut in two, and byte by byte."""
        for name, (wire, events) in GOOD.items():
            for cut in range(len(wire) + 1):
                self.assertEqual(read(wire, [cut]), events, (name, cut))
            self.assertEqual(read(wire, range(len(wire))), events, name)

    def test_bad(self) -> None:
        """What it must not send is the last event, with its code, wherever it is cut in two."""
        first = frame(TEXT, b"before")
        for name, (wrong, code) in BAD.items():
            wire = first + wrong + frame(TEXT, b"after")
            for cuts in (*([cut] for cut in range(len(first) + len(wrong) + 1)), range(len(wire))):
                message, violation = read(wire, cuts)
                self.assertEqual(message, MessageReceived(b"before", text=True), name)
                assert isinstance(violation, Violation), (name, violation)
                self.assertEqual(violation.code, code, name)
                self.assertLess(len(violation.reason), 100)

    def test_at_once(self) -> None:
        """A frame is refused as soon as its header says what is wrong, before its payload arrives."""
        for wrong in (
            b"\x89\xfe",
            b"\x81\x7e",
            b"\xc1\x80",
            long_header(0x82, 127, 1 << 40),
            long_header(0x82, 126, 100),
        ):
            self.assertEqual(read(wrong[:-1]), [])
            (violation,) = read(wrong)
            self.assertIsInstance(violation, Violation)

    def test_reasons(self) -> None:
        """A violation says which rule was broken."""
        control = "a control frame is fragmented, longer than 125 bytes or of a reserved type"
        order = "a message begins inside another, or with a continuation"
        for name, reason in (
            ("no mask", "the frame is not masked"),
            ("the first reserved bit", "a reserved bit is set"),
            ("a reserved opcode", "the type of the frame is reserved"),
            ("a reserved control opcode", control),
            ("a ping of 126 bytes", control),
            ("a fragmented ping", control),
            ("a ping of 2**62 bytes", control),
            ("a continuation of nothing", order),
            ("a message inside a message", order),
        ):
            self.assertEqual(read(BAD[name][0]), [Violation(PROTOCOL_ERROR, reason)])
        (violation,) = read(b"\x81\x00")
        self.assertEqual(violation, Violation(PROTOCOL_ERROR, "the frame is not masked"))

    def test_long_lengths(self) -> None:
        """The two longer forms of a length are read from the least to the greatest of each."""
        for size in (126, 65535, 65536, 65537):
            payload = b"x" * size
            for masked, wire in ((True, frame(TEXT, payload)), (False, text_frame(payload))):
                (message,) = MessageReader(1 << 17, masked=masked).read(wire)
                self.assertEqual(message, MessageReceived(payload, text=True))

    def test_server(self) -> None:
        """A server's frames are read by the same rules, but that they must not be masked."""
        reader = MessageReader(LIMIT, masked=False)
        wire = text_frame(b"hello") + ping_frame(b"p") + pong_frame(b"") + close_frame(1001, "bye")
        events = [event for byte in wire for event in reader.read(bytes((byte,)))]
        self.assertEqual(
            events,
            [
                MessageReceived(b"hello", text=True),
                PingReceived(b"p"),
                PongReceived(b""),
                CloseReceived(1001, "bye"),
            ],
        )
        (violation,) = MessageReader(LIMIT, masked=False).read(frame(TEXT, b"x"))
        self.assertEqual(violation, Violation(PROTOCOL_ERROR, "the frame is masked"))


def frames_of_clients() -> st.SearchStrategy[list[tuple[int, bool, bytes, bool]]]:
    """Lists of (opcode, final, payload, masked), mostly in an order that is allowed."""
    payload = st.binary(max_size=200) | st.integers(0, 700).map(lambda size: b"z" * size)
    mostly = st.integers(0, 30).map(bool)
    close = st.builds(
        lambda code, reason: code.to_bytes(2, "big") + reason,
        st.sampled_from((1000, 1001, 1005, 1012, 3000, 4999, 5000)),
        st.sampled_from((b"", b"bye", b"\xff")),
    )
    data = st.tuples(st.sampled_from((0, 0, 1, 2)), st.booleans(), payload, mostly)
    control = st.tuples(st.sampled_from((9, 10)), mostly, st.binary(max_size=125), mostly)
    rare = st.one_of(
        st.tuples(st.just(8), mostly, close | st.binary(max_size=3), mostly),
        st.tuples(st.integers(3, 15), mostly, st.binary(max_size=140), mostly),
    )
    return st.lists(st.one_of(data, data, control, rare), max_size=12)


def in_order(sent: list[tuple[int, bool, bytes, bool]]) -> bytes:
    """The frames as bytes; nearly always a continuation stands where one must, and nowhere else."""
    wire, inside, held = b"", False, 0
    for opcode, final, payload, masked in sent:
        if opcode < 3:
            if len(payload) != 13:  # this rare size leaves a fault in
                opcode = 0 if inside else opcode or 1  # noqa: PLW2901
            held = len(payload) + (held if inside else 0)
            inside = not final
        elif inside and (opcode == CLOSE or held + len(payload) > LIMIT):
            continue  # that library is stricter than section 5.4: it counts them towards the message
        header = frame_header(
            opcode | (0x80 if final else 0), len(payload), MASK if masked else b""
        )
        body = (
            client_frame(BINARY, payload, MASK)[-len(payload) :] if payload and masked else payload
        )
        wire += header + body
    return wire


def theirs(wire: bytes) -> list[MessageEvent]:
    """The events as the `websockets` library sees them; a violation without its reason."""
    protocol = ServerProtocol(state=OPEN, max_size=LIMIT)
    protocol.receive_data(wire)
    events: list[MessageEvent] = []
    gathered, text = b"", False
    for received in protocol.events_received():
        assert isinstance(received, Frame)
        payload = bytes(received.data)
        if received.opcode in {TheirOpcode.TEXT, TheirOpcode.BINARY, TheirOpcode.CONT}:
            gathered += payload
            if received.opcode is not TheirOpcode.CONT:
                text = received.opcode is TheirOpcode.TEXT
            if received.fin:
                events.append(MessageReceived(gathered, text))
                gathered = b""
        elif received.opcode is TheirOpcode.PING:
            events.append(PingReceived(payload))
        elif received.opcode is TheirOpcode.PONG:
            events.append(PongReceived(payload))
        else:
            code = int.from_bytes(payload[:2], "big") if payload else None
            events.append(CloseReceived(code, payload[2:].decode()))
    if protocol.parser_exc is not None:
        assert protocol.close_sent is not None
        events.append(Violation(CloseCode(protocol.close_sent.code), ""))
    return events


class PropertyTests(SynchronousTestCase):
    """Against another implementation, in any pieces."""

    @settings(max_examples=400)
    @given(frames_of_clients(), st.lists(st.integers(0, 3000), max_size=12))
    def test_websockets(self, sent: list[tuple[int, bool, bytes, bool]], cuts: list[int]) -> None:
        """The `websockets` library sees the same messages, the same end and the same close code."""
        wire = in_order(sent)
        ours = [
            Violation(event.code, "") if isinstance(event, Violation) else event
            for event in read(wire, [min(cut, len(wire)) for cut in cuts])
        ]
        self.assertEqual(ours, theirs(wire))

    @given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=20))
    def test_any_bytes(self, wire: bytes, cuts: list[int]) -> None:
        """Whatever the bytes, the pieces that they arrive in have no influence."""
        cuts = [min(cut, len(wire)) for cut in cuts]
        self.assertEqual(read(wire, cuts), read(wire))
        for texts in (False, True):
            whole = read_stream(wire, texts=texts)
            self.assertEqual(read_stream(wire, cuts, texts=texts), whole)

    @given(frames_of_clients(), st.lists(st.integers(0, 3000), max_size=12), st.integers(1, 20))
    def test_portions(
        self, sent: list[tuple[int, bool, bytes, bool]], cuts: list[int], units: int
    ) -> None:
        """In whatever portions they are taken, the events are the same."""
        wire = in_order(sent)
        self.assertEqual(take(wire, [min(cut, len(wire)) for cut in cuts], units), read(wire))

    @given(frames_of_clients(), st.lists(st.integers(0, 3000), max_size=12))
    def test_stream(self, sent: list[tuple[int, bool, bytes, bool]], cuts: list[int]) -> None:
        """A stream has the payload and the events of the messages, in any pieces."""
        wire = in_order([(2 if frame[0] == 1 else frame[0], *frame[1:]) for frame in sent])
        messages, gathered = [], b""
        for event in read_stream(wire, [min(cut, len(wire)) for cut in cuts]):
            if isinstance(event, bytes):
                gathered += event
            elif isinstance(event, MessageEnded):
                messages.append(gathered)
                gathered = b""
            elif isinstance(event, TextBegun):
                break
        expected = []
        for message in MessageReader(1 << 20).read(wire):
            if isinstance(message, MessageReceived):
                if message.text:
                    break
                expected.append(message.payload)
        self.assertEqual(messages, expected)

    @given(frames_of_clients(), st.lists(st.integers(0, 3000), max_size=12))
    def test_texts(self, sent: list[tuple[int, bool, bytes, bool]], cuts: list[int]) -> None:
        """A stream that takes texts has every message, apart from each other, in any pieces."""
        wire = in_order(sent)
        messages: list[MessageEvent] = []
        gathered, text = b"", b""
        for event in read_stream(wire, [min(cut, len(wire)) for cut in cuts], texts=True):
            if isinstance(event, bytes):
                gathered += event
            elif isinstance(event, TextReceived):
                text += event.payload
                if event.final:
                    messages.append(MessageReceived(text, text=True))
                    text = b""
            elif isinstance(event, MessageEnded):
                messages.append(MessageReceived(gathered, text=False))
                gathered = b""
            else:
                assert not isinstance(event, TextBegun | memoryview)
                messages.append(event)
        self.assertEqual(messages, MessageReader(1 << 20).read(wire))

    @given(frames_of_clients(), st.lists(st.integers(0, 3000), max_size=12), st.booleans())
    def test_position(
        self, sent: list[tuple[int, bool, bytes, bool]], cuts: list[int], texts: bool
    ) -> None:
        """Another reader goes on from anywhere as if it had read all that was before."""
        wire = in_order(sent)
        cuts = [min(cut, len(wire)) for cut in cuts]
        expected = read_stream(wire, cuts, texts=texts)
        self.assertEqual(read_stream(wire, cuts, texts=texts, anew=True), expected)

    @given(frames_of_clients(), st.integers(0, 3000), st.booleans())
    def test_length_before_payload(
        self, sent: list[tuple[int, bool, bytes, bool]], cut: int, texts: bool
    ) -> None:
        """That many bytes bring no payload, and the next one does, unless the peer is at fault."""
        wire = in_order(sent)
        reader = StreamReader(texts=texts)
        events = reader.read_bytes(wire[:cut])
        length = reader.length_before_payload(wire[cut:])
        before = reader.read_bytes(wire[cut:][:length])
        self.assertFalse(any(isinstance(event, memoryview) for event in before))
        at_fault = TextBegun | Violation | CloseReceived
        if length < len(wire[cut:]) and not any(isinstance(e, at_fault) for e in events + before):
            ((payload),) = reader.read_bytes(wire[cut:][length : length + 1])[:1]
            self.assertIsInstance(payload, memoryview)

    def test_length_before_payload_of_long_frames(self) -> None:
        """The length is that of whole headers and whole texts, in all three forms of a length."""
        for size, header in ((125, 6), (126, 8), (65535, 8), (65536, 14)):
            long, short = b"x" * size, frame(BINARY, b"x")
            for wire, length in (
                (frame(BINARY, long), header),
                (frame(TEXT, long) + short, header + size + len(short) - 1),
            ):
                self.assertEqual(StreamReader(texts=True).length_before_payload(wire), length)


class WriteTests(SynchronousTestCase):
    """The functions that write frames."""

    def test_lengths(self) -> None:
        """A length takes the shortest of the three forms, on either side of their bounds."""
        for size, header in (
            (0, b"\x81\x00"),
            (125, b"\x81\x7d"),
            (126, b"\x81\x7e\x00\x7e"),
            (65535, b"\x81\x7e\xff\xff"),
            (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
            (5_000_000, b"\x81\x7f\x00\x00\x00\x00\x00\x4c\x4b\x40"),
        ):
            self.assertEqual(text_frame(b"x" * size), header + b"x" * size)
            self.assertEqual(binary_header(size), b"\x82" + header[1:])

    def test_control_frames(self) -> None:
        """Control frames are final and unmasked, and carry what they are given."""
        self.assertEqual(ping_frame(), b"\x89\x00")
        self.assertEqual(pong_frame(b"x" * 125), b"\x8a\x7d" + b"x" * 125)
        self.assertEqual(close_frame(1001), b"\x88\x02\x03\xe9")
        self.assertEqual(close_frame(1000, "ö"), b"\x88\x04\x03\xe8\xc3\xb6")

    def test_client(self) -> None:
        """A client's frames are masked: the examples of RFC 6455, section 5.7."""
        hello = bytes.fromhex("8185 37fa213d 7f9f4d5158")
        self.assertEqual(frame(TEXT, b"Hello"), hello)
        self.assertEqual(client_frame(TEXT, b"Hello", MASK), hello)
        self.assertEqual(frame(TEXT, b"", final=False), b"\x01\x80" + MASK)

    @given(st.integers(0, 70_000) | st.just(200_000))
    def test_websockets(self, size: int) -> None:
        """The `websockets` library writes the same."""
        theirs = Frame(TheirOpcode.BINARY, bytes(size)).serialize(mask=False)
        self.assertEqual(binary_header(size) + bytes(size), theirs)


class StreamTests(SynchronousTestCase):
    """`StreamReader`: what differs from messages."""

    def test_payload_as_it_arrives(self) -> None:
        """Payload is handed on before its frame is whole, as a view of the caller's memory."""
        reader = StreamReader()
        memory = memoryview(bytearray(MARGIN + 100))
        begun = long_header(0x82, 127, 1 << 40) + masked_copy(b"begin", MASK)
        memory[MARGIN : MARGIN + len(begun)] = begun
        (piece,) = reader.read(memory, MARGIN, MARGIN + len(begun))
        assert isinstance(piece, memoryview)
        self.assertEqual(bytes(piece), b"begin")
        self.assertIs(piece.obj, memory.obj)
        (piece,) = reader.read_bytes(masked_copy(b"begin and on", MASK)[5:])
        assert isinstance(piece, memoryview)
        self.assertEqual(bytes(piece), b" and on")

    def test_message_ends(self) -> None:
        """Each message's end has its place; an empty message is no payload."""
        ended = MessageEnded()
        wire = frame(BINARY) + frame(BINARY, b"a", final=False) + frame(CONTINUATION) + frame(PING)
        self.assertEqual(read_stream(wire), [ended, b"a", ended, PingReceived(b"")])

    def test_text(self) -> None:
        """Of a text message only the beginning is told; a close frame behind it is found."""
        wire = (
            frame(BINARY, b"a")
            + frame(TEXT, b"b", final=False)
            + frame(CONTINUATION, b"c")
            + frame(BINARY, b"d")
            + frame(CLOSE)
        )
        ended = MessageEnded()
        for cut in range(len(wire) + 1):
            self.assertEqual(
                read_stream(wire, [cut]),
                [b"a", ended, TextBegun(), ended, ended, CloseReceived(None, "")],
            )

    def test_held(self) -> None:
        """What is kept between two reads fits into the margin, at every cut."""
        wire = frame(PING, b"x" * 125) + long_header(0x82, 127, 1 << 40)
        for cut in range(len(wire)):
            reader = StreamReader()
            reader.read_bytes(wire[:cut])
            self.assertLess(reader.unfinished_bytes, MARGIN)

    def test_violation(self) -> None:
        """Nothing is read after a violation."""
        reader = StreamReader()
        events = reader.read_bytes(frame(CONTINUATION, b"x") + frame(BINARY, b"y"))
        self.assertEqual([type(event) for event in events], [Violation])
        self.assertEqual(reader.read_bytes(frame(BINARY, b"y") * 1000), [])
        self.assertEqual(reader.unfinished_bytes, 0)


class CostTests(SynchronousTestCase):
    """Memory and time."""

    def test_memory(self) -> None:
        """Empty fragments, refused frames and what follows a close take no memory."""
        reader = MessageReader(1 << 20)
        reader.read(frame(TEXT, b"x", final=False))
        reader.read(frame(CONTINUATION, b"", final=False) * 10_000)
        self.assertEqual(reader.unfinished_bytes, 1)
        for wrong in (frame(CONTINUATION, b"x" * 1000, final=True) * 2, frame(CLOSE)):
            reader = MessageReader(1000)
            reader.read(frame(TEXT, b"x" * 900, final=False))
            reader.read(wrong)
            reader.read(b"x" * 100_000)
            self.assertEqual(reader.unfinished_bytes, 0)

    def test_nothing_held(self) -> None:
        """A reader that holds nothing has no memory of its own for it, whatever it has read."""
        readers = [MessageReader(1000) for _ in range(3)]
        readers[1].read(frame(TEXT, b"ab", final=False) + frame(CONTINUATION, b"c"))
        readers[2].read(frame(TEXT, b"ab", final=False) + frame(TEXT, b"a violation"))
        for reader in readers:
            self.assertIs(reader._unread, reader._gathered)
            self.assertEqual(reader._unread, b"")
            self.assertIs(reader._unread, readers[0]._unread)

    def test_refused_before_it_is_kept(self) -> None:
        """Of a frame over the limit not even the bytes that came with its header are kept."""
        reader = MessageReader(1000)
        reader.read(frame(BINARY, b"x" * 60_000)[:50_000])
        self.assertEqual(reader.unfinished_bytes, 0)

    def test_units(self) -> None:
        """What is taken is bounded by units: by frames, by whole messages and by bytes."""
        for wire, most in (
            (frame(TEXT, b"", final=False) + frame(CONTINUATION, b"x", final=False) * 500, 64),
            (frame(PING, b"x") * 500, 64),
            (frame(TEXT, b"x") * 500, 64 // MESSAGE_UNITS),
            (frame(BINARY, b"x" * 40_000) * 50, 64 // (MESSAGE_UNITS + 9) + 1),
        ):
            reader = MessageReader(1 << 20)
            reader.feed(wire)
            before = reader.unfinished_bytes
            events, spent = reader.take(64)
            self.assertLessEqual(len(events), most)
            self.assertGreaterEqual(spent, 64)
            self.assertLess(spent, 64 + MESSAGE_UNITS + 10)
            self.assertLess(before - reader.unfinished_bytes, len(wire) // 2)
            self.assertTrue(reader.ready)

    def test_linear(self) -> None:
        """Twice as many pieces, and twice as many fragments, cost about twice the time."""

        def seconds(pieces: list[bytes]) -> float:
            best = 10.0
            for _ in range(3):
                reader = MessageReader(1 << 30)
                began = time.process_time()  # processor time of this test only
                for piece in pieces:
                    reader.read(piece)
                best = min(best, time.process_time() - began)
            return best

        whole = frame(BINARY, random.Random(5).randbytes(4_000_000))
        cut = [whole[at : at + 100] for at in range(0, len(whole), 100)]
        self.assertLess(seconds(cut), 5 * seconds(cut[: len(cut) // 2]))
        fragments = [frame(BINARY, b"x" * 50, final=False)]
        fragments += [frame(CONTINUATION, b"x" * 50, final=False)] * 40_000
        self.assertLess(seconds(fragments), 5 * seconds(fragments[:20_000]))
