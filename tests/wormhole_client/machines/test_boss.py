"""
Whole wormholes over a fake server and a fake clock: connections lost at every step, hostile servers,
journals, and how everything ends.
"""

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import Said, World
from wormhole_client.errors import (
    LonelyError,
    NoKeyError,
    OnlyOneCodeError,
    ProtocolError,
    ServerConnectionError,
    ServerError,
    WelcomeError,
    WormholeClosed,
    WormholeError,
    WormholeMood,
    WrongPasswordError,
)
from wormhole_client.wormhole import Wormhole


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.server = self.world.server

    def pair(self) -> tuple[Wormhole, Wormhole]:
        """Two wormholes that have the same code."""
        ours, theirs = self.world.wormhole("ours"), self.world.wormhole("theirs")
        ours.set_code("4-a-b")
        theirs.set_code("4-a-b")
        return ours, theirs

    def result(self, deferred: Deferred[Any]) -> Any:
        self.world.settle()
        return self.successResultOf(deferred)

    def error(self, deferred: Deferred[Any], kind: type[Exception]) -> Exception:
        self.world.settle()
        value = self.failureResultOf(deferred, kind).value
        assert isinstance(value, Exception)
        return value

    def finish(self, *wormholes: Wormhole) -> list[WormholeMood]:
        closing = [each.close() for each in wormholes]
        self.world.wait()
        return [self.successResultOf(each) for each in closing]


class ExchangeTests(Case):
    def test_exchange(self) -> None:
        """Two clients with one code exchange versions and messages."""
        ours, theirs = self.pair()
        ours.send_message(b"marco")
        theirs.send_message(b"polo")
        self.assertEqual(self.result(theirs.get_message()), b"marco")
        self.assertEqual(self.result(ours.get_message()), b"polo")
        self.assertEqual(self.result(ours.get_verifier()), self.result(theirs.get_verifier()))
        self.assertEqual(self.result(ours.get_versions()), {})
        self.assertEqual(ours.derive_key("x"), theirs.derive_key("x"))
        self.assertNotEqual(ours.derive_key("x"), ours.derive_key("y"))
        self.assertEqual(self.finish(ours, theirs), [WormholeMood.HAPPY, WormholeMood.HAPPY])
        self.assertEqual(self.server.moods, {"ours": "happy", "theirs": "happy"})
        self.assertEqual((self.server.nameplates, self.server.mailboxes), ({}, {}))
        self.assertEqual(self.server.links, [])

    def test_allocated(self) -> None:
        """A code is made of the server's nameplate and random words."""
        ours = self.world.wormhole("ours")
        ours.allocate_code(3)
        code = self.result(ours.get_code())
        self.assertEqual(code.split("-")[0], "1")
        self.assertEqual(len(code.split("-")), 4)

    def test_typed(self) -> None:
        """Typing claims the nameplate early; the peer's pake waits for the words."""
        theirs = self.world.wormhole("theirs")
        theirs.set_code("4-adroitness-zulu")
        ours = self.world.wormhole("ours")
        self.world.settle()
        helper = ours.input_code()
        self.world.settle()
        self.assertEqual(helper.nameplate_completions(""), ["4-"])
        helper.refresh_nameplates()
        helper.choose_nameplate("4")
        self.world.settle()
        self.assertIn("ours", self.server.nameplates.get("4", {}))
        helper.choose_words("adroitness-zulu")
        self.assertEqual(self.result(ours.get_code()), "4-adroitness-zulu")
        self.assertEqual(self.result(ours.get_verifier()), self.result(theirs.get_verifier()))

    def test_nothing_before_the_proof(self) -> None:
        """No application message leaves before the peer has proved that it has the code."""
        ours = self.world.wormhole("ours")
        ours.set_code("4-a-b")
        ours.send_message(b"secret")
        self.world.settle()
        self.assertEqual([said["phase"] for said in self.server.mailboxes["mailbox-4"]], ["pake"])

    def test_getters(self) -> None:
        """Getters may be called again and again, before and after."""
        ours, theirs = self.pair()
        early = [ours.get_verifier(), ours.get_verifier()]
        self.world.settle()
        late = ours.get_verifier()
        results = {self.result(each) for each in [*early, late]}
        self.assertEqual(len(results), 1)
        self.assertEqual(
            self.result(ours.get_unverified_key()), self.result(theirs.get_unverified_key())
        )
        self.assertEqual(self.result(ours.get_welcome()), {})

    def test_one_code(self) -> None:
        """One wormhole has one code, however it is chosen."""
        ours = self.world.wormhole("ours")
        ours.set_code("4-a-b")
        self.assertRaises(OnlyOneCodeError, ours.set_code, "4-a-b")
        self.assertRaises(OnlyOneCodeError, ours.allocate_code)
        self.assertRaises(OnlyOneCodeError, ours.input_code)

    def test_no_key(self) -> None:
        """Before the exchange no key can be derived."""
        self.assertRaises(NoKeyError, self.world.wormhole("ours").derive_key, "x")


