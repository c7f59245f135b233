"""Tests of `wormhole_server.config.show`."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.files import new_path
from wormhole_server.config.settings import BY_NAME, OPTIONS
from wormhole_server.config.show import as_toml, show_default
from wormhole_server.config.sources import Flags, load


class TomlTests(SynchronousTestCase):
    def read_back(self, text: str) -> Path:
        """A file with `text`."""
        path = new_path(self)
        path.write_text(text, "utf-8")
        return path

    def test_pasted_back(self) -> None:
        """`--config` reads the same settings back from what is printed."""
        for environment in (
            {},
            {
                "WORMHOLE_SERVER_RENDEZVOUS": '["tcp:1", "tcp:2:interface=\\\\:\\\\:1"]',
                "WORMHOLE_SERVER_METRICS": "none",
                "WORMHOLE_SERVER_MOTD": 'say "hello"\n\x7f\\',
                "WORMHOLE_SERVER_USAGE_RETENTION": "none",
                "WORMHOLE_SERVER_BLUR_USAGE": "1.5h",
                "WORMHOLE_SERVER_LOG_FD": "3",
                "WORMHOLE_SERVER_DISALLOW_LIST": "yes",
                "WORMHOLE_SERVER_WEBSOCKET_PROTOCOL_OPTION": 'allowedOrigins=["a", "b"]',
                "WORMHOLE_SERVER_DATABASE": "postgresql://u@h/d?host=%2Frun",
            },
        ):
            loaded = load(Flags(), environment)
            path = self.read_back(as_toml(loaded))
            again = load(Flags({"config": [str(path)]}), {})
            for option in OPTIONS:
                if option.name != "config":
                    value = getattr(loaded.settings, option.attribute)
                    self.assertEqual(getattr(again.settings, option.attribute), value)

    def test_origins(self) -> None:
        """Each value has its origin, and whether a reload can change it."""
        path = self.read_back('signal-error = "closed"')
        flags = Flags({"motd": ["hello"], "config": [str(path)]})
        lines = as_toml(load(flags, {"WORMHOLE_SERVER_LOG_LEVEL": "warn"})).splitlines()
        self.assertIn('motd = "hello"  # --motd', lines)
        self.assertIn(f'signal-error = "closed"  # {path}, reloadable', lines)
        self.assertIn('log-level = "warn"  # WORMHOLE_SERVER_LOG_LEVEL', lines)
        self.assertIn('nameplate-expiry = "1h"  # default, reloadable', lines)
        self.assertIn('transit-link = "auto"  # default', lines)
        self.assertIn(f'# config = "{path}"  # --config', lines)

    def test_no_file(self) -> None:
        """Without a file a reload can change nothing."""
        self.assertNotIn("reloadable", as_toml(load(Flags({"motd": ["hello"]}), {})))

    def test_odd_path(self) -> None:
        """A line break in a path does not end the comment."""
        path = new_path(self, "a\nmotd = 'x'")
        path.write_text("disallow-list = true", "utf-8")
        text = as_toml(load(Flags({"config": [str(path)]}), {}))
        self.assertIsNone(
            load(Flags({"config": [str(self.read_back(text))]}), {}).settings.motd,
        )

    def test_secret(self) -> None:
        """A password is masked."""
        text = as_toml(load(Flags({"database": ["postgresql://u:geheim@h/d"]}), {}))
        self.assertNotIn("geheim", text)
        self.assertIn('database = "postgresql+psycopg://u:***@h/d"', text)


class ShowDefaultTests(SynchronousTestCase):
    def test_each_kind(self) -> None:
        """A default is shown without quotes; no value is none."""
        for name, shown in (
            ("send-buffer-limit", "4MiB"),
            ("disallow-list", "false"),
            ("database-threads", "1"),
            ("motd", "none"),
            ("trusted-proxy", "none"),
            ("database", "sqlite:///wormhole-server.db"),
            ("rendezvous", r"tcp:4000:interface=\:\:"),
        ):
            self.assertEqual(show_default(BY_NAME[name]), shown)
