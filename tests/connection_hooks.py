"""A hook of a connection, for tests of what protocols say that they hold."""

from __future__ import annotations

from wormhole_twisted.internals import ConnectionHook


class HeldBytes(ConnectionHook):
    """Counts how often a protocol has said that it holds bytes."""

    count = 0

    def bytes_held(self) -> None:
        """Count."""
        self.count += 1