class LostConnectionTests(Case):
    def exchange(self, cut_after: int) -> int:
        """Run an exchange whose connections are lost after so many messages; return how many there were."""
        self.setUp()
        ours, theirs = self.pair()
        delivered = 0
        moods: list[Deferred[WormholeMood]] = []
        said = (b"0", b"1")
        for wormhole in (ours, theirs):
            for message in said:
                wormhole.send_message(message)
        got = [wormhole.get_message() for wormhole in (ours, theirs, ours, theirs)]
        for _ in range(200):
            self.world.clock.advance(0)
            if delivered == cut_after:
                delivered += 1
                self.server.cut()
            elif self.server.deliver():
                delivered += 1
            elif not moods and all(each.called for each in got):
                moods = [ours.close(), theirs.close()]
            elif moods and all(each.called for each in moods):
                break
            else:
                self.world.clock.advance(1)
        self.assertEqual([self.successResultOf(each) for each in got], [b"0", b"0", b"1", b"1"])
        self.assertEqual([self.successResultOf(each) for each in moods], [WormholeMood.HAPPY] * 2)
        self.assertEqual((self.server.nameplates, self.server.mailboxes), ({}, {}))
        return delivered

    def test_cut_at_every_step(self) -> None:
        """Wherever both connections are lost, the exchange finishes and leaves an empty server."""
        steps = self.exchange(cut_after=-1)
        self.assertGreater(steps, 20)
        for step in range(steps):
            with self.subTest(step=step):
                self.exchange(cut_after=step)

    def test_a_server_that_stays_away(self) -> None:
        """Attempts go on until the server is back."""
        ours, theirs = self.pair()
        self.world.settle()
        self.server.up = False
        self.server.cut()
        ours.send_message(b"later")
        for _ in range(20):
            self.world.wait()
        self.server.up = True
        self.world.wait()
        self.assertEqual(self.result(theirs.get_message()), b"later")

    def test_never_claims_what_it_released(self) -> None:
        """After a release the nameplate is not claimed again, on whatever connection."""
        ours, theirs = self.pair()
        self.world.settle()
        self.server.log.clear()
        self.server.cut()
        self.world.wait()
        self.assertNotIn("claim", [said["type"] for _, said in self.server.log])
        self.assertEqual(self.finish(ours, theirs), [WormholeMood.HAPPY, WormholeMood.HAPPY])


