"""
The reload: new values for a running server, on SIGHUP and when files have changed.

Owns when files are read again, the log lines about it, and that a configuration that cannot be used changes
nothing. What the values mean is up to the parts that take them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from wormhole_server.config.option import Option
from wormhole_server.config.settings import OPTIONS, Settings, conflicts
from wormhole_server.config.sources import Loaded
from wormhole_server.errors import ConfigurationError
from wormhole_server.lifecycle.file_watch import FileWatch
from wormhole_twisted.timer import RepeatingTimer

_log = Logger()

# A change counts at the second check that finds the same files, so within four seconds. A check is a
# system call for each file.
_CHECK_SECONDS = 2.0


@enum.unique
class ReloadOutcome(enum.Enum):
    """The result of reading files again. The values are metric labels."""

    OK = "ok"  # the new values are in effect
    REFUSED = "refused"  # the new values cannot be used; the previous ones are still in effect


class Reloadable(Protocol):
    """Something that was read from files, and can be read again."""

    def has_changed(self) -> bool:
        """Whether its files have changed completely. Called every few seconds."""

    def reload(self) -> None:
        """Read the files and use them; or change nothing, and log why."""


class Reloader(RepeatingTimer):
    """
    Reloads each of `reloadables` when its files change, and all of them on request.

    An exception in one of them is logged, and does not keep the others from being reloaded.
    """

    def __init__(self, clock: IReactorTime, reloadables: Sequence[Reloadable]) -> None:
        super().__init__(clock, _CHECK_SECONDS, self._check)
        self._reloadables = list(reloadables)

    def add(self, reloadable: Reloadable) -> None:
        """Reload this one as well."""
        self._reloadables.append(reloadable)

    def reload(self) -> None:
        """Reload all of them now."""
        for each in self._reloadables:
            _contain(each.reload)

    def _check(self) -> None:
        for each in self._reloadables:
            _contain(partial(_reload_if_changed, each))


class ReloadableSettings:
    """
    The settings in effect; a `Reloadable`.

    :param parts: each is called with all settings when some of them change. One that raises must have
        changed nothing.
    :param reloaded: called with the outcome of each reload.
    """

    def __init__(
        self,
        loaded: Loaded,
        parts: Sequence[Callable[[Settings], None]],
        reloaded: Callable[[ReloadOutcome], None],
    ) -> None:
        self.settings = loaded.settings
        self._load_again = loaded.again
        self._parts = parts
        self._reloaded = reloaded
        path = loaded.settings.config
        self._watch = FileWatch([] if path is None else [path])

    def has_changed(self) -> bool:
        """See `Reloadable`."""
        return self._watch.has_changed()

    def reload(self) -> None:
        """See `Reloadable`."""
        self._watch.files_read()
        try:
            self._apply(self._load_again().settings)
        except ConfigurationError as error:
            for problem in error.problems:
                _log.error(
                    "Configuration: kept the previous values: {problem}",
                    problem=problem,
                )
            self._reloaded(ReloadOutcome.REFUSED)
        except Exception:
            _log.failure("Configuration: kept the previous values: a part of the server failed.")
            self._reloaded(ReloadOutcome.REFUSED)
        else:
            self._reloaded(ReloadOutcome.OK)

    def _apply(self, wanted: Settings) -> None:
        """:raises ConfigurationError: the values contradict values that cannot change until a restart."""
        changed = [each for each in OPTIONS if _differs(each, wanted, self.settings)]
        now = [each for each in changed if each.reloadable]
        later = [each for each in changed if not each.reloadable]
        settings = attrs.evolve(
            self.settings, **{each.attribute: getattr(wanted, each.attribute) for each in now}
        )
        if problems := [each.problem for each in conflicts(settings)]:
            raise ConfigurationError(problems)
        if now:
            self._distribute(settings)
            _log.info("Configuration: changed {names}.", names=_names(now))
        if later:
            _log.warn(
                "Configuration: restart the server to apply the new values of {names}.",
                names=_names(later),
            )
        if not changed:
            _log.info("Configuration: reloaded, no value has changed.")

    def _distribute(self, settings: Settings) -> None:
        try:
            for part in self._parts:
                part(settings)
        except BaseException:
            # Back to the previous settings, also for parts that did not get the new ones.
            for part in self._parts:
                part(self.settings)
            raise
        self.settings = settings


def _reload_if_changed(reloadable: Reloadable) -> None:
    if reloadable.has_changed():
        reloadable.reload()


def _differs(option: Option, some: Settings, other: Settings) -> bool:
    return bool(getattr(some, option.attribute) != getattr(other, option.attribute))


def _names(options: Sequence[Option]) -> str:
    """The names alone: a password may be among the values."""
    return ", ".join(each.name for each in options)


def _contain(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception:
        _log.failure("Files could not be checked or reloaded.")
