"""Tests of the word lists, against the reference client's."""

from twisted.trial.unittest import SynchronousTestCase
from wormhole._wordlist import PGPWordList  # type: ignore[import-untyped]

from wormhole_client.words import THREE_SYLLABLES, TWO_SYLLABLES, words_at


class WordTests(SynchronousTestCase):
    def test_complete(self) -> None:
        """Each list has 256 different words, none is in both, and all are lower case."""
        for words in (TWO_SYLLABLES, THREE_SYLLABLES):
            self.assertEqual(len(words), 256)
            self.assertEqual(len(set(words)), 256)
            self.assertTrue(all(word.isascii() and word.islower() for word in words))
        self.assertFalse(set(TWO_SYLLABLES) & set(THREE_SYLLABLES))

    def test_positions(self) -> None:
        """The first word after the nameplate has three syllables, the second two, and so on."""
        self.assertIs(words_at(0), THREE_SYLLABLES)
        self.assertIs(words_at(1), TWO_SYLLABLES)
        self.assertIs(words_at(2), THREE_SYLLABLES)

    def test_the_real_clients_words(self) -> None:
        """The real client completes a code with the same words in the same positions."""
        theirs = PGPWordList()
        for position, prefix in enumerate(["", "adroitness-", "adroitness-aardvark-"]):
            completions = theirs.get_completions(prefix, position + 1)
            self.assertEqual(
                {completion.split("-")[position] for completion in completions},
                set(words_at(position)),
            )
