"""Tests of `wormhole_server.config.settings`."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config.durations import Bytes
from wormhole_server.config.option import Group
from wormhole_server.config.settings import BY_NAME, OPTIONS, Settings, conflicts
from wormhole_server.config.show import toml_value


class OptionsTests(SynchronousTestCase):
    def test_every_attribute(self) -> None:
        """There is one option for each attribute, with a help text of whole sentences."""
        self.assertEqual(
            sorted(option.attribute for option in OPTIONS),
            sorted(field.name for field in attrs.fields(Settings)),
        )
        for option in OPTIONS:
            self.assertRegex(option.help, r"^[A-Z].*\.$")

    def test_groups(self) -> None:
        """The options of a group follow each other, in the order of the help."""
        groups = [option.group for option in OPTIONS]
        self.assertEqual(list(dict.fromkeys(groups)), list(Group))
        self.assertEqual(groups, sorted(groups, key=list(Group).index))

    def test_defaults_are_values(self) -> None:
        """Each default is a valid value that is read back from its own text."""
        for option in OPTIONS:
            for default in option.default if option.many else [option.default]:
                if default is not None:
                    self.assertEqual(option.kind.parse(option.kind.show(default)), default)

    def test_secret(self) -> None:
        """The repr of the settings masks the password."""
        url = BY_NAME["database"].kind.parse("postgresql://u:geheim@h/d?password=geheim")
        self.assertNotIn("geheim", repr(Settings(database=url)))
        self.assertNotIn("geheim", toml_value(BY_NAME["database"], url))
        self.assertNotIn("geheim", repr(Settings(path_prefix="/geheim")))
        self.assertNotIn("geheim", toml_value(BY_NAME["path-prefix"], "/geheim"))


class ConflictTests(SynchronousTestCase):
    def test_none(self) -> None:
        """The defaults do not contradict each other."""
        self.assertEqual(conflicts(Settings()), [])

    def test_nothing_to_serve(self) -> None:
        """A server needs a rendezvous or a relay endpoint; metrics alone are not enough."""
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

    def test_prefix(self) -> None:
        """A public URL has the path prefix before its /v1; the message does not show it."""
        for url, fits in {
            "wss://h/geheim/v1": True,
            "wss://h/w/geheim/v1": True,
            "wss://h/v1": False,
            "wss://h/geheim": False,
            None: True,
        }.items():
            found = conflicts(Settings(path_prefix="/geheim", public_url=url))
            self.assertEqual(found == [], fits, url)
            self.assertNotIn("geheim", "".join(each.problem for each in found))
