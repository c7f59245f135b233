"""Tests of `wormhole_server.listening.deny_list`."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from tests.wormhole_limits.fakes import BoundRecorder
from tests.wormhole_server.files import new_path
from tests.wormhole_server.logs import LogCase
from wormhole_limits.bounds import Bound
from wormhole_limits.ip_addresses import block_of
from wormhole_server.config.settings import Settings
from wormhole_server.errors import ConfigurationError, StartError
from wormhole_server.lifecycle.reload import ReloadOutcome
from wormhole_server.listening.deny_list import ReloadableDenyList

DENIED = IPv4Address("TCP", "192.0.2.7", 1)
OTHER = IPv4Address("TCP", "198.51.100.7", 1)


class ReloadableDenyListTests(LogCase):
    def setUp(self) -> None:
        """A list with one network."""
        super().setUp()
        self.path = new_path(self)
        self.path.write_text("192.0.2.0/24 Not you.\n")
        self.bounds = BoundRecorder()
        self.outcomes: list[ReloadOutcome] = []
        self.replaced = 0

    def make(self, path: Path | None) -> ReloadableDenyList:
        """The list of a file, which is in effect."""
        made = ReloadableDenyList(
            None if path is None else str(path), self.bounds, self.outcomes.append
        )
        made.startService()
        made.replaced = self.replace
        return made

    def replace(self) -> None:
        """Another list is in effect."""
        self.replaced += 1

    def test_deny(self) -> None:
        """A client on the list has its message, and is counted; others, and Unix sockets, are served."""
        denied = self.make(self.path)
        self.assertEqual(denied.deny(DENIED), "Not you.")
        for other in (OTHER, IPv6Address("TCP", "2001:db8::1", 1), UNIXAddress("/socket")):
            self.assertIsNone(denied.deny(other))
        self.assertEqual(self.bounds.met, [(Bound.DENIED, block_of(DENIED))])
        self.assertEqual(self.logged(), ["info: Deny list: 1 networks are refused."])

    def test_no_list(self) -> None:
        """Without a file nobody is refused, nothing is logged, and a reload does nothing."""
        denied = self.make(None)
        denied.reload()
        self.assertIsNone(denied.deny(DENIED))
        self.assertEqual((self.logged(), self.outcomes), ([], []))

    def test_bad_at_the_start(self) -> None:
        """A list that is not valid, or not there, keeps the server from starting."""
        self.path.write_text("# fine\n192.0.2.0\\24\n")
        for path, problem in (
            (self.path, f"deny-list: {self.path}, line 2: begins with neither"),
            (self.path.parent / "none", "cannot be read: No such file or directory"),
        ):
            with self.assertRaises(StartError) as raised:
                self.make(path)
            self.assertIn(problem, str(raised.exception))

    def test_reload(self) -> None:
        """A changed file is noticed, and counts from its reload on."""
        denied = self.make(self.path)
        self.assertFalse(denied.has_changed())
        self.path.write_text("198.51.100.7\n203.0.113.0/24\n")
        self.assertFalse(denied.has_changed())
        self.assertTrue(denied.has_changed())
        denied.reload()
        self.assertFalse(denied.has_changed())
        self.assertIsNone(denied.deny(DENIED))
        self.assertIsNotNone(denied.deny(OTHER))
        self.assertEqual((self.outcomes, self.replaced), ([ReloadOutcome.OK], 1))

    def test_bad_reload(self) -> None:
        """With an invalid line the old list stays; the log names file and line, and no address."""
        denied = self.make(self.path)
        self.logged()
        self.path.write_text("198.51.100.7\n203.0.113.0/24x\n")
        denied.reload()
        self.assertEqual(denied.deny(DENIED), "Not you.")
        self.assertIsNone(denied.deny(OTHER))
        (line,) = self.logged()
        self.assertIn(f"kept the previous one: deny-list: {self.path}, line 2:", line)
        self.assertNotIn("203.0.113", line)
        self.assertEqual((self.outcomes, self.replaced), ([ReloadOutcome.REFUSED], 0))

    def test_another_file(self) -> None:
        """Other settings name another file, which is read and watched at once, or none."""
        denied = self.make(None)
        denied.change(attrs.evolve(Settings(), deny_list=str(self.path)))
        self.assertEqual(denied.deny(DENIED), "Not you.")
        os.truncate(self.path, 0)
        self.assertEqual([denied.has_changed() for _ in range(2)], [False, True])
        denied.change(attrs.evolve(Settings(), deny_list=None))
        self.assertIsNone(denied.deny(DENIED))
        self.assertEqual(self.replaced, 2)

    def test_another_file_that_is_bad(self) -> None:
        """Settings whose list is not valid are refused, and nothing has changed."""
        denied = self.make(self.path)
        bad = self.path.parent / "bad"
        bad.write_text("x\n")
        for path in (bad, self.path.parent / "none"):
            with self.assertRaises(ConfigurationError):
                denied.change(attrs.evolve(Settings(), deny_list=str(path)))
        self.assertEqual(denied.deny(DENIED), "Not you.")
        denied.change(attrs.evolve(Settings(), deny_list=str(self.path)))
        self.assertEqual(self.replaced, 0)
