"""Tests of the waiting that keeps cancellations and failures apart."""

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.error import ConnectingCancelledError
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.cancellation import until_done


class UntilDoneTests(SynchronousTestCase):
    def test_results(self) -> None:
        """A result and a failure are passed on, whether they come at once or later."""
        for later in (False, True):
            with self.subTest(later=later):
                first: Deferred[int] = Deferred()
                second: Deferred[int] = Deferred()

                async def wait(work: Deferred[int]) -> int:
                    return await work

                if not later:
                    first.callback(1)
                    second.errback(ValueError("no"))
                result = Deferred.fromCoroutine(until_done(wait(first)))
                failure = Deferred.fromCoroutine(until_done(wait(second)))
                if later:
                    first.callback(1)
                    second.errback(ValueError("no"))
                self.assertEqual(self.successResultOf(result), 1)
                self.failureResultOf(failure, ValueError)

    def test_cancelled(self) -> None:
        """Whatever cancelled work raises, or returns, its caller gets CancelledError."""
        for error in (ConnectingCancelledError(None), ValueError("no"), SystemExit(1), None):
            with self.subTest(error=error):

                async def work(error: BaseException | None = error) -> None:
                    try:
                        await Deferred()
                    except CancelledError:
                        if error is not None:
                            raise error from None

                running = Deferred.fromCoroutine(until_done(work()))
                running.cancel()
                self.failureResultOf(running, CancelledError)

    def test_gathered(self) -> None:
        """So it does when the work gathers results, which has an error of its own for the first failure."""

        async def work() -> None:
            await gatherResults([Deferred[None]()], consumeErrors=True)

        running = Deferred.fromCoroutine(until_done(work()))
        running.cancel()
        self.failureResultOf(running, CancelledError)

    def test_cleaned_up(self) -> None:
        """The caller goes on when the cancelled work has cleaned up; a second cancellation does not wait."""
        for impatient in (False, True):
            with self.subTest(impatient=impatient):
                cleaning: Deferred[None] = Deferred()

                async def work(cleaning: Deferred[None] = cleaning) -> None:
                    try:
                        await Deferred()
                    finally:
                        await cleaning

                running = Deferred.fromCoroutine(until_done(work()))
                running.cancel()
                self.assertNoResult(running)
                if impatient:
                    running.cancel()
                    self.failureResultOf(running, CancelledError)
                cleaning.callback(None)
                if not impatient:
                    self.failureResultOf(running, CancelledError)
