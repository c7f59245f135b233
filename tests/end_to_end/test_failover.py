"""
A primary that changes: the standby takes its place, and instances whose URL names both find it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.end_to_end.failover import PostgresPair
from tests.end_to_end.processes import Server, serving
from tests.end_to_end.refusals import not_ready, wait_until_ready
from tests.end_to_end.sessions import Session
from tests.end_to_end.shared_mailbox import SharedMailboxes
from tests.end_to_end.test_instances import MAILBOXES

STORED = "SELECT count(*) FROM messages"
# All instances have to connect again.
SEVER = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'wormhole-server'"


@pytest.fixture
def pair() -> Iterator[PostgresPair]:
    pair = PostgresPair()
    try:
        yield pair
    finally:
        pair.close()


@pytest.fixture
def instances(pair: PostgresPair) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving(pair.url)) for _ in range(2)]


def _fail_over(pair: PostgresPair, instances: list[Server], name: str) -> None:
    """Kill the primary and promote the other; who is connected and waits stays connected."""
    with Session(instances[0].relay_url, "a") as one, Session(instances[1].relay_url, "b") as two:
        for session in (one, two):
            session.send("open", mailbox=name)
            session.sync()
        one.send("add", phase="0", body="before")
        assert two.next("message")["body"] == "before"
        one.next("message")
        pair.primary.kill()
        for instance in instances:
            assert "not ready" in not_ready(instance)
        one.send("add", phase="0", body="meanwhile")
        pair.promote()
        assert one.next("message")["body"] == "meanwhile"
        assert two.next("message")["body"] == "meanwhile"
        for instance in instances:
            wait_until_ready(instance)


def test_primary_changes(pair: PostgresPair, instances: list[Server]) -> None:
    """
    Nothing that was answered is lost, there and back again, and an old primary is left alone.
    """
    programs = [instance.program for instance in instances]
    shared = SharedMailboxes(instances, MAILBOXES)
    try:
        shared.wait_for_progress()
        _fail_over(pair, instances, "there")
        shared.wait_for_progress()
        # The old one comes back with its past, does not follow anybody, and is the first in the URL.
        pair.other.start("default_transaction_read_only=on")
        past = pair.other.ask(STORED)
        pair.primary.ask(SEVER)
        shared.wait_for_progress()
        for instance in instances:
            wait_until_ready(instance)
        assert pair.other.ask(STORED) == past
        pair.other.stop()
        pair.other.follow(pair.primary)
        pair.primary.ask(SEVER)
        shared.wait_for_progress()
        _fail_over(pair, instances, "back")
        shared.wait_for_progress()
    finally:
        shared.stop()
    assert shared.check() > 20
    # It is they who have come through it, not others in their place.
    assert [instance.program for instance in instances] == programs
    for instance in instances:
        assert "Traceback" not in instance.output
