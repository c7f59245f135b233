"""Tests of `wormhole_server.config.groups.bounds`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.groups.bounds import BoundSettings
from wormhole_server.config.settings import OPTIONS

NAMES = BoundSettings.__annotations__


class BoundSettingsTests(SynchronousTestCase):
    def test_exchanges(self) -> None:
        """A mailbox holds a hundred times what an exchange stores."""
        settings = BoundSettings()
        self.assertGreaterEqual(settings.mailbox_message_limit or 0, 100 * 14)
        self.assertGreaterEqual(settings.mailbox_size_limit or 0, 100 * 20_000)

    def test_none(self) -> None:
        """Every bound can be turned off, and takes effect at once."""
        options = [option for option in OPTIONS if option.attribute in NAMES]
        self.assertEqual(len(options), len(NAMES))
        for option in options:
            self.assertTrue(option.kind.none, option.name)
            self.assertTrue(option.reloadable, option.name)
