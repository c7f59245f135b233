"""Tests of `wormhole_server.config.option`."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.config import kinds
from wormhole_server.config.option import Effect, Group, Option, options_of, setting


@attrs.frozen(kw_only=True)
class Example:
    """Two settings."""

    first_one: int = setting(kinds.number("a number", 1, 9), "A number.", default=5)
    others: tuple[str, ...] = setting(
        kinds.TEXT,
        "Texts.",
        default=(),
        many=True,
        effect=Effect.AT_ONCE,
        repr=lambda texts: f"{len(texts)} texts",
    )


class OptionTests(SynchronousTestCase):
    def setUp(self) -> None:
        """List the options of the example."""
        self.first, self.others = options_of(Example, Group.RELAY)

    def test_names(self) -> None:
        """An option has the same name as attribute, key, flag and variable, in the style of each."""
        self.assertEqual(self.first.name, "first-one")
        self.assertEqual(self.first.attribute, "first_one")
        self.assertEqual(self.first.flag, "--first-one")
        self.assertEqual(self.first.variable, "WORMHOLE_SERVER_FIRST_ONE")

    def test_described(self) -> None:
        """An option has the default, kind and effect that its declaration gives it."""
        self.assertEqual(
            self.others,
            Option("others", kinds.TEXT, (), Group.RELAY, "Texts.", True, Effect.AT_ONCE),
        )
        self.assertEqual((self.first.default, self.first.many), (5, False))

    def test_reloadable(self) -> None:
        """A value takes effect at the next start unless the declaration says otherwise."""
        self.assertFalse(self.first.reloadable)
        self.assertTrue(self.others.reloadable)
        self.assertTrue(attrs.evolve(self.first, effect=Effect.NEW_CONNECTIONS).reloadable)

    def test_values(self) -> None:
        """A settings class has typed attributes with these defaults, and the declared repr."""
        example = Example(others=("a", "b"))
        self.assertEqual((example.first_one, example.others), (5, ("a", "b")))
        self.assertEqual(repr(example), "Example(first_one=5, others=2 texts)")
