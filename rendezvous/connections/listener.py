"""
The mailboxes of one connection: the one that its client listens to, and those that it keeps alive.

Owns how stored messages reach the client: in order, behind the client's own acknowledgements, and page by
page as the client reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.python.failure import Failure

from rendezvous.connections.answers import AnswerQueue
from rendezvous.connections.output import Output
from rendezvous.errors import LedgerUnavailable
from rendezvous.observer import DropReason
from rendezvous.protocol.replies import StoredMessage
from rendezvous.rules.messages import Page
from rendezvous.server import Rendezvous
from rendezvous.subscriptions import Address, Subscription
from wormhole_limits.scheduler import Task


class MailboxListener:
    """
    A `commands.command.Listener`, and the `Subscriber` of the mailbox.

    :param lane: see `Rendezvous.new_lane`.
    :param frame_of: returns the frame of a stored message, encoded once for all who get it.
    """

    __slots__ = (
        "_answers",
        "_frame_of",
        "_lane",
        "_output",
        "_postponed_page",
        "_rendezvous",
        "_subscribed",
        "_subscribed_day",
        "_subscription",
        "_task",
        "_used",
    )

    def __init__(
        self,
        rendezvous: Rendezvous,
        lane: int,
        task: Task,
        output: Output,
        answers: AnswerQueue,
        frame_of: Callable[[StoredMessage], bytes],
    ) -> None:
        self._rendezvous = rendezvous
        self._lane = lane
        self._task = task
        self._output = output
        self._answers = answers
        self._frame_of = frame_of
        self._subscription: Subscription | None = None
        # When it subscribed, by the steady clock and in seconds since the epoch.
        self._subscribed = self._subscribed_day = 0.0
        # The page that is fetched once the client has read what waits for it.
        self._postponed_page: int | None = None
        # A handful at most; a set would take 216 bytes, which most connections never need.
        self._used: tuple[Address, ...] = ()

    @property
    def replaying(self) -> bool:
        """See `Listener.replaying`."""
        return self._subscription is not None and self._subscription.replaying

    def use(self, address: Address) -> None:
        """See `Listener.use`."""
        if address not in self._used:
            self._used += (address,)
            self._rendezvous.subscriptions.arrive(address)

    def stop_using(self, address: Address) -> None:
        """See `Listener.stop_using`."""
        if address in self._used:
            self._used = tuple(used for used in self._used if used != address)
            self._rendezvous.subscriptions.leave(address)

    def subscribe(self, address: Address, side: str) -> bool:
        """See `Listener.subscribe`."""
        first_use = address not in self._used
        self.use(address)
        self._subscription = Subscription(address, side, self)
        self._subscribed = self._rendezvous.clock.seconds()
        self._subscribed_day = self._rendezvous.day()
        self._rendezvous.subscriptions.subscribe(self._subscription)
        return first_use

    def unsubscribe(self) -> None:
        """See `Listener.unsubscribe`."""
        if self._subscription is not None:
            self._rendezvous.subscriptions.unsubscribe(self._subscription)
            self._subscription = None
            self._postponed_page = None

    def show_page(self, page: Page) -> None:
        """See `Listener.show_page`."""
        if self._subscription is not None:
            self._subscription.page(page)
            self._answers.send_ready(self)

    def fetch_postponed(self) -> None:
        """The client has read what waited for it: fetch the page that was postponed, if there is one."""
        if self._postponed_page is not None:
            number, self._postponed_page = self._postponed_page, None
            self.fetch(number)

    def close(self) -> None:
        """The connection is gone: the time until its mailboxes expire begins now."""
        self.unsubscribe()
        used, self._used = self._used, ()
        self._rendezvous.left(used, self._lane, self._task)

    def deliver(self, messages: Sequence[StoredMessage], /) -> None:
        """See `Subscriber.deliver`."""
        try:
            for message in messages:
                self._answers.send_up_to_own(message.number, self)
                self._output.write(self._frame_of(message))
                self._measure(message)
        except (
            Exception
        ):  # a fault of this listener must not reach the client that stored the message
            self._rendezvous.report(Failure())
            self._output.drop(DropReason.INTERNAL)

    def _measure(self, message: StoredMessage) -> None:
        """Report how long a message was on its way, unless it is older than the subscription."""
        rendezvous = self._rendezvous
        if message.arrived is not None:
            if message.arrived >= self._subscribed:
                rendezvous.observer.delivered(rendezvous.clock.seconds() - message.arrived)
        elif message.received >= self._subscribed_day:
            # It may come from another instance, whose steady clock is another. The day may be set back.
            rendezvous.observer.delivered(max(0.0, rendezvous.day() - message.received))

    def fetch(self, number: int, /) -> None:
        """See `Subscriber.fetch`."""
        if self._output.full:
            self._postponed_page = number
        elif self._subscription is not None:
            address = self._subscription.address
            page = self._rendezvous.read_page(address, number, self._lane, self._task)
            page.addCallbacks(self.show_page, self._fetch_failed)

    def _fetch_failed(self, failure: Failure) -> None:
        """Without its messages the connection is of no use; the client reconnects for them."""
        if failure.check(LedgerUnavailable) is None:
            self._rendezvous.report(failure)
        self._output.drop(DropReason.INTERNAL)
