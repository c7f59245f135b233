"""Tests of `rendezvous.observer`."""

from __future__ import annotations

import inspect

from twisted.trial.unittest import SynchronousTestCase

from rendezvous.errors import ErrorKind
from rendezvous.observer import DropReason, RendezvousObserver, contained
from rendezvous.protocol.moods import Mood, Retired
from tests.rendezvous.fakes import FailingObserver, Recorder

METHODS = [name for name in vars(RendezvousObserver) if not name.startswith("_")]


def call(observer: RendezvousObserver, name: str) -> None:
    """Call a method, with None for each argument."""
    method = getattr(observer, name)
    method(*[None for _ in inspect.signature(getattr(RendezvousObserver, name)).parameters][1:])


class ContainedTests(SynchronousTestCase):
    """The wrapper that contains what an observer raises."""

    def test_passed_on(self) -> None:
        """Every report reaches the observer, with its values."""
        recorder = Recorder()
        observer = contained(recorder)
        observer.connected()
        observer.dropped(DropReason.SILENT)
        observer.error(ErrorKind.CROWDED)
        observer.answered(0.5)
        observer.retired(Retired(Mood.HAPPY))
        observer.batch_committed(7, 0.25)
        observer.expiry_failed()
        self.assertEqual(
            (recorder.connections, recorder.drops, recorder.errors, recorder.answers),
            (1, [DropReason.SILENT], [ErrorKind.CROWDED], [0.5]),
        )
        self.assertEqual((recorder.mailboxes, recorder.batches), ([Mood.HAPPY], [7]))
        self.assertEqual(recorder.counts, {"expiry_failed": 1})

    def test_contained(self) -> None:
        """Whichever method raises, its caller goes on, and the log has it once."""
        observer = contained(FailingObserver())
        for _ in range(3):
            for name in METHODS:
                call(observer, name)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), len(METHODS))

    def test_counted(self) -> None:
        """A method that raises is reported as an internal error, once."""

        class Half(Recorder):
            def connected(self) -> None:
                raise ZeroDivisionError

        recorder = Half()
        observer = contained(recorder)
        observer.connected()
        observer.connected()
        self.assertEqual(recorder.counts, {"internal_error": 1})
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_wrapped_once(self) -> None:
        """An observer that is contained already is not wrapped again."""
        observer = contained(RendezvousObserver())
        self.assertIs(contained(observer), observer)

    def test_does_nothing(self) -> None:
        """An observer that overrides nothing takes every report."""
        for name in METHODS:
            call(RendezvousObserver(), name)
