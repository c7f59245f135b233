"""Nuisances on /v1: frames, commands, mailboxes and nameplates."""

import itertools
import os
import random

from bench.abuse.nuisance import (
    Action,
    Nuisance,
    Steps,
    commands,
    in_pieces,
    once,
    repeated,
    upgrade,
)
from bench.rendezvous.exchange import bind, new_side
from bench.rendezvous.wire import NO_MASK, text_frame
from wormhole_websocket.frames import Opcode, client_frame

_LARGE_BODY = "5a" * (255 * 512)
_LONG_MAILBOX = 10_000
_SHARED_BY = 8  # as many may listen to a mailbox for one side

_BEGUN = client_frame(Opcode.TEXT, b"x", NO_MASK, final=False)
_PING = text_frame(b'{"type":"ping","ping":1}')
_DEEP = text_frame(b'{"type":"ping","ping":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
_ECHOED = text_frame(b'{"type":"nonsense","text":"%s"}' % (b"x" * 100_000))
_CLOSE = client_frame(Opcode.CLOSE, b"", NO_MASK)
_RESERVED = b"\x83\x80" + NO_MASK
_DEFLATE = b", ".join([b"permessage-deflate; client_max_window_bits=8; x=y"] * 200)


def _fragment(payload: bytes) -> bytes:
    return client_frame(Opcode.CONTINUATION, payload, NO_MASK, final=False)


def _open(mailbox: str, side: str) -> bytes:
    return bind(side) + commands(f'{{"type":"open","mailbox":"nuisance-{os.getpid()}-{mailbox}"}}')


def _add(phase: int, body: str = "5a") -> str:
    return f'{{"type":"add","phase":"{phase}","body":"{body}"}}'


def _large_adds(number: int) -> Steps:
    yield _open(str(number), new_side())
    for phase in itertools.count():
        yield commands(_add(phase, _LARGE_BODY))


def _small_adds(number: int) -> Steps:
    yield _open(str(number), new_side())
    for phase in itertools.count(step=100):
        yield commands(*(_add(phase + i) for i in range(100)))


def _pair(number: int) -> Steps:
    side = new_side()
    yield _open(str(number // 2), side)
    for phase in itertools.count():
        yield commands(_add(phase, "5a" * 100))
        yield Action.WAIT


def _deaf_pair(number: int) -> Steps:
    """One fills a mailbox to which the other listens without reading."""
    yield _open(str(number // 2), new_side())
    if number % 2:
        yield Action.STOP_READING
        yield Action.STAY
    for phase in range(30):
        yield commands(_add(phase, _LARGE_BODY))
    yield Action.STAY


def _long_mailbox(number: int, filled: set[int] = set()) -> Steps:  # noqa: B006 - kept on purpose
    """One fills a mailbox; then all of its side connect and open it again and again."""
    group = number // _SHARED_BY
    yield _open(f"long-{group}", f"{group:010x}")
    if number % _SHARED_BY == 0 and group not in filled:
        filled.add(group)
        for phase in range(0, _LONG_MAILBOX, 100):
            yield commands(*(_add(phase + i) for i in range(100)))
    for _ in range(4):
        yield Action.WAIT


def _claims(first: int, last: int) -> Steps:
    nameplate = random.randint(first, last)
    yield bind(new_side()) + commands(f'{{"type":"claim","nameplate":"{nameplate}"}}')
    yield Action.WAIT
    yield Action.WAIT


def _new_mailboxes(number: int) -> Steps:
    yield _open(f"{number}-{random.getrandbits(64)}", new_side())
    yield Action.WAIT
    yield Action.WAIT


def _allocations(_number: int) -> Steps:
    yield bind(new_side()) + commands('{"type":"allocate"}')
    yield Action.WAIT
    yield Action.WAIT


def _bytes(_number: int) -> Steps:
    while True:
        yield from in_pieces(_PING)


def _lists(_number: int) -> Steps:
    yield bind(new_side())
    while True:
        yield commands('{"type":"list"}') * 100


def _binds(_number: int) -> Steps:
    while True:
        yield bind(new_side()) * 100


NUISANCES = {
    "fragments": Nuisance("one-byte fragments", repeated(_fragment(b"x"), _BEGUN)),
    "empty-fragments": Nuisance("empty fragments", repeated(_fragment(b""), _BEGUN)),
    "websocket-pings": Nuisance(
        "WebSocket pings", repeated(client_frame(Opcode.PING, b"x", NO_MASK))
    ),
    "pongs": Nuisance("WebSocket pongs", repeated(client_frame(Opcode.PONG, b"", NO_MASK))),
    "ping-commands": Nuisance("`ping` commands", repeated(_PING)),
    "bytes": Nuisance("`ping` commands, byte by byte", _bytes),
    "binary": Nuisance(
        "empty binary messages", repeated(client_frame(Opcode.BINARY, b"", NO_MASK))
    ),
    "deep-json": Nuisance("deep JSON", repeated(_DEEP)),
    "echoed-errors": Nuisance("unknown types of 100 KB, which errors repeat", repeated(_ECHOED)),
    "binds": Nuisance("`bind` again and again", _binds),
    "lists": Nuisance("`list` without end", _lists),
    "deaf": Nuisance("`ping` commands, answers not read", repeated(_PING, Action.STOP_READING)),
    "unfinished": Nuisance(
        "unfinished messages",
        once(client_frame(Opcode.TEXT, b"x" * 500_000, NO_MASK)[:400_000], Action.STAY),
    ),
    "large-adds": Nuisance("`add` of 255 KiB", _large_adds),
    "small-adds": Nuisance("`add` of 1 byte", _small_adds),
    "pair": Nuisance("pairs that exchange messages", _pair, prepare_seconds=3.0),
    "deaf-pair": Nuisance("full mailboxes, messages not read", _deaf_pair),
    "long-mailbox": Nuisance(
        "10,000 messages, opened again", _long_mailbox, churns=True, prepare_seconds=15.0
    ),
    "new-mailboxes": Nuisance("`open` of new mailboxes", _new_mailboxes, churns=True),
    "allocations": Nuisance("`allocate` without end", _allocations, churns=True),
    "claims": Nuisance("claims of new nameplates", lambda _: _claims(100, 10**9), churns=True),
    "guesses": Nuisance("guessed nameplates", lambda _: _claims(10, 99), churns=True),
    "handshakes": Nuisance("opening handshake, close", once(), churns=True),
    "closes": Nuisance("close frames", once(_CLOSE, Action.WAIT), churns=True),
    "invalid-frames": Nuisance("invalid frames", once(_RESERVED, Action.WAIT), churns=True),
    "extensions": Nuisance(
        "offers of extensions, 10 KB",
        once(upgrade(b"/v1", b"Sec-WebSocket-Extensions: " + _DEFLATE), Action.WAIT),
        path=None,
        churns=True,
    ),
}
