"""Tests of the outbox: what is written before the server is told."""

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import new_state
from wormhole_client.machines.outbox import Outbox
from wormhole_client.machines.state import WormholeState

BIND = b'{"type":"bind"}'


class OutboxTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.state = new_state()
        self.events: list[object] = []
        self.outbox = self.make(self.write)

    def make(self, journal: object) -> Outbox:
        return Outbox(self.state, journal, self.events.append, self.failed)  # type: ignore[arg-type]

    def write(self, text: str) -> None:
        self.events.append(WormholeState.load(text).code)

    def failed(self, error: Exception) -> None:
        self.events.append(error)

    def test_order(self) -> None:
        """The state is written when the outermost context ends, before the commands are sent."""
        with self.outbox:
            self.outbox.send("bind")
            with self.outbox:
                self.outbox.send("claim", nameplate="4")
            self.assertEqual(self.events, [])
            self.state.code = "4-a-b"
        self.assertEqual(self.events, ["4-a-b", BIND, b'{"type":"claim","nameplate":"4"}'])

    def test_unchanged(self) -> None:
        """A state that has not changed is not written again."""
        for code, expected in (("1-a", ["1-a"]), ("1-a", []), ("2-b", ["2-b"])):
            self.events.clear()
            with self.outbox:
                self.state.code = code
            self.assertEqual(self.events, expected)

    def test_cleared(self) -> None:
        """Commands of a connection that is lost are dropped, and later ones are sent."""
        with self.outbox:
            self.outbox.send("list")
            self.outbox.clear()
            self.outbox.send("bind")
        self.assertEqual(self.events[1:], [BIND])

    def test_no_journal(self) -> None:
        """Without a journal the commands are sent."""
        with (outbox := self.make(None)):
            outbox.send("bind")
        self.assertEqual(self.events, [BIND])

    def test_journal_failed(self) -> None:
        """After a journal that raises nothing is sent, and it is not called again."""
        error = OSError("disk full")
        calls: list[str] = []

        def fail(text: str) -> None:
            calls.append(text)
            raise error

        outbox = self.make(fail)
        with outbox:
            outbox.send("bind")
        self.assertEqual(self.events, [error])
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.state.code = "4-a-b"
        with outbox:
            pass
        self.assertEqual(len(calls), 1)

    def test_raised(self) -> None:
        """What was sent before an exception is still sent, after the state."""
        with self.assertRaises(ValueError), self.outbox:
            self.outbox.send("bind")
            raise ValueError("a fault of the caller")
        self.assertEqual(self.events, [None, BIND])
