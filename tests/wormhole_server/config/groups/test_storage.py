"""Tests of `wormhole_server.config.groups.storage`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.database_url import DatabaseUrl
from wormhole_server.config.groups.storage import StorageSettings


class StorageSettingsTests(SynchronousTestCase):
    def test_lifetimes(self) -> None:
        """A nameplate is kept for less time than a mailbox, and both for many expiry intervals."""
        settings = StorageSettings()
        self.assertLess(settings.nameplate_expiry, settings.mailbox_expiry)
        self.assertGreaterEqual(settings.nameplate_expiry / settings.expiry_interval, 60)

    def test_usage(self) -> None:
        """Usage records are kept for 90 days, and are neither rounded nor written to a descriptor."""
        settings = StorageSettings()
        self.assertEqual(settings.usage_retention, 90 * 86400)
        self.assertIsNone(settings.blur_usage)
        self.assertIsNone(settings.log_fd)

    def test_password(self) -> None:
        """The repr masks the password of the database."""
        shown = repr(StorageSettings(database=DatabaseUrl("postgresql://user:geheim@host/name")))
        self.assertIn("user:***@host", shown)
        self.assertNotIn("geheim", shown)
