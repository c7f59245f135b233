"""Tests of the input of a code."""

from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.code_input import CodeInput
from wormhole_client.codes import Code
from wormhole_client.errors import BadCodeError, OnlyOneCodeError


class CodeInputTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.refreshed = 0
        self.claimed: list[str] = []
        self.chosen: list[Code] = []
        self.input = CodeInput(self.refresh, self.claimed.append, self.chosen.append)

    def refresh(self) -> None:
        self.refreshed += 1

    def test_steps(self) -> None:
        """The nameplate is claimed when it is complete; the words complete the code."""
        self.input.choose_nameplate("4")
        self.assertEqual((self.claimed, self.chosen), (["4"], []))
        self.input.choose_words("a-b")
        self.assertEqual(self.chosen, [Code("4", "a-b")])

    def test_completion(self) -> None:
        """Nameplates that the server listed, and words by their position."""
        self.assertEqual(self.input.nameplate_completions(""), [])
        self.input.refresh_nameplates()
        self.assertEqual(self.refreshed, 1)
        self.input.listed(frozenset({"4", "41", "5"}))
        self.assertEqual(self.input.nameplate_completions("4"), ["4-", "41-"])
        self.assertEqual(self.input.word_completions("adroitness-zu"), ["adroitness-zulu"])

    def test_mistakes(self) -> None:
        """A mistake is refused, and can be corrected."""
        self.assertRaises(BadCodeError, self.input.choose_words, "a-b")
        self.assertRaises(BadCodeError, self.input.choose_nameplate, "four")
        self.assertEqual(self.claimed, [])
        self.input.choose_nameplate("4")
        self.assertRaises(BadCodeError, self.input.choose_words, "a b")
        self.assertRaises(BadCodeError, self.input.choose_words, "")
        self.input.choose_words("a-b")
        self.assertEqual(len(self.chosen), 1)

    def test_only_one(self) -> None:
        """Neither part can be chosen twice."""
        self.input.choose_nameplate("4")
        self.assertRaises(OnlyOneCodeError, self.input.choose_nameplate, "5")
        self.input.choose_words("a-b")
        self.assertRaises(OnlyOneCodeError, self.input.choose_words, "c-d")
        self.assertEqual((self.claimed, len(self.chosen)), (["4"], 1))
