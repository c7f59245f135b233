"""
The deny list in effect: read at the start, and replaced when its file has changed and is valid.

Owns the file, and the log lines about it. `wormhole_limits.deny_list` owns its form; how a client on the
list is answered is up to the listeners.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.application.service import Service
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger

from wormhole_limits.bounds import Bound, BoundObserver, contained_bounds
from wormhole_limits.deny_list import EMPTY, DenyList, DenyListError, parse_deny_list
from wormhole_limits.ip_addresses import IP, block_of, peer_address
from wormhole_server.config.settings import Settings
from wormhole_server.errors import ConfigurationError, StartError
from wormhole_server.lifecycle.file_watch import FileWatch
from wormhole_server.lifecycle.reload import ReloadOutcome

_log = Logger()


class ReloadableDenyList(Service):
    """
    The addresses that are refused; a `Reloadable`, and a service that reads its file at the start.

    :param path: of the file; None: nobody is refused.
    :param reloaded: called with the outcome of each reload.
    :ivar replaced: called when another list is in effect.
    """

    def __init__(
        self,
        path: str | None,
        bounds: BoundObserver,
        reloaded: Callable[[ReloadOutcome], None],
    ) -> None:
        self.replaced: Callable[[], None] = lambda: None
        self._path = path
        self._bounds = contained_bounds(bounds)
        self._reloaded = reloaded
        self._list = EMPTY
        self._watch = FileWatch([])

    def startService(self) -> None:
        """
        Read the file.

        :raises StartError: it cannot be read, or is not valid.
        """
        super().startService()  # type: ignore[no-untyped-call]
        self._watch = _watch(self._path)
        try:
            self._use(_read(self._path))
        except ConfigurationError as error:
            raise StartError(str(error)) from error

    def find(self, ip: IP) -> str | None:
        """Return the message for an address; None: it is not on the list."""
        return self._list.find(ip)

    def deny(self, address: IAddress) -> str | None:
        """
        Decide about a client.

        :return: the message for one that has to be refused, which is counted; None: it may be served.
        """
        peer = peer_address(address)
        message = None if peer is None else self.find(peer.ip)
        if message is not None:
            self._bounds.bound_met(Bound.DENIED, block_of(address))
        return message

    def change(self, settings: Settings) -> None:
        """
        Use the file of other settings.

        :raises ConfigurationError: it cannot be read, or is not valid; nothing is changed.
        """
        if settings.deny_list != self._path:
            watch, found = _watch(settings.deny_list), _read(settings.deny_list)
            self._path, self._watch = settings.deny_list, watch
            self._use(found)

    def has_changed(self) -> bool:
        """See `Reloadable`."""
        return self._watch.has_changed()

    def reload(self) -> None:
        """See `Reloadable`."""
        if self._path is None:
            return
        self._watch.files_read()
        try:
            self._use(_read(self._path))
        except ConfigurationError as error:
            _log.error("Deny list: kept the previous one: {error}", error=str(error))
            self._reloaded(ReloadOutcome.REFUSED)
        else:
            self._reloaded(ReloadOutcome.OK)

    def _use(self, denied: DenyList) -> None:
        self._list = denied
        if self._path is not None:
            _log.info("Deny list: {count} networks are refused.", count=denied.count)
        self.replaced()


def _read(path: str | None) -> DenyList:
    """:raises ConfigurationError: the file cannot be read, or is not valid."""
    if path is None:
        return EMPTY
    try:
        return parse_deny_list(Path(path).read_bytes())
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}"
    except DenyListError as error:
        problem = f"{path}, {error}"
    raise ConfigurationError([f"deny-list: {problem}"])


def _watch(path: str | None) -> FileWatch:
    return FileWatch([] if path is None else [path])
