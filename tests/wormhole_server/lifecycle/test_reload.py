"""Tests of `wormhole_server.lifecycle.reload`."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.files import new_path
from tests.wormhole_server.logs import LogCase
from wormhole_server.config.settings import Settings
from wormhole_server.config.sources import Flags, load
from wormhole_server.lifecycle.reload import ReloadableSettings, Reloader, ReloadOutcome


class ReloadableSettingsTests(LogCase):
    def setUp(self) -> None:
        """Settings from a file and a flag."""
        super().setUp()
        self.path = new_path(self)
        self.path.write_text('motd = "old"\n')
        self.taken: list[Settings] = []
        self.outcomes: list[ReloadOutcome] = []
        self.parts: list[Callable[[Settings], None]] = [self.taken.append]
        flags = Flags({"config": [str(self.path)], "signal-error": ["closed"]})
        self.reloadable = ReloadableSettings(load(flags, {}), self.parts, self.outcomes.append)
        self.before = self.reloadable.settings

    def reload(self, text: str) -> list[str]:
        """Write `text` to the file and reload; returns the log lines."""
        self.path.write_text(text)
        self.logged()
        self.reloadable.reload()
        return self.logged()

    def test_changed(self) -> None:
        """The parts get all settings when some change; the log names those without their values."""
        lines = self.reload('motd = "new"\nnameplate-expiry = "2h"\n')
        self.assertEqual(lines, ["info: Configuration: changed nameplate-expiry, motd."])
        (settings,) = self.taken
        self.assertEqual((settings.motd, settings.nameplate_expiry), ("new", 7200.0))
        self.assertEqual(settings.signal_error, "closed")
        self.assertIs(self.reloadable.settings, settings)
        self.assertEqual(self.outcomes, [ReloadOutcome.OK])

    def test_unchanged(self) -> None:
        """A file with the same values changes nothing, and the log says so."""
        lines = self.reload('# The same.\nmotd = "old"\n')
        self.assertEqual(lines, ["info: Configuration: reloaded, no value has changed."])
        self.assertEqual((self.taken, self.outcomes), ([], [ReloadOutcome.OK]))

    def test_back_to_the_default(self) -> None:
        """An option whose line was removed gets its default."""
        self.reload("")
        self.assertIsNone(self.taken[-1].motd)

    def test_flag_wins(self) -> None:
        """A flag beats the file after a reload as it did before."""
        self.reload('motd = "old"\nsignal-error = "open"\n')
        self.assertEqual(self.taken, [])

    def test_bad(self) -> None:
        """An invalid value changes nothing; each problem is logged on its line."""
        lines = self.reload('motd = "new"\nnameplate-expiry = "soon"\ncolour = "red"\n')
        self.assertEqual(len(lines), 2)
        for line, word in zip(lines, ("colour", "nameplate-expiry"), strict=True):
            self.assertTrue(
                line.startswith(f"error: Configuration: kept the previous values: {word} in "), line
            )
        self.assertEqual((self.taken, self.outcomes), ([], [ReloadOutcome.REFUSED]))
        self.assertIs(self.reloadable.settings, self.before)

    def test_no_file(self) -> None:
        """A file that no longer exists changes nothing."""
        self.path.unlink()
        self.reloadable.reload()
        (line,) = self.logged()
        self.assertIn("cannot be read", line)
        self.assertEqual((self.taken, self.outcomes), ([], [ReloadOutcome.REFUSED]))

    def test_conflict(self) -> None:
        """Values that contradict each other change nothing."""
        (line,) = self.reload('message-size-limit = "8MiB"\n')
        self.assertIn("kept the previous values: send-buffer-limit: is smaller", line)
        self.assertEqual(self.taken, [])

    def test_needs_a_restart(self) -> None:
        """An option that needs a restart keeps its value and is named; the others change."""
        lines = self.reload('motd = "new"\ndatabase = "postgresql://me:geheim@h/d"\n')
        self.assertEqual(
            lines,
            [
                "info: Configuration: changed motd.",
                "warn: Configuration: restart the server to apply the new values of database.",
            ],
        )
        self.assertEqual(self.taken[-1].database, self.before.database)

    def test_named_until_the_restart(self) -> None:
        """An option that needs a restart is named at every reload until then."""
        self.reload('motd = "old"\ntransit-link = "producer"\n')
        (line,) = self.reload('motd = "old"\ntransit-link = "producer"\n')
        self.assertIn("transit-link", line)

    def test_part_that_fails(self) -> None:
        """When one part raises, all parts get the previous settings, and the traceback is logged."""

        def refuse(settings: Settings) -> None:
            if settings.motd == "new":
                raise ZeroDivisionError

        self.parts.append(refuse)
        self.reload('motd = "new"\n')
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual([settings.motd for settings in self.taken], ["new", "old"])
        self.assertIs(self.reloadable.settings, self.before)
        self.assertEqual(self.outcomes, [ReloadOutcome.REFUSED])

    def test_file_watched(self) -> None:
        """A change of the file is noticed until the file has been read."""
        self.path.write_text("# Other words.\n")
        self.reloadable.has_changed()
        self.assertTrue(self.reloadable.has_changed())
        self.reloadable.reload()
        self.assertFalse(self.reloadable.has_changed())

    def test_without_a_file(self) -> None:
        """Without a file nothing is watched, and a reload changes nothing."""
        reloadable = ReloadableSettings(load(Flags(), {}), self.parts, self.outcomes.append)
        self.assertFalse(reloadable.has_changed())
        reloadable.reload()
        self.assertEqual((self.taken, self.outcomes), ([], [ReloadOutcome.OK]))


class FakeReloadable:
    """A reloadable that the test changes."""

    def __init__(self) -> None:
        self.changed = False
        self.reloads = 0
        self.failure: Exception | None = None

    def has_changed(self) -> bool:
        if self.failure is not None:
            raise self.failure
        return self.changed

    def reload(self) -> None:
        self.reloads += 1
        if self.failure is not None:
            raise self.failure


class ReloaderTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A reloader with two reloadables."""
        self.clock = Clock()
        self.first, self.second = FakeReloadable(), FakeReloadable()
        self.reloader = Reloader(self.clock, [self.first])
        self.reloader.add(self.second)

    def reloads(self) -> tuple[int, int]:
        """How often each was reloaded."""
        return self.first.reloads, self.second.reloads

    def test_changed(self) -> None:
        """A reloadable whose files changed is reloaded within seconds, and no other."""
        self.reloader.startService()
        self.clock.advance(10)
        self.assertEqual(self.reloads(), (0, 0))
        self.second.changed = True
        self.clock.advance(2)
        self.assertEqual(self.reloads(), (0, 1))

    def test_requested(self) -> None:
        """On request everything is reloaded, changed or not."""
        self.reloader.reload()
        self.assertEqual(self.reloads(), (1, 1))

    def test_one_fails(self) -> None:
        """An exception in one keeps neither the others nor the next check from running."""
        self.first.failure = ZeroDivisionError()
        self.reloader.reload()
        self.reloader.startService()
        self.second.changed = True
        self.clock.pump([2, 2])
        self.assertEqual(self.reloads(), (1, 3))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)

    def test_stopped(self) -> None:
        """After the stop, which may come twice, no timer is left."""
        self.reloader.startService()
        self.reloader.stopService()
        self.reloader.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
