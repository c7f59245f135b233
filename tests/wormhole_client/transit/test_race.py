"""Tests of the race: every way to win, to lose and to end it."""

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.transit.race import NoConnectionError, Race


class RaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.race = Race[str](self.clock)
        self.cancelled: list[str] = []

    def attempt(self, name: str) -> Deferred[str]:
        return Deferred(lambda _: self.cancelled.append(name))

    def test_the_first_wins(self) -> None:
        """The first to succeed is the result; all others are cancelled, begun or not."""
        slow, fast = self.attempt("slow"), self.attempt("fast")
        begun: list[str] = []
        self.race.enter(slow)
        self.race.enter(fast)

        def begin() -> Deferred[str]:
            begun.append("late")
            return succeed("late")

        self.race.enter_later(2.0, begin)
        fast.callback("fast")
        self.assertEqual(self.successResultOf(self.race.result), "fast")
        self.clock.advance(10)
        self.assertEqual((self.cancelled, begun), (["slow"], []))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_canceller_that_raises(self) -> None:
        """An attempt that cannot be cancelled is logged; the race has its winner, and ends the others."""

        def mistake(_: Deferred[str]) -> None:
            raise ZeroDivisionError

        broken, winner, slow = Deferred[str](mistake), self.attempt("winner"), self.attempt("slow")
        for attempt in (broken, winner, slow):
            self.race.enter(attempt)
        winner.callback("winner")
        self.assertEqual(self.successResultOf(self.race.result), "winner")
        self.assertEqual(self.cancelled, ["slow"])
        self.race.enter(Deferred(mistake))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_at_once(self) -> None:
        """An attempt that has succeeded already wins as it enters."""
        self.race.enter_later(0, lambda: succeed("a"))
        self.assertEqual(self.successResultOf(self.race.result), "a")

    def test_later(self) -> None:
        """An attempt begins after its delay, not before."""
        attempt = self.attempt("a")
        begun: list[str] = []

        def begin() -> Deferred[str]:
            begun.append("a")
            return attempt

        self.race.enter_later(2.0, begin)
        self.clock.advance(1.9)
        self.assertEqual(begun, [])
        self.clock.advance(0.1)
        self.assertEqual(begun, ["a"])
        attempt.callback("won")
        self.assertEqual(self.successResultOf(self.race.result), "won")

    def test_a_cancelled_attempt_that_succeeds(self) -> None:
        """A loser that fires when it is cancelled does not win."""
        stubborn: Deferred[str] = Deferred(lambda pending: pending.callback("too late"))
        self.race.enter(stubborn)
        self.race.enter(succeed("won"))
        self.assertEqual(self.successResultOf(self.race.result), "won")

    def test_too_late(self) -> None:
        """An attempt that enters after the end is cancelled at once, or is not begun."""
        self.race.enter(succeed("won"))
        late = self.attempt("late")
        self.race.enter(late)
        self.race.enter_later(0, lambda: self.attempt("never begun"))
        self.race.enter_later(1, lambda: self.attempt("never begun"))
        self.assertEqual(self.cancelled, ["late"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_all_fail(self) -> None:
        """When all have failed, the race fails with the first failure, of whichever attempt."""
        one, two = self.attempt("one"), self.attempt("two")
        self.race.enter(one)
        self.race.enter(two)
        self.race.close()
        two.errback(ValueError("first"))
        self.assertNoResult(self.race.result)
        one.errback(KeyError("second"))
        self.failureResultOf(self.race.result, ValueError)

    def test_a_failure_is_not_the_end(self) -> None:
        """As long as somebody runs, waits, or may still enter, the race goes on."""
        first = self.attempt("first")
        self.race.enter(first)
        first.errback(ValueError())
        self.assertNoResult(self.race.result)
        self.race.enter_later(2.0, lambda: succeed("late"))
        self.race.close()
        self.assertNoResult(self.race.result)
        self.clock.advance(2.0)
        self.assertEqual(self.successResultOf(self.race.result), "late")

    def test_nobody(self) -> None:
        """A race without an attempt fails with that reason."""
        self.race.close()
        self.failureResultOf(self.race.result, NoConnectionError)
        self.race.close()

    def test_given_up(self) -> None:
        """Giving up cancels the attempts, and fails with the first failure if there was one."""
        self.race.enter(self.attempt("running"))
        self.race.give_up(NoConnectionError("too long"))
        self.assertEqual(self.cancelled, ["running"])
        self.failureResultOf(self.race.result, NoConnectionError)
        self.race.give_up(ValueError())
        race = Race[str](self.clock)
        failed: Deferred[str] = Deferred()
        race.enter(failed)
        failed.errback(ValueError())
        race.give_up(NoConnectionError("too long"))
        self.failureResultOf(race.result, ValueError)

    def test_cancelled(self) -> None:
        """Cancelling the result ends the race."""
        self.race.enter(self.attempt("running"))
        self.race.enter_later(1.0, lambda: self.attempt("waiting"))
        self.race.result.cancel()
        self.failureResultOf(self.race.result, CancelledError)
        self.assertEqual(self.cancelled, ["running"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
