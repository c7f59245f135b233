"""The delegate interface, beside the Deferred one."""

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.support import World, memory
from wormhole_client.errors import Mood, WormholeError
from wormhole_client.eventual import EventualQueue
from wormhole_client.memory import Memory
from wormhole_client.network import WebSocketAddress
from wormhole_client.wormhole import DelegatedWormhole, begin, create, resume


@attrs.define
class Diary:
    """A delegate that remembers what it is told."""

    told: list[tuple[str, Any]] = attrs.field(factory=list)

    def wormhole_got_welcome(self, welcome: dict[str, Any]) -> None:
        self.told.append(("welcome", welcome))

    def wormhole_got_code(self, code: str) -> None:
        self.told.append(("code", code))

    def wormhole_got_unverified_key(self, key: bytes) -> None:
        self.told.append(("key", len(key)))

    def wormhole_got_verifier(self, verifier: bytes) -> None:
        self.told.append(("verifier", len(verifier)))

    def wormhole_got_versions(self, versions: dict[str, Any]) -> None:
        self.told.append(("versions", versions))

    def wormhole_got_message(self, plaintext: bytes) -> None:
        self.told.append(("message", plaintext))

    def wormhole_failed(self, error: WormholeError) -> None:
        self.told.append(("failed", str(error)))

    def wormhole_closed(self, mood: Mood | None) -> None:
        self.told.append(("closed", mood))


class DelegateTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()

    def delegated(self, start: Memory) -> tuple[DelegatedWormhole, Diary]:
        diary = Diary()
        boss, _ = begin(
            start,
            self.world.clock,
            delegate=diary,
            dial=self.world.server.dial,
            eventual=EventualQueue(self.world.clock),
        )
        return DelegatedWormhole(boss), diary

    def test_told(self) -> None:
        """A delegate hears everything, in its order, down to the mood."""
        ours, diary = self.delegated(memory("ours"))
        ours.set_code("4-a-b")
        peer = self.world.wormhole("peer")
        peer.set_code("4-a-b")
        peer.send_message(b"hello")
        self.world.settle()
        ours.close()
        self.world.settle()
        expected = [
            ("code", "4-a-b"),
            ("welcome", {}),
            ("key", 32),
            ("verifier", 32),
            ("versions", {}),
            ("message", b"hello"),
            ("closed", Mood.HAPPY),
        ]
        self.assertEqual(diary.told, expected)

    def test_failed(self) -> None:
        """A wormhole that fails says so, and then that it has closed."""
        self.world.server.welcome = {"error": "go away"}
        _, diary = self.delegated(memory())
        self.world.settle()
        self.assertEqual(diary.told[-2:], [("failed", "go away"), ("closed", Mood.ERRORY)])

    def test_resumed(self) -> None:
        """Leaving has no mood; messages that the delegate was given are not given again."""
        ours, diary = self.delegated(memory("ours"))
        ours.set_code("4-a-b")
        peer = self.world.wormhole("peer")
        peer.set_code("4-a-b")
        peer.send_message(b"first")
        self.world.settle()
        ours.shutdown()
        self.world.settle()
        self.assertEqual(diary.told[-1], ("closed", None))
        peer.send_message(b"second")
        resumed, diary = self.delegated(Memory.load(ours.state()))
        self.world.settle()
        self.assertEqual(
            [what for what in diary.told if what[0] == "message"], [("message", b"second")]
        )
        resumed.close()


class UrlTests(SynchronousTestCase):
    def test_refused(self) -> None:
        """A URL that is none is refused before anything is tried."""
        for url in ("", "http://x/v1", "ws://", "ws://x:99999999/v1"):
            with self.subTest(url=url):
                self.assertRaises(ValueError, create, "app", url, None)

    def test_taken_apart(self) -> None:
        """Ports have the usual defaults."""
        for url, secure, host, port in (
            ("ws://x/v1", False, "x", 80),
            ("wss://x/v1", True, "x", 443),
            ("ws://[::1]:4000/v1", False, "::1", 4000),
        ):
            address = WebSocketAddress.parse(url)
            self.assertEqual((address.secure, address.host, address.port), (secure, host, port))

    def test_no_state(self) -> None:
        """Text that is no state is refused."""
        self.assertRaises(ValueError, resume, "nonsense", None)
