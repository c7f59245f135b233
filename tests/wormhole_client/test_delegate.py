"""Tests of the delegate."""

import inspect

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import World, new_state
from wormhole_client.delegate import METHODS, Delegate
from wormhole_client.errors import DelegateError, WormholeError, WormholeMood
from wormhole_client.eventual import EventualQueue
from wormhole_client.machines.state import WormholeState
from wormhole_client.wormhole import DelegatedWormhole, begin


class OnlyMessages(Delegate):
    """Overrides one method."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def wormhole_got_message(self, plaintext: bytes) -> None:
        self.messages.append(plaintext)


class Handler:
    """A delegate of no base class, that cannot handle one message."""

    def __init__(self, poison: bytes = b"") -> None:
        self.told: list[object] = []
        self._poison = poison

    def wormhole_got_message(self, plaintext: bytes) -> None:
        if plaintext == self._poison:
            raise ZeroDivisionError("poison")
        self.told.append(plaintext)

    def wormhole_failed(self, error: WormholeError) -> None:
        self.told.append(error)

    def wormhole_closed(self, mood: WormholeMood | None) -> None:
        self.told.append(mood)


class MessageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.journal: list[str] = []
        self.peer = self.world.wormhole("peer")
        self.peer.set_code("4-a-b")

    def delegated(self, delegate: object, state: WormholeState) -> DelegatedWormhole:
        boss, _ = begin(
            state,
            self.world.clock,
            delegate=delegate,
            dial=self.world.server.dial,
            journal=self.journal.append,
            eventual=EventualQueue(self.world.clock),
        )
        return DelegatedWormhole(boss)

    def begin(self, delegate: object) -> DelegatedWormhole:
        ours = self.delegated(delegate, new_state("ours"))
        ours.set_code("4-a-b")
        for text in (b"first", b"second", b"third"):
            self.peer.send_message(text)
        self.world.settle()
        return ours

    def test_raises(self) -> None:
        """A message that the delegate fails to handle is not lost, and none is repeated or overtaken."""
        failing = Handler(b"second")
        self.begin(failing)
        first, error, mood = failing.told
        self.assertEqual((first, mood), (b"first", None))
        self.assertIsInstance(error, DelegateError)
        self.assertIn("ZeroDivisionError: poison", str(error))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        repaired = Handler()
        ours = self.delegated(repaired, WormholeState.load(self.journal[-1]))
        self.world.settle()
        self.assertEqual(repaired.told, [b"second", b"third"])
        ours.close()
        self.world.settle()
        self.assertIs(repaired.told[-1], WormholeMood.HAPPY)

    def test_raises_when_closed(self) -> None:
        """A wormhole that the application has closed meanwhile closes in its mood."""
        world, told = self.world, list[object]()

        class Closing(Handler):
            def wormhole_got_versions(self, versions: object) -> None:
                told.append(versions)
                ours.close()

        failing = Closing(b"first")
        ours = self.delegated(failing, new_state("ours"))
        ours.set_code("4-a-b")
        self.peer.send_message(b"first")
        while not told:  # the first message waits for its turn when the wormhole is closed
            while world.server.deliver():
                pass
            world.clock.advance(0)
        world.settle()
        self.assertEqual(failing.told, [WormholeMood.HAPPY])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_other_methods(self) -> None:
        """What any other method raises is logged, and the wormhole goes on."""
        for name in set(METHODS) - {"wormhole_got_message", "wormhole_failed"}:
            with self.subTest(name=name):

                def mistake(_: object) -> None:
                    raise ZeroDivisionError

                self.setUp()
                handler = Handler()
                setattr(handler, name, mistake)
                ours = self.begin(handler)
                self.assertEqual(handler.told, [b"first", b"second", b"third"])
                ours.close()
                self.world.settle()
                self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_no_methods(self) -> None:
        """An object without any of the methods is refused at once."""
        self.assertRaises(TypeError, self.delegated, object(), new_state())


class DelegateTests(SynchronousTestCase):
    def test_one_method(self) -> None:
        """An application overrides the methods that it needs; the others do nothing."""
        world = World()
        delegate = OnlyMessages()
        boss, _ = begin(
            new_state("ours"),
            world.clock,
            delegate=delegate,
            dial=world.server.dial,
            eventual=EventualQueue(world.clock),
        )
        ours, peer = DelegatedWormhole(boss), world.wormhole("peer")
        for each in (ours, peer):
            each.set_code("4-a-b")
        peer.send_message(b"hello")
        world.settle()
        ours.close()
        world.settle()
        self.assertEqual(delegate.messages, [b"hello"])
        self.assertIs(boss.mood, WormholeMood.HAPPY)

    def test_every_event(self) -> None:
        """Each method can be called on the plain class, and is documented."""
        methods = inspect.getmembers(Delegate(), inspect.ismethod)
        self.assertEqual(len(methods), 8)
        for name, method in methods:
            with self.subTest(name=name):
                self.assertIsNone(method(None))
                self.assertIsNotNone(method.__doc__)
