"""Tests of `wormhole_server.config.bound_settings`."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from wormhole_limits.bounds import Bound
from wormhole_server.config.bound_settings import BOUND_SETTINGS, settings_that_are_off
from wormhole_server.config.groups.bounds import BoundSettings
from wormhole_server.config.groups.rendezvous import PermissionMode
from wormhole_server.config.settings import BY_NAME, Settings


class BoundSettingsTests(SynchronousTestCase):
    def test_all(self) -> None:
        """Every setting that is named exists, and every setting of the group of bounds holds one."""
        named = {name for names in BOUND_SETTINGS.values() for name in names}
        self.assertEqual(named - set(BY_NAME), set())
        group = {field.name.replace("_", "-") for field in attrs.fields(BoundSettings)}
        self.assertEqual(group - named, set())

    def test_off(self) -> None:
        """A setting is off if it has no value, or its value is none."""
        on = dict.fromkeys(
            ("deny_list", "connections_per_address", "mailbox_size_limit"), "something"
        )
        settings = Settings(**on, permission=PermissionMode.AUTO)  # type: ignore[arg-type]
        off = set(settings_that_are_off(settings))
        for bound in (Bound.DENIED, Bound.CONNECTIONS, Bound.PERMISSION):
            self.assertEqual({name for each, name in off if each is bound}, set())
        settings = Settings(mailbox_size_limit=None)
        self.assertIn((Bound.MAILBOX, "mailbox-size-limit"), settings_that_are_off(settings))
        self.assertIn((Bound.DENIED, "deny-list"), settings_that_are_off(settings))
        self.assertIn((Bound.PERMISSION, "permission"), settings_that_are_off(settings))
