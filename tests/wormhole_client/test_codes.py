"""Tests of codes: their syntax, random words and completions."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.codes import (
    Code,
    check_nameplate,
    choose_words,
    complete_nameplate,
    complete_words,
)
from wormhole_client.errors import BadCodeError


class ParseTests(SynchronousTestCase):
    def test_parts(self) -> None:
        """A code is a number, a dash, and the rest; put together it is the same text."""
        code = Code.parse("4-purple-sausages")
        self.assertEqual((code.nameplate, code.words), ("4", "purple-sausages"))
        self.assertEqual(str(code), "4-purple-sausages")

    def test_refused(self) -> None:
        """Spaces, letters for a nameplate, other digits, and missing words are refused."""
        for text in ("", "4", "4-", "-purple", "x-purple", "4 purple", "4-a b", "４-a", "٤-a"):
            with self.subTest(text=text):
                self.assertRaises(BadCodeError, Code.parse, text)

    def test_longest_nameplate(self) -> None:
        """Forty digits are a nameplate, more are not."""
        self.assertEqual(check_nameplate("1" * 40), "1" * 40)
        self.assertRaises(BadCodeError, check_nameplate, "1" * 41)

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Any text is either a code that reads the same, or refused."""
        try:
            code = Code.parse(text)
        except BadCodeError:
            return
        self.assertEqual(str(code), text)


class ChooseTests(SynchronousTestCase):
    def test_alternating(self) -> None:
        """Words alternate between the lists, chosen by the given chance."""

        def last(words: Sequence[str]) -> str:
            return words[-1]

        self.assertEqual(choose_words(3, last), "yucatan-zulu-yucatan")


class CompletionTests(SynchronousTestCase):
    def test_nameplates(self) -> None:
        """Nameplates that begin as typed, the shortest first."""
        self.assertEqual(complete_nameplate("1", ["12", "3", "1", "100"]), ["1-", "12-", "100-"])

    def test_first_word(self) -> None:
        """A first word is completed with its dash, since one more follows."""
        self.assertEqual(complete_words("ado"), [])
        self.assertEqual(complete_words("adr"), ["adroitness-"])

    def test_last_word(self) -> None:
        """The last word comes from the other list, without a dash; upper case is taken too."""
        self.assertEqual(complete_words("adroitness-Zu"), ["adroitness-zulu"])

    def test_longer(self) -> None:
        """A code with three words or more is completed too."""
        self.assertEqual(complete_words("adroitness-zulu-adr"), ["adroitness-zulu-adroitness"])
        self.assertEqual(complete_words("adroitness-zulu-adroitness-zu")[0][-5:], "-zulu")
