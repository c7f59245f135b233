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

from rendezvous.messages import StoredMessage

Address = tuple[str, str]
"""An application and a mailbox in it."""


class Subscription:
    """
    One listener of one mailbox.

    :param deliver: takes messages that are due, in order.
    :param fetch: asks for the page that begins with a number, at once or when the listener can take
        it; `page` is called with it in time.
    """

    __slots__ = (
        "_deliver",
        "_doubtful",
        "_fetch",
        "_latest",
        "_next",
        "_ready",
        "_replay_end",
        "address",
    )

    def __init__(
        self,
        address: Address,
        deliver: Callable[[Sequence[StoredMessage]], object],
        fetch: Callable[[int], object],
    ) -> None:
        self.address = address
        self._deliver = deliver
        self._fetch = fetch
        self._next = 1
        # The newest message that is known to be in the mailbox.
        self._latest = 0
        # The newest message that is known to have been there when the listener came.
        self._replay_end: int | None = None
        # False while a page is on its way.
        self._ready = False
        # The last page held nothing, though more was known of.
        self._doubtful = False

    def page(self, messages: Sequence[StoredMessage], latest: int) -> None:
        """What was stored when the page was read; `latest` is the newest number of the mailbox then."""
        self._ready = True
        self._latest = max(self._latest, latest)
        if self._replay_end is None or self.replaying:
            # A page need not know how many follow it: the replay goes on until one is the last.
            self._replay_end = latest
        due = [message for message in messages if message.number >= self._next]
        if due:
            self._doubtful = False
            self._next = due[-1].number + 1
            self._deliver(due)
        elif self._doubtful:
            # Twice nothing: the mailbox has gone, and all that was ever in it.
            self.emptied()
        else:
            # What is known of may be younger than the page; one more look tells.
            self._doubtful = self._next <= self._latest
        self.more()

    @property
    def replaying(self) -> bool:
        """Whether something has yet to be delivered that was stored before the listener came."""
        return self._replay_end is not None and self._next <= self._replay_end

    def emptied(self) -> None:
        """The mailbox has gone. Should it come back, its messages count from 1 again."""
        self._doubtful = False
        self._next = 1
        self._latest = self._replay_end = 0

    def stored(self, message: StoredMessage) -> None:
        """A message has just been stored."""
        self._latest = max(self._latest, message.number)
        if not self._ready or message.number < self._next:
            return
        if message.number == self._next:
            self._next += 1
            self._deliver((message,))
        else:
            self.more()

    def announced(self, number: int) -> None:
        """A message of that number has been stored somewhere else."""
        self._latest = max(self._latest, number)
        self.more()

    def more(self) -> None:
        """Fetch what the listener has not had, unless that is on its way."""
        if self._ready and self._next <= self._latest:
            self._ready = False
            self._fetch(self._next)


class Subscriptions:
    """All listeners of this process, and all mailboxes that have a client here."""

    def __init__(self) -> None:
        self._listeners: dict[Address, list[Subscription]] = {}
        self._present: Counter[Address] = Counter()

    def subscribe(self, subscription: Subscription) -> None:
        """From now on it is told of what is stored; `page` starts it."""
        self._listeners.setdefault(subscription.address, []).append(subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        """It is told of nothing any more."""
        listeners = self._listeners.get(subscription.address)
        if listeners is not None and subscription in listeners:
            listeners.remove(subscription)
            if not listeners:
                del self._listeners[subscription.address]

    def stored(self, address: Address, message: StoredMessage) -> None:
        """Tell everyone who listens of a message that has just become durable."""
        for subscription in tuple(self._listeners.get(address, ())):
            subscription.stored(message)

    def emptied(self, address: Address) -> None:
        """The mailbox has gone, durably."""
        for subscription in tuple(self._listeners.get(address, ())):
            subscription.emptied()

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