class EndTests(Case):
    def test_lonely(self) -> None:
        """A close before the peer came is lonely, and fails what waits."""
        ours = self.world.wormhole("ours")
        ours.set_code("4-a-b")
        self.world.settle()
        waiting = ours.get_verifier()
        self.assertEqual(self.finish(ours), [WormholeMood.LONELY])
        self.error(waiting, LonelyError)
        self.assertEqual(self.server.moods, {"ours": "lonely"})

    def test_closed(self) -> None:
        """After a happy close, what waits fails with WormholeClosed, and no message can be sent."""
        ours, theirs = self.pair()
        self.world.settle()
        waiting = ours.get_message()
        self.assertEqual(self.finish(ours, theirs), [WormholeMood.HAPPY, WormholeMood.HAPPY])
        self.error(waiting, WormholeClosed)
        self.assertRaises(WormholeClosed, ours.send_message, b"late")
        self.assertRaises(WormholeClosed, ours.set_code, "4-a-b")
        self.assertEqual(self.finish(ours), [WormholeMood.HAPPY])

    def test_wrong_code(self) -> None:
        """Both ends notice a wrong code, close scared, and no message has left."""
        ours, theirs = self.world.wormhole("ours"), self.world.wormhole("theirs")
        ours.set_code("4-a-b")
        theirs.set_code("4-a-c")
        ours.send_message(b"secret")
        waiting = [ours.get_message(), theirs.get_message(), ours.get_verifier()]
        for each in waiting:
            self.error(each, WrongPasswordError)
        self.assertEqual(self.finish(ours, theirs), [WormholeMood.SCARY, WormholeMood.SCARY])
        phases = {said["phase"] for side, said in self.server.log if said["type"] == "add"}
        self.assertEqual(phases, {"pake", "version"})

    def test_closed_as_it_fails(self) -> None:
        """A close in the turn of a failure fails what waits with the reason of the failure."""
        ours, theirs = self.world.wormhole("ours"), self.world.wormhole("theirs")
        ours.set_code("4-a-b")
        theirs.set_code("4-a-c")
        waiting = ours.get_verifier()
        while ours._boss.error is None:
            self.world.clock.advance(0)
            self.server.deliver()
        ours.close()
        self.error(waiting, WrongPasswordError)

    def test_crowded(self) -> None:
        """A third client is refused, and leaves the two alone."""
        theirs = self.world.wormhole("theirs")
        theirs.set_code("4-a-b")
        guesser = self.world.wormhole("guesser")
        stopped = self.world.wormhole("third")
        guesser.set_code("4-x-y")
        stopped.set_code("4-a-b")
        error = self.error(stopped.get_verifier(), ServerError)
        self.assertEqual(str(error), "crowded")
        self.assertEqual(self.finish(stopped), [WormholeMood.ERRORY])

    def test_welcome_error(self) -> None:
        """The error of the welcome is reported in the operator's words."""
        self.server.welcome = {"error": "closed for repairs"}
        ours = self.world.wormhole("ours")
        ours.allocate_code()
        error = self.error(ours.get_code(), WelcomeError)
        self.assertEqual(str(error), "closed for repairs")
        self.assertEqual(self.finish(ours), [WormholeMood.ERRORY])

    def test_permission(self) -> None:
        """A permission that we cannot give is named; one of several that we need not give is fine."""
        self.server.welcome = {"permission-required": {"hashcash": {"bits": 6}}}
        self.assertIn(
            "hashcash", str(self.error(self.world.wormhole("a").get_code(), WelcomeError))
        )
        self.server.welcome = {"permission-required": {"hashcash": {"bits": 99, "resource": "r"}}}
        self.assertIn(
            "stamp of 99 bits", str(self.error(self.world.wormhole("b").get_code(), WelcomeError))
        )
        self.server.welcome = {"permission-required": {"none": {}, "hashcash": {}}}
        ours = self.world.wormhole("ours")
        ours.allocate_code()
        self.assertTrue(self.result(ours.get_code()))

    def test_no_server(self) -> None:
        """A first connection that fails is reported with its reason, and ends the wormhole."""
        self.server.up = False
        ours = self.world.wormhole("ours")
        error = self.error(ours.get_welcome(), ServerConnectionError)
        self.assertIn("the fake server is down", str(error))
        self.assertEqual(self.finish(ours), [WormholeMood.ERRORY])

    def test_closing_without_a_server(self) -> None:
        """A close waits for a server that is unavailable, or for the given time."""
        ours = self.world.wormhole("ours")
        ours.set_code("4-a-b")
        self.world.settle()
        self.server.up = False
        self.server.cut()
        patient, hasty = ours.close(), None
        self.world.wait()
        self.assertNoResult(patient)
        hasty = ours.close(within=5.0)
        self.world.wait(4.9)
        self.assertNoResult(hasty)
        self.world.wait(0.2)
        self.assertEqual(self.successResultOf(hasty), WormholeMood.LONELY)
        self.assertEqual(self.successResultOf(patient), WormholeMood.LONELY)

    def test_closed_in_time(self) -> None:
        """A limit that was not needed leaves no timer."""
        ours = self.world.wormhole("ours")
        closed = ours.close(within=5.0)
        self.assertEqual(self.result(closed), WormholeMood.LONELY)
        self.assertEqual(self.world.clock.getDelayedCalls(), [])


