"""
The relay part: the links between two connections, and the usage records.

Owns the choice of the link and of the places that records are written to. Both are services of their own, as
they start and stop at different moments.
"""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from rendezvous.ledger.ledger import Ledger
from transit_relay.link import LinkFactory
from transit_relay.links.pipe import RefusedError
from transit_relay.links.producer import ProducerLink
from transit_relay.links.splice import SpliceLinkFactory
from wormhole_server.config.groups.relay import TransitLink
from wormhole_server.config.settings import Settings
from wormhole_server.errors import StartError
from wormhole_server.metrics.registry import Metrics
from wormhole_server.usage.database_writer import DatabaseWriter
from wormhole_server.usage.log_fd import LogFdWriter
from wormhole_server.usage.recorder import RecordWriter, UsageRecorder

_log = Logger()


class RelayLinks(Service):
    """
    Makes the links of the relay, and holds the kernel's pipe that they share.

    :ivar factory: makes a link for two connections.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._wanted = settings.transit_link
        self._splice_links = SpliceLinkFactory(settings.transit_pipe_memory, metrics.relay)
        self.factory: LinkFactory = (
            ProducerLink if self._wanted is TransitLink.PRODUCER else self._splice_links
        )

    def startService(self) -> None:
        """
        Open the pipe now, and try it: later this user may have reached the kernel's limit.

        :raises StartError: the kernel moves no bytes, and the operator wants no other links.
        """
        super().startService()  # type: ignore[no-untyped-call]
        if self._wanted is TransitLink.PRODUCER:
            return
        try:
            self._splice_links.open()
        except RefusedError as error:
            if self._wanted is TransitLink.SPLICE:
                raise StartError(
                    f"transit-link: the kernel cannot move the bytes here: {error}; "
                    "write auto or producer"
                ) from error
            _log.warn(
                "transit-link=auto: the kernel cannot move the bytes here: {error}. This process moves "
                "them, which takes more CPU.",
                error=error,
            )

    def stopService(self) -> None:
        """Close the pipe."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._splice_links.close()


class RelayRecords(Service):
    """
    Writes the usage records of the relay to the database, and to a file descriptor of the operator's.

    :ivar recorder: the observer of the relay; it counts, and hands every record to the writers.
    """

    def __init__(self, settings: Settings, ledger: Ledger, metrics: Metrics) -> None:
        lost = metrics.process.usage_lost
        self._database = DatabaseWriter(ledger, lost)
        writers: list[RecordWriter] = [self._database]
        if settings.log_fd is not None:
            writers.append(LogFdWriter(settings.log_fd, lost))
        self.recorder = UsageRecorder(metrics.relay, writers, settings.blur_usage)

    def bytes_since(self, start: float) -> Deferred[int]:
        """See `DatabaseWriter.bytes_since`."""
        return self._database.bytes_since(start)

    def change(self, settings: Settings) -> None:
        """Apply the rounding of other settings."""
        self.recorder.blur_seconds = settings.blur_usage

    def stopService(self) -> Deferred[None]:
        """Write the records that are waiting."""
        super().stopService()  # type: ignore[no-untyped-call]
        return self._database.flush()
