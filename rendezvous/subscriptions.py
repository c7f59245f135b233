"""
The subscriptions: which clients of this process receive the messages of which mailbox.

Owns the order in which a subscriber gets its messages: by their numbers, each once, none left out. The
database is the truth; a message that is handed over as it is stored only saves reading it. So what is
missed, out of order, or more than a subscriber can take at the moment is not kept here, but read from the
database, a page at a time.

Also owns which mailboxes have a client connected here, which is what keeps them from expiring. No I/O: pages
come from the subscriber.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from rendezvous.ledger.keys import lock_key, mailbox_key
from rendezvous.protocol.replies import StoredMessage
from rendezvous.rules.messages import Page

K = TypeVar("K")
Address = tuple[str, str]
"""An application and a mailbox in it."""


class Subscriber(Protocol):
    """Who gets the messages of a mailbox."""

    def deliver(self, messages: Sequence[StoredMessage], /) -> object:
        """Take messages, in order."""

    def fetch(self, number: int, /) -> object:
        """
        Read the page that starts at a number, and pass it to `Subscription.page`.

        It may be read later, when the subscriber can take it.
        """


class Subscription:
    """
    One subscriber of one mailbox.

    A mailbox that was removed may be created again under its name, and then numbers its messages from 1
    again. The id of its row tells such mailboxes apart; a later one has a greater id. 0 stands for a row that
    is unknown or does not exist.

    :param side: of the client.
    """

    __slots__ = (
        "_fetching_from",
        "_latest",
        "_mailbox_id",
        "_next",
        "_page_was_empty",
        "_ready",
        "_replay_end",
        "_subscriber",
        "address",
        "key",
        "side",
    )

    def __init__(self, address: Address, side: str, subscriber: Subscriber) -> None:
        self.address = address
        self.side = side
        self.key = lock_key(mailbox_key(*address))
        self._subscriber = subscriber
        # The next message to deliver, and the mailbox that it belongs to.
        self._mailbox_id = 0
        self._next = 1
        # The newest message that is known to exist: the mailbox's id and the message's number.
        self._latest = (0, 0)
        # The last message that was stored before the subscription; None until the first page.
        self._replay_end: int | None = None
        # False while a page is being fetched, and the number that it starts at.
        self._ready = False
        self._fetching_from = 1
        # The last page was empty, though a newer message was known to exist.
        self._page_was_empty = False

    def page(self, page: Page) -> None:
        """Take a page that `fetch` has read."""
        self._ready = True
        if page.mailbox_id < self._mailbox_id:
            # Read before the mailbox was created again, or after it was removed again.
            page = Page([], 0, self._mailbox_id)
        elif page.mailbox_id > self._mailbox_id and self._mailbox_id:
            self._start_over(page.mailbox_id)
            if self._fetching_from > 1:
                # The page does not contain the first messages of the new mailbox.
                page = Page([], 1, page.mailbox_id)
        self._mailbox_id = page.mailbox_id
        self._latest = max(self._latest, (page.mailbox_id, page.latest))
        if self._replay_end is None or self.replaying:
            # A page need not know how many follow it: the replay continues until one is the last.
            self._replay_end = page.latest
        due = [message for message in page.messages if message.number >= self._next]
        if due:
            self._page_was_empty = False
            self._next = due[-1].number + 1
            self._subscriber.deliver(due)
        elif self._page_was_empty:
            # The second empty page: the mailbox was removed, with all its messages.
            self._page_was_empty = False
            self._latest = (self._mailbox_id, self._next - 1)
            self._replay_end = 0
        else:
            # The newer message may have been stored after the page was read; another page will tell.
            self._page_was_empty = self._behind
        self.fetch_missing()

    @property
    def replaying(self) -> bool:
        """Whether messages remain to be delivered that were stored before the subscription."""
        return self._replay_end is not None and self._next <= self._replay_end

    def stored(self, mailbox_id: int, message: StoredMessage) -> None:
        """Take a message that this instance has just stored."""
        self._latest = max(self._latest, (mailbox_id, message.number))
        if not self._ready:
            return
        if mailbox_id > self._mailbox_id and message.number == 1:
            self._start_over(mailbox_id)
        if (mailbox_id, message.number) == (self._mailbox_id, self._next):
            self._next += 1
            self._subscriber.deliver((message,))
        else:
            self.fetch_missing()

    def announced(self, mailbox_id: int, number: int) -> None:
        """Another instance has stored a message with this number."""
        self._latest = max(self._latest, (mailbox_id, number))
        self.fetch_missing()

    def fetch_missing(self) -> None:
        """Fetch what has not been delivered, unless a page is being fetched."""
        if self._ready and self._behind:
            self._ready = False
            self._fetching_from = 1 if self._latest[0] > self._mailbox_id else self._next
            self._subscriber.fetch(self._fetching_from)

    @property
    def _behind(self) -> bool:
        return self._latest >= (self._mailbox_id, self._next)

    def _start_over(self, mailbox_id: int) -> None:
        """The mailbox was created again; what was left of the old one is gone."""
        self._mailbox_id = mailbox_id
        self._next = 1
        self._page_was_empty = False
        self._replay_end = 0


class Subscriptions:
    """All subscriptions of this process, and all mailboxes that have a client connected to it."""

    def __init__(self) -> None:
        # Tuples: most mailboxes have one or two, and a list has room for four.
        self._by_address: dict[Address, tuple[Subscription, ...]] = {}
        # The same, by the numbers that announcements use for mailboxes.
        self._by_key: dict[int, tuple[Subscription, ...]] = {}
        self._present: Counter[Address] = Counter()

    def subscribe(self, subscription: Subscription) -> None:
        """Tell a subscription of messages from now on; its first page starts it."""
        _add(self._by_address, subscription.address, subscription)
        _add(self._by_key, subscription.key, subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Tell a subscription of nothing any more."""
        _remove(self._by_address, subscription.address, subscription)
        _remove(self._by_key, subscription.key, subscription)

    def stored(self, address: Address, mailbox_id: int, message: StoredMessage) -> None:
        """Tell the subscribers of a mailbox of a message that this instance has committed."""
        for subscription in self._by_address.get(address, ()):
            subscription.stored(mailbox_id, message)

    def announced(self, key: int, mailbox_id: int, number: int) -> None:
        """
        Tell the subscribers of a mailbox of messages that another instance has committed.

        :param key: the number of the mailbox's key; see `ledger.keys.lock_key`.
        :param number: of the newest message.
        """
        for subscription in self._by_key.get(key, ()):
            subscription.announced(mailbox_id, number)

    def count(self, address: Address, side: str) -> int:
        """Count the subscriptions that a side has to a mailbox."""
        return sum(each.side == side for each in self._by_address.get(address, ()))

    def subscribed(self) -> Sequence[Address]:
        """Return the mailboxes that have subscribers now."""
        return tuple(self._by_address)

    def arrive(self, address: Address) -> None:
        """A connected client uses the mailbox."""
        self._present[address] += 1

    def leave(self, address: Address) -> None:
        """A client uses the mailbox no more, or is no longer connected."""
        self._present[address] -= 1
        if self._present[address] <= 0:
            del self._present[address]

    def is_present(self, address: Address) -> bool:
        """Return whether a connected client uses the mailbox."""
        return address in self._present

    def present(self) -> Iterable[Address]:
        """Return the mailboxes that connected clients use now."""
        return tuple(self._present)


def _add(
    subscriptions: dict[K, tuple[Subscription, ...]], where: K, subscription: Subscription
) -> None:
    subscriptions[where] = (*subscriptions.get(where, ()), subscription)


def _remove(
    subscriptions: dict[K, tuple[Subscription, ...]], where: K, subscription: Subscription
) -> None:
    others = tuple(each for each in subscriptions.get(where, ()) if each is not subscription)
    if others:
        subscriptions[where] = others
    else:
        subscriptions.pop(where, None)
