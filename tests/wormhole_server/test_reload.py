"""Tests of `wormhole_server.reload`."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.files import new_path
from wormhole_server.reload import Configuration, Outcome, Reloader
from wormhole_server.settings import Settings
from wormhole_server.sources import Flags, load


class LogCase(SynchronousTestCase):
    """A case that reads the log."""

    def setUp(self) -> None:
        """Nothing there yet."""
        self.events = self.enterContext(capturedLogs())
        self.seen = 0

    def logged(self) -> list[str]:
        """Each line with its level, since this was last asked."""
        lines = [
            f"{event['log_level'].name}: {formatEvent(event)}"
            for event in self.events[self.seen :]
            if event.get("log_namespace", "").startswith("wormhole_server")
        ]
        self.seen = len(self.events)
        return lines


class ConfigurationTests(LogCase):
    def setUp(self) -> None:
        """A server that was started with a file and a flag."""
        super().setUp()
        self.path = new_path(self)
        self.path.write_text('motd = "old"\n')
        self.taken: list[Settings] = []
        self.outcomes: list[Outcome] = []
        self.parts: list[Callable[[Settings], None]] = [self.taken.append]
        flags = Flags({"config": [str(self.path)], "signal-error": ["closed"]})
        self.configuration = Configuration(load(flags, {}), self.parts, self.outcomes.append)
        self.before = self.configuration.settings

    def reload(self, text: str) -> list[str]:
        """What the log says when the file has `text`."""
        self.path.write_text(text)
        self.logged()
        self.configuration.reload()
        return self.logged()

    def test_changed(self) -> None:
        """What has changed is handed on with all else that is in effect, and named without its value."""
        lines = self.reload('motd = "new"\nnameplate-expiry = "2h"\n')
        self.assertEqual(lines, ["info: Configuration: changed nameplate-expiry, motd."])
        (settings,) = self.taken
        self.assertEqual((settings.motd, settings.nameplate_expiry), ("new", 7200.0))
        self.assertEqual(settings.signal_error, "closed")
        self.assertIs(self.configuration.settings, settings)
        self.assertEqual(self.outcomes, [Outcome.OK])

    def test_unchanged(self) -> None:
        """A file that says the same changes nothing, and says so."""
        lines = self.reload('# The same.\nmotd = "old"\n')
        self.assertEqual(lines, ["info: Configuration: read again, nothing has changed."])
        self.assertEqual((self.taken, self.outcomes), ([], [Outcome.OK]))

    def test_back_to_the_default(self) -> None:
        """A line that is taken out puts its option back to the default."""
        self.reload("")
        self.assertIsNone(self.taken[-1].motd)

    def test_flag_wins(self) -> None:
        """A flag beats the file after a reload as it did before."""
        self.reload('motd = "old"\nsignal-error = "open"\n')
        self.assertEqual(self.taken, [])

    def test_bad(self) -> None:
        """One bad value keeps all that was in effect; each problem has its line."""
        lines = self.reload('motd = "new"\nnameplate-expiry = "soon"\ncolour = "red"\n')
        self.assertEqual(len(lines), 2)
        for line, word in zip(lines, ("colour", "nameplate-expiry"), strict=True):
            self.assertTrue(
                line.startswith(f"error: Configuration: kept what was in effect: {word} in "), line
            )
        self.assertEqual((self.taken, self.outcomes), ([], [Outcome.REFUSED]))
        self.assertIs(self.configuration.settings, self.before)

    def test_no_file(self) -> None:
        """A file that is not there any more keeps all that was in effect."""
        self.path.unlink()
        self.configuration.reload()
        (line,) = self.logged()
        self.assertIn("cannot be read", line)
        self.assertEqual((self.taken, self.outcomes), ([], [Outcome.REFUSED]))

    def test_conflict(self) -> None:
        """Values that do not go together are as bad as one that is wrong."""
        (line,) = self.reload('message-size-limit = "8MiB"\n')
        self.assertIn("kept what was in effect: send-buffer-limit: is smaller", line)
        self.assertEqual(self.taken, [])

    def test_needs_a_restart(self) -> None:
        """What cannot change while the server runs stays, is named, and keeps nothing else back."""
        lines = self.reload('motd = "new"\ndatabase = "postgresql://me:geheim@h/d"\n')
        self.assertEqual(
            lines,
            [
                "info: Configuration: changed motd.",
                "warn: Configuration: what is new for database takes effect at the next start.",
            ],
        )
        self.assertEqual(self.taken[-1].database, self.before.database)

    def test_named_until_the_restart(self) -> None:
        """What waits for a restart is named again at each reload, for it has not taken effect."""
        self.reload('motd = "old"\ntransit-link = "producer"\n')
        (line,) = self.reload('motd = "old"\ntransit-link = "producer"\n')
        self.assertIn("transit-link", line)

    def test_part_that_fails(self) -> None:
        """Where one part cannot take the settings, all have the old ones, and the log the traceback."""

        def refuse(settings: Settings) -> None:
            if settings.motd == "new":
                raise ZeroDivisionError

        self.parts.append(refuse)
        self.reload('motd = "new"\n')
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual([settings.motd for settings in self.taken], ["new", "old"])
        self.assertIs(self.configuration.settings, self.before)
        self.assertEqual(self.outcomes, [Outcome.REFUSED])

    def test_file_watched(self) -> None:
        """A change of the file is seen, and seen no more once it has been read."""
        self.path.write_text("# Other words.\n")
        self.configuration.has_changed()
        self.assertTrue(self.configuration.has_changed())
        self.configuration.reload()
        self.assertFalse(self.configuration.has_changed())

    def test_without_a_file(self) -> None:
        """A server without a file has nothing to watch, and a reload finds nothing new."""
        configuration = Configuration(load(Flags(), {}), self.parts, self.outcomes.append)
        self.assertFalse(configuration.has_changed())
        configuration.reload()
        self.assertEqual((self.taken, self.outcomes), ([], [Outcome.OK]))


class Thing:
    """Something that can be reloaded."""

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
        """Two things."""
        self.clock = Clock()
        self.first, self.second = Thing(), Thing()
        self.reloader = Reloader(self.clock, [self.first])
        self.reloader.add(self.second)

    def reloads(self) -> tuple[int, int]:
        """How often each was reloaded."""
        return self.first.reloads, self.second.reloads

    def test_changed(self) -> None:
        """What has changed is reloaded within seconds, and nothing else."""
        self.reloader.start()
        self.clock.advance(10)
        self.assertEqual(self.reloads(), (0, 0))
        self.second.changed = True
        self.clock.advance(2)
        self.assertEqual(self.reloads(), (0, 1))

    def test_told(self) -> None:
        """A reload that is asked for is of everything, changed or not."""
        self.reloader.reload()
        self.assertEqual(self.reloads(), (1, 1))

    def test_one_fails(self) -> None:
        """One that fails keeps neither the others nor the next look."""
        self.first.failure = ZeroDivisionError()
        self.reloader.reload()
        self.reloader.start()
        self.second.changed = True
        self.clock.pump([2, 2])
        self.assertEqual(self.reloads(), (1, 3))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)

    def test_stopped(self) -> None:
        """After the stop, which may come twice, no timer is left."""
        self.reloader.start()
        self.reloader.stop()
        self.reloader.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
