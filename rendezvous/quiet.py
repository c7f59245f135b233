"""
A logger for Autobahn, which names peers in what it logs and counts a peer's fault as a warning.

Owns what becomes of Autobahn's log: errors of its own go to Twisted's log, everything else nowhere.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

_log = Logger()


class QuietLogger:
    """Has the methods of txaio's loggers that Autobahn calls."""

    def _nothing(self, *_: Any, **__: Any) -> None: ...

    trace = debug = info = warn = _nothing

    def error(self, *_: Any, **__: Any) -> None:
        """A fault, of a peer's or of Autobahn's; its text may name the peer."""
        _log.debug("Autobahn reports an error")

    critical = error

    def failure(self, *_: Any, failure: Any = None, **__: Any) -> None:
        """An exception, where Autobahn caught one."""
        _log.failure("an exception in Autobahn", failure)
