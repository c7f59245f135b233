"""
New values for a server that runs: on SIGHUP, and when files have changed.

Owns when files are read again, what becomes of a configuration that cannot be used (nothing: all that was
in effect stays), and what the log says of it. What the values mean is for the parts that take them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from wormhole_server.errors import ConfigurationError
from wormhole_server.option import Option
from wormhole_server.settings import OPTIONS, Settings, conflicts
from wormhole_server.sources import Loaded
from wormhole_server.watch import Watch

_log = Logger()

# A change counts at the second look that finds the same files: within four seconds. A look is a system
# call for each file.
_LOOK_SECONDS = 2.0


@enum.unique
class Outcome(enum.Enum):
    """What became of files that were read again. The values are metric labels."""

    OK = "ok"  # what they say is in effect
    REFUSED = "refused"  # something is wrong with them; what was in effect still is


class Reloadable(Protocol):
    """Something that was made from files, and can be made again."""

    def has_changed(self) -> bool:
        """Whether the files have, and nobody is writing them. Asked every few seconds."""

    def reload(self) -> None:
        """Read them, and use what they say; or leave all as it is, and log why."""


class Reloader:
    """Has each of `things` reloaded when its own files change, and all of them when it is told to."""

    def __init__(self, clock: IReactorTime, things: Sequence[Reloadable]) -> None:
        self._clock = clock
        self._things = list(things)
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Begin to look at the files."""
        self._timer = self._clock.callLater(_LOOK_SECONDS, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def add(self, thing: Reloadable) -> None:
        """Have `thing` reloaded as well."""
        self._things.append(thing)

    def reload(self) -> None:
        """Reload everything, now."""
        for thing in self._things:
            _contained(thing.reload)

    def _look(self) -> None:
        self.start()
        for thing in self._things:
            _contained(partial(_reload_if_changed, thing))


class Configuration:
    """
    The settings that are in effect; a `Reloadable`.

    :param parts: each takes all settings that are to be in effect, whether they concern it or not; it
        changes nothing of its own where it raises.
    :param told: hears how each reading ended.
    """

    def __init__(
        self,
        loaded: Loaded,
        parts: Sequence[Callable[[Settings], None]],
        told: Callable[[Outcome], None],
    ) -> None:
        self.settings = loaded.settings
        self._again = loaded.again
        self._parts = parts
        self._told = told
        path = loaded.settings.config
        self._watch = Watch([] if path is None else [path])

    def has_changed(self) -> bool:
        """See `Reloadable`."""
        return self._watch.has_changed()

    def reload(self) -> None:
        """See `Reloadable`."""
        self._watch.reading()
        try:
            self._take(self._again().settings)
        except ConfigurationError as error:
            for problem in error.problems:
                _log.error(
                    "Configuration: kept what was in effect: {problem}",
                    problem=problem,
                )
            self._told(Outcome.REFUSED)
        except Exception:
            _log.failure("Configuration: kept what was in effect: a part of the server failed.")
            self._told(Outcome.REFUSED)
        else:
            self._told(Outcome.OK)

    def _take(self, wanted: Settings) -> None:
        """:raises ConfigurationError: the values do not go together with those that cannot change."""
        changed = [each for each in OPTIONS if _differs(each, wanted, self.settings)]
        now = [each for each in changed if each.reloadable]
        later = [each for each in changed if not each.reloadable]
        settings = attrs.evolve(
            self.settings, **{each.attribute: getattr(wanted, each.attribute) for each in now}
        )
        if problems := [each.problem for each in conflicts(settings)]:
            raise ConfigurationError(problems)
        if now:
            self._hand_on(settings)
        if now:
            _log.info("Configuration: changed {names}.", names=_names(now))
        if later:
            _log.warn(
                "Configuration: what is new for {names} takes effect at the next start.",
                names=_names(later),
            )
        if not changed:
            _log.info("Configuration: read again, nothing has changed.")

    def _hand_on(self, settings: Settings) -> None:
        try:
            for part in self._parts:
                part(settings)
        except BaseException:
            # Those that have taken it go back; one that had not yet is given what it has.
            for part in self._parts:
                part(self.settings)
            raise
        self.settings = settings


def _reload_if_changed(thing: Reloadable) -> None:
    if thing.has_changed():
        thing.reload()


def _differs(option: Option, some: Settings, other: Settings) -> bool:
    return bool(getattr(some, option.attribute) != getattr(other, option.attribute))


def _names(options: Sequence[Option]) -> str:
    """Without their values: a password may be among them."""
    return ", ".join(each.name for each in options)


def _contained(act: Callable[[], object]) -> None:
    """One that fails does not keep the others, nor the timer."""
    try:
        act()
    except Exception:
        _log.failure("Files could not be looked at, or read again.")
