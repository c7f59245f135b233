"""Tests of the choice of the code."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import Recorder, new_state
from wormhole_client.codes import Code
from wormhole_client.errors import OnlyOneCodeError, ProtocolError
from wormhole_client.machines.code import CodeChoice
from wormhole_client.machines.state import WormholeState


class CodeChoiceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.recorder = Recorder()
        self.claimed: list[str] = []
        self.chosen: list[str] = []
        self.state = new_state()
        self.choice = self.make(self.state)

    def make(self, state: WormholeState) -> CodeChoice:
        owner: Any = SimpleNamespace(
            claim=self.claimed.append, got_code=lambda code: self.chosen.append(str(code))
        )
        choice = CodeChoice(
            state,
            nullcontext(),
            self.recorder.send,
            lambda count: "-".join(["word"] * count),
            owner,
        )
        for machine in (choice.allocator, choice.lister):
            machine.connected()
        return choice

    def test_allocated(self) -> None:
        """The server's nameplate and so many random words make the code."""
        self.choice.allocate(3)
        self.assertEqual(self.recorder.take(), [{"type": "allocate"}])
        self.choice.allocator.answered("4")
        self.assertEqual(self.chosen, ["4-word-word-word"])

    def test_resumed(self) -> None:
        """An allocation is in the state until it is answered, and another process goes on with it."""
        self.choice.allocate(3)
        self.assertEqual(self.state.words_to_choose, 3)
        self.recorder.take()
        resumed = self.make(WormholeState.load(self.state.dump()))
        self.assertRaises(OnlyOneCodeError, resumed.allocate, 2)
        resumed.resume()
        self.assertEqual(self.recorder.take(), [{"type": "allocate"}])
        resumed.allocator.answered("4")
        self.assertEqual(self.chosen, ["4-word-word-word"])
        self.choice.allocator.answered("5")
        self.assertEqual(self.state.words_to_choose, 0)

    def test_nothing_to_resume(self) -> None:
        """Where no allocation was begun, none is resumed."""
        self.choice.resume()
        self.assertEqual(self.recorder.take(), [])

    def test_not_a_number(self) -> None:
        """A nameplate that is not a number is a fault of the server."""
        self.choice.allocate(2)
        self.assertRaises(ProtocolError, self.choice.allocator.answered, "four")
        self.assertEqual(self.chosen, [])

    def test_given(self) -> None:
        """A code of the application asks the server for nothing."""
        self.choice.set_code(Code.parse("4-a-b"))
        self.assertEqual((self.chosen, self.recorder.take()), (["4-a-b"], []))

    def test_typed(self) -> None:
        """The nameplate is claimed before the words are typed, and completed from the server's list."""
        code_input = self.choice.input_code()
        self.assertEqual(self.recorder.take(), [{"type": "list"}])
        self.choice.lister.answered(frozenset({"4", "40", "5"}))
        self.assertEqual(code_input.nameplate_completions("4"), ["4-", "40-"])
        code_input.choose_nameplate("4")
        self.assertEqual((self.claimed, self.chosen), (["4"], []))
        code_input.refresh_nameplates()
        self.assertEqual(self.recorder.take(), [{"type": "list"}])
        code_input.choose_words("a-b")
        self.assertEqual(self.chosen, ["4-a-b"])

    def test_only_one(self) -> None:
        """A second choice is refused, also in a wormhole that was resumed with its code."""
        self.choice.input_code()
        begun = new_state()
        begun.code = "4-a-b"
        for choice in (self.choice, self.make(begun)):
            self.recorder.take()
            self.assertRaises(OnlyOneCodeError, choice.allocate, 2)
            self.assertRaises(OnlyOneCodeError, choice.set_code, Code.parse("4-a-b"))
            self.assertRaises(OnlyOneCodeError, choice.input_code)
            self.assertEqual((self.recorder.take(), self.chosen), ([], []))
