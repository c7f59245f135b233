"""Tests of the errors."""

import inspect

from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

import wormhole_client
from wormhole_client import errors
from wormhole_client.errors import ServerConnectionError, WormholeError, WormholeMood


class ErrorTests(SynchronousTestCase):
    def test_one_base(self) -> None:
        """An application can catch all errors as one, and import each from the package."""
        classes = [each for _, each in inspect.getmembers(errors, inspect.isclass)]
        ours = [each for each in classes if issubclass(each, Exception)]
        self.assertGreater(len(ours), 8)
        for each in ours:
            with self.subTest(each=each):
                self.assertTrue(issubclass(each, WormholeError))
                self.assertIs(getattr(wormhole_client, each.__name__), each)

    def test_server_connection(self) -> None:
        """The error of a first connection names the URL and what the network reported."""
        error = ServerConnectionError("ws://x/v1", Failure(Refused()))
        self.assertIn("ws://x/v1", str(error))
        self.assertIn("refused", str(error))

    def test_moods(self) -> None:
        """The moods are those that the protocol's servers know."""
        self.assertEqual(
            {each.value for each in WormholeMood}, {"happy", "lonely", "scary", "errory"}
        )


class PackageTests(SynchronousTestCase):
    def test_exports(self) -> None:
        """Everything that the package exports exists, and nothing else is found in its name."""
        for name in wormhole_client.__all__:
            with self.subTest(name=name):
                self.assertIsNotNone(getattr(wormhole_client, name))
        self.assertRaises(AttributeError, getattr, wormhole_client, "destroy")
