"""
A delegate that turns what it is told into events to wait for. Owns one observer for each event.
"""

from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure

from wormhole_client.errors import Mood, WormholeError
from wormhole_client.eventual import EventualQueue, OneShotObserver, SequenceObserver


class Observers:
    """Turns what a delegate is told into Deferreds."""

    def __init__(self, eventual: EventualQueue) -> None:
        self.taken: Callable[[], object] = lambda: None
        self.welcome = OneShotObserver[dict[str, Any]](eventual)
        self.code = OneShotObserver[str](eventual)
        self.key = OneShotObserver[bytes](eventual)
        self.verifier = OneShotObserver[bytes](eventual)
        self.versions = OneShotObserver[dict[str, Any]](eventual)
        self.messages = SequenceObserver[bytes](eventual, self._taken)
        self.closed = OneShotObserver[Mood](eventual)
        self.left = OneShotObserver[None](eventual)

    def _taken(self) -> None:
        self.taken()

    def fail(self, error: WormholeError) -> None:
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

    def wormhole_closed(self, mood: Mood | None) -> None:
        self.left.fire(None)
        self.closed.fire(mood or Mood.ERRORY)
