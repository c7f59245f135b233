"""Tests of the Nameplate machine: each state offline and online, and untimely answers."""

from types import SimpleNamespace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import Recorder, new_state
from wormhole_client.machines.nameplate import NameplateCore, NameplateMachine, nameplate_machine
from wormhole_client.machines.state import NameplateStage

CLAIM = {"type": "claim", "nameplate": "4"}
RELEASE = {"type": "release", "nameplate": "4"}


class NameplateTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.recorder = Recorder()
        self.state = new_state()
        self.found: list[str] = []
        self.done = 0
        self.machine = self.build()

    def build(self) -> NameplateMachine:
        owner: Any = SimpleNamespace(got_mailbox=self.found.append, nameplate_done=self.count)
        return nameplate_machine(NameplateCore(self.state, self.recorder.send, owner))

    def count(self) -> None:
        self.done += 1

    def sent(self) -> list[dict[str, object]]:
        return self.recorder.take()

    def test_online(self) -> None:
        """Chosen, claimed, released: one command each, then done."""
        self.machine.connected()
        self.assertEqual(self.sent(), [])
        self.machine.choose("4")
        self.assertEqual(self.sent(), [CLAIM])
        self.machine.claimed("mb")
        self.assertEqual((self.sent(), self.found), ([], ["mb"]))
        self.machine.release()
        self.assertEqual((self.sent(), self.done), ([RELEASE], 0))
        self.machine.released()
        self.assertEqual((self.sent(), self.done), ([], 1))
        self.assertIs(self.state.nameplate_stage, NameplateStage.DONE)

    def test_chosen_offline(self) -> None:
        """What was chosen while offline is claimed on connecting, and again after a loss."""
        self.machine.choose("4")
        self.assertEqual(self.sent(), [])
        self.machine.connected()
        self.assertEqual(self.sent(), [CLAIM])
        self.machine.lost()
        self.machine.connected()
        self.assertEqual(self.sent(), [CLAIM])
        self.machine.claimed("mb")
        self.machine.lost()
        self.machine.connected()
        self.assertEqual(self.sent(), [])

    def test_released_offline(self) -> None:
        """A release is sent on every connection until it is confirmed, and no claim follows it."""
        self.machine.choose("4")
        self.machine.connected()
        self.machine.claimed("mb")
        self.machine.lost()
        self.machine.release()
        self.sent()
        for _ in range(2):
            self.machine.connected()
            self.assertEqual(self.sent(), [RELEASE])
            self.machine.lost()
        self.machine.connected()
        self.machine.released()
        self.machine.lost()
        self.machine.connected()
        self.assertEqual((self.sent(), self.done), ([RELEASE], 1))

    def test_released_while_claiming(self) -> None:
        """A release before the answer to the claim is sent; that answer is then ignored."""
        for online in (True, False):
            with self.subTest(online=online):
                self.setUp()
                self.machine.choose("4")
                self.machine.connected()
                if not online:
                    self.machine.lost()
                self.machine.release()
                if not online:
                    self.machine.connected()
                self.machine.claimed("mb")
                self.assertEqual(self.sent(), [CLAIM, RELEASE])
                self.assertEqual(self.found, [])

    def test_nothing_to_release(self) -> None:
        """A nameplate that was never chosen is done at once, in either column."""
        self.machine.release()
        self.assertEqual(self.done, 1)
        self.setUp()
        self.machine.connected()
        self.machine.release()
        self.machine.choose("4")
        self.assertEqual((self.done, self.sent()), (1, []))

    def test_first_choice_counts(self) -> None:
        """A second choice is ignored."""
        self.machine.choose("4")
        self.machine.choose("5")
        self.machine.connected()
        self.machine.choose("5")
        self.assertEqual(self.sent(), [CLAIM])

    def test_repeated_answers(self) -> None:
        """Answers that are repeated or not asked for are ignored."""
        self.machine.connected()
        self.machine.claimed("x")
        self.machine.released()
        self.machine.choose("4")
        self.machine.released()
        self.machine.claimed("mb")
        self.machine.claimed("other")
        self.machine.released()
        self.assertEqual((self.found, self.done), (["mb"], 0))
        self.machine.release()
        self.machine.released()
        self.machine.released()
        self.assertEqual(self.done, 1)

    def test_resumed(self) -> None:
        """A machine goes on at the stage that the memory tells, offline."""
        for stage, expected in [
            (NameplateStage.UNKNOWN, []),
            (NameplateStage.CLAIMING, [CLAIM]),
            (NameplateStage.CLAIMED, []),
            (NameplateStage.RELEASING, [RELEASE]),
            (NameplateStage.DONE, []),
        ]:
            with self.subTest(stage=stage):
                self.setUp()
                self.state.nameplate = "4"
                self.state.nameplate_stage = stage
                machine = self.build()
                machine.connected()
                self.assertEqual(self.sent(), expected)


ORDER = list(NameplateStage)


class AnyOrder(RuleBasedStateMachine):
    """In any order of inputs no exception is raised, no stage goes back, and no command is sent offline."""

    def __init__(self) -> None:
        super().__init__()
        self.recorder = Recorder()
        self.state = new_state()
        self.done = 0
        self.online = False
        self.stage = 0
        owner: Any = SimpleNamespace(got_mailbox=lambda _: None, nameplate_done=self.count)
        core = NameplateCore(self.state, self.recorder.send, owner)
        self.machine = nameplate_machine(core)

    def count(self) -> None:
        self.done += 1

    @precondition(lambda self: not self.online)
    @rule()
    def connect(self) -> None:
        self.online = True
        self.machine.connected()

    @precondition(lambda self: self.online)
    @rule()
    def lose(self) -> None:
        self.online = False
        self.machine.lost()

    @rule(number=st.sampled_from(["4", "5"]))
    def choose(self, number: str) -> None:
        self.machine.choose(number)

    @rule()
    def claimed(self) -> None:
        self.machine.claimed("mb")

    @rule()
    def release(self) -> None:
        self.machine.release()

    @rule()
    def released(self) -> None:
        self.machine.released()

    @invariant()
    def forwards(self) -> None:
        stage = ORDER.index(self.state.nameplate_stage)
        assert stage >= self.stage
        self.stage = stage
        sent = self.recorder.take()
        assert self.online or not sent
        assert self.done == (self.state.nameplate_stage is NameplateStage.DONE)


AnyOrder.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestAnyOrder = AnyOrder.TestCase
