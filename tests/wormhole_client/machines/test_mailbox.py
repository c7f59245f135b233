"""Tests of the Mailbox machine: each state offline and online, and untimely answers."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import Recorder, new_state
from wormhole_client.errors import WormholeMood
from wormhole_client.machines.mailbox import MailboxCore, MailboxMachine, mailbox_machine
from wormhole_client.machines.state import MailboxStage

OPEN = {"type": "open", "mailbox": "mb"}


def add(phase: str, body: str) -> dict[str, Any]:
    return {"type": "add", "phase": phase, "body": body}


def close(mood: str) -> dict[str, Any]:
    return {"type": "close", "mailbox": "mb", "mood": mood}


class MailboxTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.recorder = Recorder()
        self.state = new_state()
        self.done = 0
        self.machine = self.build()

    def build(self) -> MailboxMachine:
        return mailbox_machine(MailboxCore(self.state, self.recorder.send, self.count))

    def count(self) -> None:
        self.done += 1

    def sent(self) -> list[dict[str, Any]]:
        return self.recorder.take()

    def test_online(self) -> None:
        """Opened when it is found; messages are added at once; closed with the mood."""
        self.machine.connected()
        self.machine.found("mb")
        self.assertEqual(self.sent(), [OPEN])
        self.machine.add("0", b"\x01")
        self.assertEqual(self.sent(), [add("0", "01")])
        self.machine.echoed("0")
        self.machine.close(WormholeMood.SCARY)
        self.assertEqual((self.sent(), self.done), ([close("scary")], 0))
        self.machine.closed()
        self.assertEqual(self.done, 1)
        self.assertIs(self.state.mailbox_stage, MailboxStage.DONE)

    def test_kept_until_found(self) -> None:
        """Messages that come before the mailbox are added once it is open, in order."""
        self.machine.add("pake", b"p")
        self.machine.connected()
        self.machine.add("0", b"0")
        self.assertEqual(self.sent(), [])
        self.machine.found("mb")
        self.assertEqual(self.sent(), [OPEN, add("pake", "70"), add("0", "30")])

    def test_retransmits(self) -> None:
        """After a loss, what was not echoed is added again, and only that."""
        self.machine.connected()
        self.machine.found("mb")
        for phase in ("0", "1", "2"):
            self.machine.add(phase, b"x")
        self.machine.echoed("1")
        self.machine.lost()
        self.machine.add("3", b"y")
        self.sent()
        self.machine.connected()
        self.assertEqual(self.sent(), [OPEN, add("0", "78"), add("2", "78"), add("3", "79")])

    def test_found_offline(self) -> None:
        """A mailbox that is found as the connection goes is opened with the next."""
        self.machine.found("mb")
        self.assertEqual(self.sent(), [])
        self.machine.connected()
        self.assertEqual(self.sent(), [OPEN])

    def test_closed_offline(self) -> None:
        """A close is sent on every connection until it is confirmed."""
        self.machine.found("mb")
        self.machine.close(WormholeMood.LONELY)
        for _ in range(2):
            self.machine.connected()
            self.assertEqual(self.sent(), [close("lonely")])
            self.machine.lost()
        self.machine.connected()
        self.machine.closed()
        self.assertEqual(self.done, 1)

    def test_closed_with_something_pending(self) -> None:
        """What was not echoed is delivered before the close: the other end may wait for it."""
        self.machine.connected()
        self.machine.found("mb")
        self.machine.add("0", b"x")
        self.machine.close(WormholeMood.HAPPY)
        self.machine.lost()
        self.sent()
        self.machine.connected()
        self.assertEqual(self.sent(), [OPEN, add("0", "78"), close("happy")])
        self.machine.echoed("0")
        self.machine.lost()
        self.machine.connected()
        self.assertEqual(self.sent(), [close("happy")])

    def test_nothing_to_close(self) -> None:
        """A mailbox that was never found is done at once, in either column."""
        self.machine.close(WormholeMood.LONELY)
        self.assertEqual(self.done, 1)
        self.setUp()
        self.machine.connected()
        self.machine.close(WormholeMood.LONELY)
        self.machine.found("mb")
        self.assertEqual((self.done, self.sent()), (1, []))

    def test_at_the_wrong_time(self) -> None:
        """An answer that is repeated, not asked for or too late changes no state."""
        for stage in range(5):
            with self.subTest(stage=stage):
                self.setUp()
                steps = [
                    self.machine.connected,
                    lambda: self.machine.found("mb"),
                    lambda: self.machine.close(WormholeMood.HAPPY),
                    self.machine.closed,
                ]
                for step in steps[:stage]:
                    step()
                before = self.state.mailbox_stage
                self.sent()
                if stage != 3:
                    self.machine.closed()
                if stage > 1:
                    self.machine.found("other")
                self.machine.echoed("nothing")
                if stage > 2:
                    self.machine.add("9", b"late")
                    self.machine.close(WormholeMood.SCARY)
                self.assertEqual(self.sent(), [])
                self.assertIs(self.state.mailbox_stage, before)

    def test_resumed(self) -> None:
        """A machine goes on at the stage that the memory tells, offline."""
        for stage, expected in [
            (MailboxStage.UNKNOWN, []),
            (MailboxStage.OPEN, [OPEN, add("0", "78")]),
            (MailboxStage.CLOSING, [OPEN, add("0", "78"), close("scary")]),
            (MailboxStage.DONE, []),
        ]:
            with self.subTest(stage=stage):
                self.setUp()
                self.state.mailbox = "mb"
                self.state.mailbox_stage = stage
                self.state.pending["0"] = "78"
                self.state.mood = WormholeMood.SCARY
                machine = self.build()
                machine.connected()
                self.assertEqual(self.sent(), expected)
                machine.lost()
                machine.connected()
                self.assertEqual(self.sent(), expected)
