"""
Who listens to which mailbox.

Owns the order in which a listener gets its messages: by their numbers, each once, none left out. The
table is the truth; a message that is handed over as it is stored only saves reading it from there. So
whatever is missed, out of turn, or more than a listener can take at the moment is not kept here, but
read again from the table, a page at a time.

Also owns the knowledge of which mailboxes have a client connected here, which is what keeps them alive.
No I/O: pages come through a function that is passed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from rendezvous.keys import lock_key, mailbox_key
from rendezvous.messages import StoredMessage
from rendezvous.requests import Page

K = TypeVar("K")
Address = tuple[str, str]
"""An application and a mailbox in it."""


class Subscription:
    """
    One listener of one mailbox.

    A mailbox that has gone may come back under its name, and then counts its messages from 1 again: each
    of them is told by the id of its row, its `box`, and a later one has a greater id. 0 stands for a row
    that is not known, or not there.

    :param deliver: takes messages that are due, in order.
    :param fetch: asks for the page that begins with a number, at once or when the listener can take
        it; `page` is called with it in time.
    """

    __slots__ = (
        "_asked",
        "_box",
        "_deliver",
        "_doubtful",
        "_fetch",
        "_newest",
        "_next",
        "_ready",
        "_replay_end",
        "address",
        "key",
    )

    def __init__(
        self,
        address: Address,
        deliver: Callable[[Sequence[StoredMessage]], object],
        fetch: Callable[[int], object],
    ) -> None:
        self.address = address
        self.key = lock_key(mailbox_key(*address))
        self._deliver = deliver
        self._fetch = fetch
        # What is to be delivered next, and of which mailbox.
        self._box = 0
        self._next = 1
        # The newest message that is known of, with its mailbox.
        self._newest = (0, 0)
        # The newest message that is known to have been there when the listener came.
        self._replay_end: int | None = None
        # False while a page is on its way, which begins with this number.
        self._ready = False
        self._asked = 1
        # The last page held nothing, though more was known of.
        self._doubtful = False

    def page(self, page: Page) -> None:
        """What was stored when the page was read."""
        self._ready = True
        if page.box < self._box:
            # Read before the mailbox had come back, or after it has gone again.
            page = Page([], 0, self._box)
        elif page.box > self._box and self._box:
            self._begin(page.box)
            if self._asked > 1:
                # Its first messages are not on this page.
                page = Page([], 0, page.box)
                self._newest = max(self._newest, (page.box, 1))
        self._box = page.box
        self._newest = max(self._newest, (page.box, page.latest))
        if self._replay_end is None or self.replaying:
            # A page need not know how many follow it: the replay goes on until one is the last.
            self._replay_end = page.latest
        due = [message for message in page.messages if message.number >= self._next]
        if due:
            self._doubtful = False
            self._next = due[-1].number + 1
            self._deliver(due)
        elif self._doubtful:
            # Twice nothing: the mailbox has gone, and all that was ever in it.
            self._doubtful = False
            self._newest = (self._box, self._next - 1)
            self._replay_end = 0
        else:
            # What is known of may be younger than the page; one more look tells.
            self._doubtful = self._behind
        self.more()

    @property
    def replaying(self) -> bool:
        """Whether something has yet to be delivered that was stored before the listener came."""
        return self._replay_end is not None and self._next <= self._replay_end

    def stored(self, box: int, message: StoredMessage) -> None:
        """A message has just been stored."""
        self._newest = max(self._newest, (box, message.number))
        if not self._ready:
            return
        if box > self._box and message.number == 1:
            self._begin(box)
        if (box, message.number) == (self._box, self._next):
            self._next += 1
            self._deliver((message,))
        else:
            self.more()

    def announced(self, box: int, number: int) -> None:
        """A message of that number has been stored somewhere else."""
        self._newest = max(self._newest, (box, number))
        self.more()

    def more(self) -> None:
        """Fetch what the listener has not had, unless that is on its way."""
        if self._ready and self._behind:
            self._ready = False
            self._asked = 1 if self._newest[0] > self._box else self._next
            self._fetch(self._asked)

    @property
    def _behind(self) -> bool:
        return self._newest >= (self._box, self._next)

    def _begin(self, box: int) -> None:
        """The mailbox has gone and come back; what was left of it has gone for good."""
        self._box = box
        self._next = 1
        self._doubtful = False
        if self._replay_end is not None:
            self._replay_end = 0


class Subscriptions:
    """All listeners of this process, and all mailboxes that have a client here."""

    def __init__(self) -> None:
        self._listeners: dict[Address, list[Subscription]] = {}
        # The same, by the numbers that announcements have for mailboxes.
        self._by_key: dict[int, list[Subscription]] = {}
        self._present: Counter[Address] = Counter()

    def subscribe(self, subscription: Subscription) -> None:
        """From now on it is told of what is stored; `page` starts it."""
        self._listeners.setdefault(subscription.address, []).append(subscription)
        self._by_key.setdefault(subscription.key, []).append(subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        """It is told of nothing any more."""
        _remove(self._listeners, subscription.address, subscription)
        _remove(self._by_key, subscription.key, subscription)

    def stored(self, address: Address, box: int, message: StoredMessage) -> None:
        """Tell everyone who listens of a message that has just become durable."""
        for subscription in tuple(self._listeners.get(address, ())):
            subscription.stored(box, message)

    def announced(self, key: int, box: int, number: int) -> None:
        """Tell everyone who listens of messages that have become durable elsewhere."""
        for subscription in tuple(self._by_key.get(key, ())):
            subscription.announced(box, number)

    def listened(self) -> Sequence[Address]:
        """The mailboxes that somebody listens to, as they are now."""
        return tuple(self._listeners)

    def arrive(self, address: Address) -> None:
        """A connected client has to do with the mailbox."""
        self._present[address] += 1

    def leave(self, address: Address) -> None:
        """It no longer has, or is no longer connected."""
        self._present[address] -= 1
        if self._present[address] <= 0:
            del self._present[address]

    def is_present(self, address: Address) -> bool:
        """Whether a connected client has to do with the mailbox."""
        return address in self._present

    def present(self) -> Iterable[Address]:
        """All such mailboxes, as they are now."""
        return tuple(self._present)


def _remove(listeners: dict[K, list[Subscription]], where: K, subscription: Subscription) -> None:
    there = listeners.get(where)
    if there is not None and subscription in there:
        there.remove(subscription)
        if not there:
            del listeners[where]
