"""A test case that reads the log."""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase


class LogCase(SynchronousTestCase):
    """A case that reads the log of the server."""

    def setUp(self) -> None:
        """Begin to capture."""
        self.events = self.enterContext(capturedLogs())
        self.seen = 0

    def logged(self) -> list[str]:
        """The lines since the last call, each with its level."""
        lines = [
            f"{event['log_level'].name}: {formatEvent(event)}"
            for event in self.events[self.seen :]
            if event.get("log_namespace", "").startswith("wormhole_server")
        ]
        self.seen = len(self.events)
        return lines
