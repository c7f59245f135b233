"""Tests of `wormhole_server.settings` and `wormhole_server.option`."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.durations import Bytes
from wormhole_server.settings import BY_NAME, OPTIONS, Settings, conflicts
from wormhole_server.show import toml_value


class OptionTests(SynchronousTestCase):
    def test_names(self) -> None:
        """An option is named alike in the code, on the command line, in the environment and in TOML."""
        option = BY_NAME["nameplate-expiry"]
        self.assertEqual(option.attribute, "nameplate_expiry")
        self.assertEqual(option.flag, "--nameplate-expiry")
        self.assertEqual(option.variable, "WORMHOLE_SERVER_NAMEPLATE_EXPIRY")

    def test_every_attribute(self) -> None:
        """There is an option for each attribute of the settings, with a help text that is a sentence."""
        self.assertEqual(
            [option.attribute for option in OPTIONS],
            [field.name for field in attrs.fields(Settings)],
        )
        for option in OPTIONS:
            self.assertRegex(option.help, r"^[A-Z].*\.$")

    def test_defaults_are_values(self) -> None:
        """Each default is what its own kind reads from its own text."""
        for option in OPTIONS:
            for default in option.default if option.many else [option.default]:
                if default is not None:
                    self.assertEqual(option.kind.parse(option.kind.show(default)), default)

    def test_secret(self) -> None:
        """The settings can be printed without telling the password."""
        url = BY_NAME["database"].kind.parse("postgresql://u:geheim@h/d?password=geheim")
        self.assertNotIn("geheim", repr(Settings(database=url)))
        self.assertNotIn("geheim", toml_value(BY_NAME["database"], url))


class ConflictTests(SynchronousTestCase):
    def test_none(self) -> None:
        """The defaults go together."""
        self.assertEqual(conflicts(Settings()), [])

    def test_nothing_to_serve(self) -> None:
        """A server without rendezvous and without relay is a mistake; metrics alone are no reason."""
        (conflict,) = conflicts(Settings(rendezvous=(), transit=()))
        self.assertIn("nothing to serve", conflict.problem)
        self.assertEqual(conflicts(Settings(rendezvous=())), [])

    def test_buffer_below_message(self) -> None:
        """A client must be able to receive the largest message."""
        (conflict,) = conflicts(Settings(send_buffer_limit=Bytes(1), message_size_limit=Bytes(2)))
        self.assertIn("make it at least as large", conflict.problem)
        self.assertEqual(
            conflicts(Settings(send_buffer_limit=Bytes(2), message_size_limit=Bytes(2))), []
        )
