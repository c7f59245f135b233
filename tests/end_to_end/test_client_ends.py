"""Transfers that end early: stopped in every state by a user, or by a connection that is lost."""

import contextlib
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.client_processes import Servers, ours, run_together, servers
from tests.end_to_end.terminals import CTRL_C, Terminal, terminal

INTERRUPTED = 130
LARGE = 20 * 2**30  # bytes; the file is sparse, and no test sends all of it


@pytest.fixture
def running() -> Iterator[Servers]:
    with servers() as started:
        yield started


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    with (tmp_path / "large").open("wb") as large:
        large.truncate(LARGE)
    (tmp_path / "small").write_bytes(b"small")
    return tmp_path / "here"


@contextlib.contextmanager
def two_ends(
    running: Servers,
    here: Path,
    what: str,
    send: tuple[str, ...] = (),
    receive: tuple[str, ...] = (),
    helper: str | None = None,
) -> Iterator[tuple[Terminal, Terminal]]:
    """A sender and a receiver, each in a terminal."""
    relay = helper or running.helper
    options = (f"--relay-url={running.relay_url}", f"--transit-helper={relay}", "--no-listen")
    sending = ours("send", *options, *send, "--code=1-a-b", str(here.parent / what))
    receiving = ours("receive", *options, *receive, "1-a-b")
    with terminal(sending) as sender, terminal(receiving, here) as receiver:
        yield sender, receiver


def assert_stopped(stopped: Terminal, other: Terminal, here: Path) -> None:
    """One end was stopped by its user; the other says so in its last line, and nothing is left."""
    assert stopped.finish() == INTERRUPTED, stopped.output
    assert other.finish() == 1, other.output
    reason = "wormhole-client: the other end reports: the transfer was cancelled at this end"
    assert reason in other.output.splitlines()[-1]
    for each in (stopped, other):
        assert "Traceback" not in each.output
        assert each.has_echo()
    assert list(here.iterdir()) == []


def test_at_the_code(running: Servers) -> None:
    """Ctrl-C ends the question for the code at once, and leaves the terminal as it was."""
    with terminal(ours("receive", *running.options)) as receiver:
        receiver.wait_for("Enter the code: ")
        receiver.type(b"1-pur")
        receiver.type(CTRL_C)
        assert receiver.finish() == INTERRUPTED
        assert "Traceback" not in receiver.output
        assert receiver.has_echo()


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_at_the_offer(running: Servers, here: Path, who: str) -> None:
    """While the receiver's user is asked, either end may be stopped, and the other ends too."""
    with two_ends(running, here, "small") as (sender, receiver):
        receiver.wait_for(r"ok\? ")
        stopped, other = (sender, receiver) if who == "sender" else (receiver, sender)
        stopped.type(CTRL_C)
        assert_stopped(stopped, other, here)


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_at_the_verifier(running: Servers, here: Path, who: str) -> None:
    """While both users compare verifiers, either may stop."""
    with two_ends(running, here, "small", ("--verify",), ("--verify",)) as (sender, receiver):
        for each in (sender, receiver):
            each.wait_for("show the same")
        stopped, other = (sender, receiver) if who == "sender" else (receiver, sender)
        stopped.type(CTRL_C)
        assert_stopped(stopped, other, here)


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_in_the_middle(running: Servers, here: Path, who: str) -> None:
    """While bytes move, either end may be stopped."""
    with two_ends(running, here, "large", (), ("--accept",)) as (sender, receiver):
        for each in (sender, receiver):
            each.wait_for("through relay")
        stopped, other = (sender, receiver) if who == "sender" else (receiver, sender)
        stopped.type(CTRL_C)
        assert_stopped(stopped, other, here)


def test_alone(running: Servers, here: Path) -> None:
    """A sender that waits for its receiver is stopped."""
    with terminal(ours("send", *running.options, str(here.parent / "small"))) as sender:
        sender.wait_for("The code is")
        sender.type(CTRL_C)
        assert sender.finish() == INTERRUPTED
        assert "Traceback" not in sender.output


def test_twice(running: Servers, here: Path) -> None:
    """A second Ctrl-C does not wait for a server that no longer answers."""
    with terminal(ours("send", *running.options, str(here.parent / "small"))) as sender:
        sender.wait_for("The code is")
        running.running[0].send_signal(signal.SIGSTOP)
        sender.type(CTRL_C)
        sender.wait_for(r"\^C")
        sender.type(CTRL_C)
        assert sender.finish() == INTERRUPTED
        assert "Traceback" not in sender.output


def test_while_listing(running: Servers, here: Path) -> None:
    """A sender that lists a directory is stopped."""
    with terminal(ours("send", *running.options, str(here.parent))) as sender:
        sender.wait_for("Listing")
        sender.type(CTRL_C)
        assert sender.finish() == INTERRUPTED


def test_lost_relay(running: Servers, here: Path) -> None:
    """A relay that dies in mid-transfer: one line at both ends, with how many bytes had gone."""
    with (
        servers() as relay,
        two_ends(running, here, "large", (), ("--accept",), relay.helper) as (sender, receiver),
    ):
        for each in (sender, receiver):
            each.wait_for("through relay")
        relay.kill()
        for each in (sender, receiver):
            assert each.finish() == 1
            last = each.output.splitlines()[-1]
            assert re.search(rf"the connection was \w+ after \d+ of {LARGE} bytes", last), last
            assert "Traceback" not in each.output
    assert list(here.iterdir()) == []


def test_terminal_commands(running: Servers, here: Path) -> None:
    """A received text cannot command a terminal; where there is none it arrives as it was sent."""
    text = "a\x1b]0;owned\x07b\u202ec"
    options = [*running.options, "--no-listen"]
    with (
        terminal(ours("send", *options, "--code=1-a-b", f"--text={text}")) as sender,
        terminal(ours("receive", *options, "1-a-b"), here) as receiver,
    ):
        assert (receiver.finish(), sender.finish()) == (0, 0)
        assert "a\\x1b]0;owned\\x07b\\u202ec" in receiver.output
        assert "\x1b" not in receiver.output
    _, received = run_together(
        ours("send", *options, "--code=1-a-b", f"--text={text}"),
        ours("receive", *options, "1-a-b"),
    )
    assert received.out == f"{text}\n"
