"""
What can go wrong before the server serves, in words for its operator. Owns the two exceptions.
"""

from __future__ import annotations

from collections.abc import Iterable


class ConfigurationError(Exception):
    """
    The configuration cannot be used. Nothing was started and nothing was changed.

    :ivar problems: everything that is wrong with it, one line each: which option, where it came
        from, what is wrong and what to do.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class StartError(Exception):
    """
    The server could not be started: a port in use, a database that is not there or too new.

    Its text is one line that says what, why and what to do.
    """
