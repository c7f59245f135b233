"""
The errors that the operator has to fix before the server can serve.
"""

from __future__ import annotations

from collections.abc import Iterable


class ConfigurationError(Exception):
    """
    The configuration is invalid. Nothing was started and nothing was changed.

    :ivar problems: everything that is wrong, one line each: which option, its source, what is wrong
        and what to do.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class StartError(Exception):
    """
    The server cannot start, or a command cannot run: a port is in use, a database is missing or too new.

    The text is one line: what is wrong, why, and what to do.
    """


class DatabaseUnavailableError(StartError):
    """The database cannot be used at the moment; later it may be."""


class StartStoppedError(StartError):
    """The server was told to stop before its start was complete."""
