"""
The observers of a wormhole: a delegate that turns events into Deferreds.

Owns one observer for each event.
"""

from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure

from wormhole_client.delegate import Delegate
from wormhole_client.errors import WormholeError, WormholeMood
from wormhole_client.eventual import EventualQueue, OneShotObserver, SequenceObserver


class WormholeObservers(Delegate):
    """
    The observers of one wormhole.

    :ivar taken: is called for each message that a caller was given.
    :ivar closed: fires with the mood of a wormhole that has ended.
    :ivar left: fires when the connection has ended, with or without a mood.
    """

    def __init__(self, eventual: EventualQueue) -> None:
        self.taken: Callable[[], object] = lambda: None
        self.welcome = OneShotObserver[dict[str, Any]](eventual)
        self.code = OneShotObserver[str](eventual)
        self.key = OneShotObserver[bytes](eventual)
        self.verifier = OneShotObserver[bytes](eventual)
        self.versions = OneShotObserver[dict[str, Any]](eventual)
        self.messages = SequenceObserver[bytes](eventual, self._taken)
        self.closed = OneShotObserver[WormholeMood](eventual)
        self.left = OneShotObserver[None](eventual)

    def _taken(self) -> None:
        self.taken()

    def fail(self, error: WormholeError) -> None:
        """Fail every observer of an event that has not happened yet, except those of the end."""
        failed = Failure(error)
        for observer in (self.welcome, self.code, self.key, self.verifier, self.versions):
            observer.fire(failed)
        self.messages.fail(failed)

    def wormhole_got_welcome(self, welcome: dict[str, Any]) -> None:
        self.welcome.fire(welcome)

    def wormhole_got_code(self, code: str) -> None:
        self.code.fire(code)

    def wormhole_got_unverified_key(self, key: bytes) -> None:
        self.key.fire(key)

    def wormhole_got_verifier(self, verifier: bytes) -> None:
        self.verifier.fire(verifier)

    def wormhole_got_versions(self, versions: dict[str, Any]) -> None:
        self.versions.fire(versions)

    def wormhole_got_message(self, plaintext: bytes) -> None:
        self.messages.fire(plaintext)

    def wormhole_failed(self, error: WormholeError) -> None:
        self.fail(error)

    def wormhole_closed(self, mood: WormholeMood | None) -> None:
        self.left.fire(None)
        self.closed.fire(mood or WormholeMood.ERRORY)