class HostileServerTests(Case):
    def garbage(self, text: bytes, kind: type[WormholeError]) -> None:
        ours = self.world.wormhole("ours")
        ours.set_code("4-a-b")
        self.world.settle()
        waiting = ours.get_verifier()
        self.server.links[-1].owner.received(text)
        self.error(waiting, kind)
        self.assertEqual(self.finish(ours), [WormholeMood.ERRORY])

    def test_garbage(self) -> None:
        """What is not the protocol ends the wormhole, in an orderly way."""
        self.garbage(b"garbage", ProtocolError)
        self.setUp()
        self.garbage(b'{"type": "message", "side": "s", "phase": "0", "body": "zz"}', ProtocolError)

    def test_an_error_while_closing(self) -> None:
        """A server that only answers with errors is left alone."""
        ours = self.world.wormhole("ours")
        ours.set_code("4-a-b")
        self.world.settle()
        self.server.twist = lambda said: [{"type": "error", "error": "no", "orig": {}}]
        self.assertEqual(self.finish(ours), [WormholeMood.LONELY])

    def test_a_strange_nameplate(self) -> None:
        """An allocation that is no number is no code."""
        self.server.twist = lambda said: [
            {**said, "nameplate": "x y"} if said["type"] == "allocated" else said
        ]
        ours = self.world.wormhole("ours")
        ours.allocate_code()
        self.error(ours.get_code(), ProtocolError)

    def test_everything_twice(self) -> None:
        """A server that repeats each message is still a server."""
        self.server.twist = lambda said: [said, said]
        self.talk()

    def test_replays_on_reconnect(self) -> None:
        """Messages that are replayed repeatedly are delivered once."""
        ours, theirs = self.talk()
        for _ in range(3):
            self.server.cut()
            self.world.wait()
        theirs.send_message(b"again")
        self.assertEqual(self.result(ours.get_message()), b"again")

    def test_reordered(self) -> None:
        """A server that turns the order of the mailbox around is still understood."""
        ours = self.world.wormhole("ours")
        ours.set_code("4-a-b")
        self.world.settle()
        held: list[Said] = []

        def hold(said: Said) -> list[Said]:
            if said["type"] == "message" and said["side"] == "theirs":
                held.insert(0, said)
                return []
            return [said]

        theirs = self.world.wormhole("theirs")
        theirs.set_code("4-a-b")
        theirs.send_message(b"0")
        self.server.twist = hold
        self.world.settle()
        self.server.twist = lambda said: [said]
        [link] = [each for each in self.server.links if each.side == "ours"]
        for said in held:
            link.owner.received(json.dumps(said).encode())
        self.assertEqual(self.result(ours.get_verifier()), self.result(theirs.get_verifier()))

    def test_a_stranger_in_the_mailbox(self) -> None:
        """Messages of a third side are dropped, and are not scary."""
        ours, theirs = self.talk()
        [link] = [each for each in self.server.links if each.side == "ours"]
        for phase in ("pake", "version", "5", "0"):
            stranger = {"type": "message", "side": "stranger", "phase": phase, "body": "00"}
            link.owner.received(json.dumps(stranger).encode())
        theirs.send_message(b"still")
        self.assertEqual(self.result(ours.get_message()), b"still")

    def test_a_changed_message(self) -> None:
        """A message that was changed on its way is scary."""
        ours, theirs = self.talk()

        def change(said: Said) -> list[Said]:
            if said["type"] == "message" and said["phase"] == "1":
                said["body"] = said["body"][:-2] + ("00" if said["body"][-2:] != "00" else "01")
            return [said]

        self.server.twist = change
        theirs.send_message(b"to be changed")
        self.error(ours.get_message(), WrongPasswordError)

    def test_nonsense_from_a_proven_peer(self) -> None:
        """Malformed versions of a peer with the right code are errory, not scary."""
        ours, theirs = self.world.wormhole("ours"), self.world.wormhole("theirs")
        theirs._boss.state.versions = [1]  # type: ignore[assignment]  # what no program of ours says
        ours.set_code("4-a-b")
        theirs.set_code("4-a-b")
        self.error(ours.get_versions(), ProtocolError)
        self.assertEqual(self.finish(ours, theirs)[0], WormholeMood.ERRORY)

    def talk(self) -> tuple[Wormhole, Wormhole]:
        ours, theirs = self.pair()
        theirs.send_message(b"hello")
        self.assertEqual(self.result(ours.get_message()), b"hello")
        return ours, theirs


