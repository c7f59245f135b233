"""Exchanges over a real server that is killed and started again, and between programs that never meet."""

import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.end_to_end import client_journal_program
from tests.end_to_end.client_processes import run_together, servers
from wormhole_client import ServerError, Wormhole, WormholeMood, create

STEPS = ("welcomed", "coded", "paired", "verified", "sent", "received", "closing")


class KilledServerTests(TestCase):
    timeout = 120

    def killed_at(self, step: str) -> Deferred[None]:
        return Deferred.fromCoroutine(self._killed_at(step))

    async def _killed_at(self, step: str) -> None:
        with servers() as running:

            async def reached(now: str) -> None:
                if now == step:
                    running.kill()
                    running.start()

            await self._exchange(running.relay_url, reached)

    async def _exchange(self, url: str, reached: Callable[[str], Awaitable[None]]) -> None:
        ours, theirs = create("e2e", url, reactor), create("e2e", url, reactor)
        await gatherResults([ours.get_welcome(), theirs.get_welcome()])
        await reached("welcomed")
        ours.allocate_code()
        code = await ours.get_code()
        await reached("coded")
        theirs.set_code(code)
        await theirs.get_unverified_key()
        await reached("paired")
        self.assertEqual(await ours.get_verifier(), await theirs.get_verifier())
        await reached("verified")
        for number in range(3):
            ours.send_message(b"%d" % number)
        theirs.send_message(b"reply")
        await reached("sent")
        got = [await theirs.get_message() for _ in range(3)]
        self.assertEqual(got, [b"0", b"1", b"2"])
        self.assertEqual(await ours.get_message(), b"reply")
        await reached("received")
        closing = [ours.close(), theirs.close()]
        await reached("closing")
        self.assertEqual(await gatherResults(closing), [WormholeMood.HAPPY, WormholeMood.HAPPY])

    def test_guessing(self) -> Deferred[None]:
        """A third client is refused while two share a nameplate, and the two go on."""
        return Deferred.fromCoroutine(self._guess())

    async def _guess(self) -> None:
        with servers() as running:
            url = running.relay_url
            # Two that are on one nameplate and have not met: the second has no words yet.
            ours, theirs, guesser = (create("e2e", url, reactor) for _ in range(3))
            ours.set_code("7-a-b")
            await ours.get_welcome()
            helper = theirs.input_code()
            helper.choose_nameplate("7")
            await theirs.get_welcome()
            await _until_claimed(theirs)
            guesser.set_code("7-c-d")
            error = await self.assertFailure(guesser.get_unverified_key(), ServerError)
            self.assertEqual(str(error), "crowded")
            helper.choose_words("a-b")
            self.assertEqual(await ours.get_verifier(), await theirs.get_verifier())
            closing = [each.close() for each in (ours, theirs, guesser)]
            self.assertEqual(
                await gatherResults(closing),
                [WormholeMood.HAPPY, WormholeMood.HAPPY, WormholeMood.ERRORY],
            )


async def _until_claimed(wormhole: Wormhole) -> None:
    boss = wormhole._boss
    while boss.state.mailbox is None:
        waited: Deferred[None] = Deferred()
        reactor.callLater(0.01, waited.callback, None)
        await waited


def _add(step: str) -> None:
    def test(self: KilledServerTests) -> Deferred[None]:
        return self.killed_at(step)

    test.__doc__ = f"The server is killed and started again when the clients are {step}."
    setattr(KilledServerTests, f"test_killed_when_{step}", test)


for _step in STEPS:
    _add(_step)


class JournalTests(SynchronousTestCase):
    def test_never_up_together(self) -> None:
        """Two programs, of which one has ended before the other begins, finish an exchange."""
        with servers() as running, tempfile.TemporaryDirectory() as directory:
            said = {"a": "", "b": ""}
            for _ in range(4):
                for name in [name for name, already in said.items() if not already]:
                    state = str(Path(directory) / f"{name}.state")
                    [outcome] = run_together(
                        [
                            sys.executable,
                            "-m",
                            client_journal_program.__name__,
                            state,
                            running.relay_url,
                            "9-a-b",
                            f"from {name}",
                        ]
                    )
                    self.assertEqual(outcome.status, 0, outcome.err)
                    said[name] = outcome.out.strip()
            self.assertEqual(said, {"a": "happy from b", "b": "happy from a"})
