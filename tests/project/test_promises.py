"""
What the documents say of tests, errors, limits and metrics is so.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from rendezvous.errors import ErrorKind
from rendezvous.ledger.ledger import Ledger
from rendezvous.protocol import envelope, replies
from tests.project.markdown import FILES, ROOT, spans, text_of
from tests.rendezvous.servers import make_rendezvous
from tests.schedulers import make_scheduler
from transit_relay.handshake import HandshakeRefusal
from transit_relay.observer import RelayMood
from wormhole_limits.bounds import BoundObserver
from wormhole_server.listening.limiter import (
    ConnectionLimiter,
    ConnectionLimits,
    ConnectionObserver,
)
from wormhole_server.metrics.registry import Metrics

PROTOCOL = ROOT / "docs" / "protocol.md"


def test_named_tests() -> None:
    """Each test that a document names is there."""
    named = {
        match[0]: (ROOT / match[1], match[2])
        for file in FILES
        for span in spans(file)
        if (match := re.fullmatch(r"(tests/\S+\.py)(?:::(\w+))?", span))
    }
    missing = [
        name
        for name, (file, test) in named.items()
        if not file.exists() or (test and f"def {test}(" not in file.read_text("utf-8"))
    ]
    assert named
    assert missing == []


@pytest.mark.parametrize("kind", ErrorKind)
def test_errors(kind: ErrorKind) -> None:
    """The page on the protocol has every error, to the letter."""
    assert kind.text in text_of(PROTOCOL)


def test_relay_words() -> None:
    """It has every word of the relay's, and every mood."""
    said = set(spans(PROTOCOL))
    for refusal in HandshakeRefusal:
        assert refusal.value.decode().replace("\n", "\\n") in said
    assert {mood.value for mood in RelayMood} <= said


def test_limits() -> None:
    """It has the limits that no setting has."""
    text = text_of(PROTOCOL)
    for limit in (
        f"{envelope.MAX_IDENTIFIER_BYTES} bytes",
        f"{envelope.MAX_LABEL_BYTES} bytes",
        f"{replies.MAX_SHORT_LIST_BYTES // 1024} KiB",
        f"{replies.MAX_LIST_BYTES // 1024} KiB",
        f"{replies.MAX_ORIG_BYTES // 1024} KiB",
    ):
        assert limit in text


def _metrics() -> Metrics:
    """All there are in a server."""
    metrics, clock = Metrics("0"), Clock()
    ledger = Ledger(make_scheduler(clock))
    metrics.rendezvous.watch(ledger.backlog, make_rendezvous(clock, ledger, metrics.rendezvous))
    limits = ConnectionLimits(None, None, None)
    metrics.connections.watch(ConnectionLimiter(limits, ConnectionObserver(), BoundObserver()))
    return metrics


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if file.name != "CHANGELOG.md"],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_metrics(file: Path) -> None:
    """Every series of the server's that a document names is there."""
    known = {
        name
        for family in _metrics().registry.collect()
        for name in (
            family.name,
            *(sample.name for sample in family.samples),
            f"{family.name}_total",
        )
    }
    named = set(
        re.findall(r"\bwormhole_(?:rendezvous|relay|process)_[a-z_]+[a-z]\b", text_of(file))
    )
    strange = {
        name
        for name in named - known
        if re.sub(r"_(bucket|sum|count|total|created)$", "", name) not in known
    }
    assert sorted(strange) == []