class JournalTests(Case):
    def test_never_up_together(self) -> None:
        """Two programs, each up only while the other is not, finish an exchange."""
        states: dict[str, str] = {}
        got: dict[str, bytes] = {}
        done: dict[str, WormholeMood] = {}
        for turn in range(8):
            side = "ours" if turn % 2 == 0 else "theirs"
            if side in done:
                continue
            wormhole = self.world.wormhole(side, state=states.get(side))
            if side not in states:
                wormhole.set_code("4-a-b")
                wormhole.send_message(f"from {side}".encode())
            self.world.settle()
            if side not in got:
                message = wormhole.get_message()
                self.world.settle()
                if message.called:
                    got[side] = self.successResultOf(message)
                else:
                    message.addErrback(lambda _: None)
            if side in got and turn >= 4:
                [done[side]] = self.finish(wormhole)
                continue
            down = wormhole.shutdown()
            self.world.settle()
            states[side] = self.successResultOf(down)
            self.assertEqual(self.server.links, [])
        self.assertEqual(got, {"ours": b"from theirs", "theirs": b"from ours"})
        self.assertEqual(done, {"ours": WormholeMood.HAPPY, "theirs": WormholeMood.HAPPY})
        self.assertEqual((self.server.nameplates, self.server.mailboxes), ({}, {}))

    def test_written_before_it_is_said(self) -> None:
        """The journal holds everything before the server is told: a wormhole killed anywhere goes on."""
        for kill_after in range(12):
            with self.subTest(kill_after=kill_after):
                self.setUp()
                self.killed(kill_after)

    def killed(self, kill_after: int) -> None:
        journal: list[str] = []
        theirs = self.world.wormhole("theirs")
        theirs.set_code("4-a-b")
        theirs.send_message(b"marco")
        self.world.settle()
        ours = self.world.wormhole("ours", journal=journal.append)
        ours.set_code("4-a-b")
        ours.send_message(b"polo")
        for _ in range(kill_after):
            self.world.clock.advance(0)
            self.server.deliver()
        for link in [each for each in self.server.links if each.side in {"ours", ""}]:
            link.is_open = False  # as a killed process: nothing is said, nothing is heard
            self.server.gone(link)
        resumed = self.world.wormhole("ours", state=journal[-1])
        self.assertEqual(self.result(resumed.get_message()), b"marco")
        self.assertEqual(self.result(theirs.get_message()), b"polo")
        self.assertEqual(self.finish(resumed, theirs), [WormholeMood.HAPPY, WormholeMood.HAPPY])

    def test_taken_messages_do_not_come_again(self) -> None:
        """What the application was given is not given to the next process; the rest is."""
        journal: list[str] = []
        ours = self.world.wormhole("ours", journal=journal.append)
        theirs = self.world.wormhole("theirs")
        for each in (ours, theirs):
            each.set_code("4-a-b")
        for message in (b"0", b"1"):
            theirs.send_message(message)
        self.assertEqual(self.result(ours.get_message()), b"0")
        self.result(ours.shutdown())
        resumed = self.world.wormhole("ours", state=journal[-1])
        self.assertEqual(self.result(resumed.get_message()), b"1")

    def test_resumed_while_closing(self) -> None:
        """A close that was not confirmed is finished by the next process."""
        ours, theirs = self.pair()
        self.world.settle()
        self.server.up = False
        self.server.cut()
        ours.close()
        state = ours.state()
        ours._boss.leave()
        self.server.up = True
        resumed = self.world.wormhole("ours", state=state)
        self.assertEqual(self.finish(resumed, theirs), [WormholeMood.HAPPY, WormholeMood.HAPPY])
        self.assertEqual(self.server.mailboxes, {})

    def test_resumed_after_the_end(self) -> None:
        """A wormhole that was over is over."""
        ours, theirs = self.pair()
        self.world.settle()
        self.assertEqual(self.finish(ours, theirs), [WormholeMood.HAPPY, WormholeMood.HAPPY])
        resumed = self.world.wormhole("ours", state=ours.state())
        self.assertEqual(self.finish(resumed), [WormholeMood.HAPPY])
        self.assertEqual(self.server.links, [])

    def test_a_journal_that_fails(self) -> None:
        """When the journal cannot be written, no command is sent."""

        def full(_: str) -> None:
            raise OSError("disk full")

        ours = self.world.wormhole("ours", journal=full)
        self.error(ours.get_code(), WormholeError)
        self.assertEqual(self.server.log, [])
        self.assertTrue(self.flushLoggedErrors(OSError))
        self.assertEqual(self.finish(ours), [WormholeMood.ERRORY])
