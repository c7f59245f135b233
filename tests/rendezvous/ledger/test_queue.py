"""Tests of `rendezvous.ledger.queue`: which operations go into the next batch."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.ledger import queue as queue_module
from rendezvous.ledger.queue import (
    ADDRESS_PART,
    BUSY_PART,
    CROWDED_BATCH,
    LARGE_BYTES,
    MAX_BATCH,
    Job,
    JobQueue,
)
from tests.schedulers import make_scheduler
from wormhole_limits.scheduler import Task

LARGE = LARGE_BYTES + 1


def make_job(size: int, lane: int, task: Task | None) -> Job:
    """A job that does nothing, for nobody."""
    return Job(lambda _: None, lambda _: None, (), size, lane, task)


class QueueCase(SynchronousTestCase):
    """A case with an empty queue."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.scheduler = make_scheduler(self.clock)
        self.queue = JobQueue(self.scheduler)
        self.lanes = 0

    def connect(self, address: int) -> Task:
        """The task of a new connection."""
        return self.scheduler.new_task(address, lambda _: False)

    def crowd(self) -> None:
        """Two addresses are active."""
        for address in (1001, 1002):
            self.scheduler.arrived(self.connect(address))

    def add(self, task: Task | None, size: int = 1, lane: int | None = None) -> Job:
        """Have a job wait, in a lane of its own unless there is one."""
        self.lanes -= 1
        job = make_job(size, self.lanes if lane is None else lane, task)
        self.queue.add(job)
        return job

    def spend(self, task: Task, units: int) -> None:
        """A connection is served."""
        self.scheduler.spend(task, units)


class BatchTests(QueueCase):
    """The parts of a batch."""

    def test_alone(self) -> None:
        """An address that is alone has the whole batch, in the order of submission."""
        task = self.connect(1)
        jobs = [self.add(task) for _ in range(MAX_BATCH + 1)]
        self.assertEqual(self.queue.take(), jobs[:MAX_BATCH])
        self.assertEqual(self.queue.take(), jobs[MAX_BATCH:])
        self.assertEqual((len(self.queue), self.queue.bytes), (0, 0))

    def test_parts(self) -> None:
        """Beside others an address has a part of a batch, and whoever was served least comes first."""
        self.crowd()
        first, second = self.connect(1), self.connect(2)
        self.spend(first, 1000)
        many = [self.add(first) for _ in range(100)]
        one = self.add(second)
        self.assertEqual(self.queue.take(), [one, *many[:ADDRESS_PART]])

    def test_many_addresses(self) -> None:
        """A batch of many addresses is bounded."""
        self.crowd()
        for address in range(100):
            self.add(self.connect(address))
        self.assertEqual(len(self.queue.take()), CROWDED_BATCH)

    def test_busy(self) -> None:
        """Addresses that were served much have a small part together, unless one of them has more."""
        self.crowd()
        light = [self.add(self.connect(address)) for address in range(4)]
        busy = []
        for address in range(100, 120):
            task = self.connect(address)
            self.spend(task, 10_000 + address)
            busy.append(self.add(task))
        self.assertEqual(self.queue.take(), [*light, *busy[:BUSY_PART]])
        for start in range(BUSY_PART, len(busy), BUSY_PART):
            self.assertEqual(self.queue.take(), busy[start : start + BUSY_PART])
        first, second = self.connect(200), self.connect(201)
        self.spend(first, 10_000)
        self.spend(second, 20_000)
        many = [self.add(first) for _ in range(ADDRESS_PART - 1)]
        self.add(second)
        self.assertEqual(self.queue.take(), many)

    def test_gathering(self) -> None:
        """What only addresses that were served much ask for waits as long as the batch before has taken."""
        self.crowd()
        busy, light = self.connect(1), self.connect(2)
        self.spend(busy, 10_000)
        self.add(busy)
        self.assertEqual(self.queue.pause_seconds, 0.0)
        self.queue.committed(self.queue.take(), 0.002)
        second = self.add(busy)
        self.assertEqual(self.queue.take(), [])
        self.assertAlmostEqual(self.queue.pause_seconds, 0.002)
        one = self.add(light)
        self.assertEqual(self.queue.pause_seconds, 0.0)
        self.assertEqual(self.queue.take(), [one, second])
        self.queue.committed([one, second], 0.002)
        third = self.add(busy)
        self.clock.rightNow += 0.002
        self.assertEqual(self.queue.take(), [third])
        self.queue.committed([third], 0.002)
        own, fourth = self.add(None), self.add(busy)
        self.assertEqual(self.queue.pause_seconds, 0.0)
        self.assertEqual(self.queue.take(), [own, fourth])
        self.queue.committed([own, fourth], 0.002)
        self.queue.hurry()
        fifth = self.add(busy)
        self.assertEqual(self.queue.take(), [fifth])

    def test_busiest(self) -> None:
        """However many addresses that were served much come again, the one served most has its turn."""
        self.crowd()
        one, *others = (self.connect(address) for address in range(41))
        self.spend(one, 1_000_000)
        for task in others:
            self.spend(task, 10_000)
            self.add(task)
        first, second = (self.add(one) for _ in range(2))
        taken: list[Job] = []
        while first not in taken and len(taken) < 1000:
            taken += self.queue.take()
            for job in taken[-BUSY_PART:]:
                assert job.task is not None
                self.add(job.task)
        self.assertIn(second, taken)
        self.assertLessEqual(len(taken), len(others) + 2 + BUSY_PART)

    def test_connections_of_an_address(self) -> None:
        """Of the connections of an address, the one that was served least comes first."""
        self.crowd()
        busy, small = self.connect(1), self.connect(1)
        self.spend(busy, 1000)
        for _ in range(100):
            self.add(busy)
        job = self.add(small)
        self.assertIs(self.queue.take()[0], job)

    def test_own(self) -> None:
        """What the server does for itself comes before all others."""
        self.add(self.connect(1))
        own = self.add(None)
        self.assertIs(self.queue.take()[0], own)

    @given(
        st.booleans(),
        st.lists(
            st.tuples(st.integers(0, 4), st.integers(0, 2), st.sampled_from([1, 1, 1, LARGE])),
            max_size=60,
        ),
    )
    def test_order(self, crowded: bool, adds: list[tuple[int, int, int]]) -> None:
        """All jobs are taken, each once, those of a lane in their order, and a large one by itself."""
        self.setUp()
        if crowded:
            self.crowd()
        tasks = [[self.connect(address) for _ in range(3)] for address in range(5)]
        waiting = defaultdict(list)
        for address, connection, size in adds:
            task = tasks[address][connection]
            self.spend(task, 40)
            lane = address * 3 + connection
            waiting[lane].append(self.add(task, size, lane))
        taken = defaultdict(list)
        while len(self.queue):
            batch = self.queue.take()
            if not batch:
                self.clock.rightNow += self.queue.pause_seconds
                continue
            if any(job.size == LARGE for job in batch):
                self.assertEqual(len(batch), 1)
            self.queue.committed(batch, 0.01)
            for job in batch:
                taken[job.lane].append(job)
        self.assertEqual(taken, waiting)
        self.assertEqual(self.queue.bytes, 0)


class LargeTests(QueueCase):
    """Large operations."""

    def test_last(self) -> None:
        """A large operation waits for all small ones, and is alone in its batch."""
        large = self.add(self.connect(1), LARGE)
        small = self.add(self.connect(2))
        self.assertEqual(self.queue.take(), [small])
        self.assertEqual(self.queue.take(), [large])

    def test_patience(self) -> None:
        """Small ones that come without end keep a large one waiting for a second, behind its pause."""
        self.crowd()
        task, other = self.connect(1), self.connect(2)
        for _ in range(2):
            self.add(task, LARGE)
        for seconds, sizes in ((0.99, [1]), (0.02, [LARGE]), (1.39, [1, 1]), (0.02, [LARGE])):
            self.clock.rightNow += seconds
            self.add(other)
            batch = self.queue.take()
            self.queue.committed(batch, 0.004)
            self.assertEqual([job.size for job in batch], sizes)

    def test_behind(self) -> None:
        """What follows a large one of its lane waits with it; once it is done, nothing of the lane does."""
        task, other = self.connect(1), self.connect(2)
        large = self.add(task, LARGE, lane=1)
        behind = self.add(task, lane=1)
        small = self.add(other)
        self.assertEqual(self.queue.take(), [small])
        self.assertEqual([self.queue.take() for _ in range(2)], [[large], [behind]])
        self.add(other, LARGE)
        after = self.add(task, lane=1)
        self.assertEqual(self.queue.take(), [after])

    def test_pause(self) -> None:
        """Beside others, the next large one waits for many times what the one before took."""
        self.crowd()
        jobs = [self.add(self.connect(1), LARGE) for _ in range(3)]
        batch = self.queue.take()
        self.queue.committed(batch, 0.004)
        self.assertEqual(self.queue.take(), [])
        self.assertAlmostEqual(self.queue.pause_seconds, 0.4)
        small = self.add(self.connect(2))
        self.assertEqual(self.queue.pause_seconds, 0.0)
        self.assertEqual(self.queue.take(), [small])
        self.clock.rightNow += 0.4
        self.assertEqual(self.queue.take(), jobs[1:2])

    def test_no_pause(self) -> None:
        """An address that is alone does not wait, and neither does a ledger that closes."""
        for prepare in (lambda: None, self.crowd):
            self.setUp()
            prepare()
            jobs = [self.add(self.connect(1), LARGE) for _ in range(2)]
            self.queue.committed(self.queue.take(), 0.004)
            self.queue.hurry()
            self.assertEqual(self.queue.take(), jobs[1:])


class RoomTests(QueueCase):
    """What may wait."""

    def test_full(self) -> None:
        """A full queue refuses an address of which much waits, and takes jobs of any other."""
        self.patch(queue_module, "MAX_WAITING_BYTES", 1000)
        waits, other = self.connect(1), self.connect(2)
        for _ in range(8):
            self.add(waits, 125)
        for task, room in ((waits, False), (other, True), (None, False)):
            self.assertEqual(self.queue.has_room(make_job(1, 0, task)), room)
        self.patch(queue_module, "MAX_WAITING_BYTES", 1001)
        self.assertTrue(self.queue.has_room(make_job(1, 0, waits)))

    def test_full_of_large_ones(self) -> None:
        """Large jobs that wait keep no small one from waiting, and one of each address may wait."""
        self.patch(queue_module, "MAX_WAITING_BYTES", LARGE)
        waits, other = self.connect(1), self.connect(2)
        self.add(waits, LARGE)
        for task, size, room in ((waits, LARGE, False), (other, LARGE, True), (waits, 1, True)):
            self.assertEqual(self.queue.has_room(make_job(size, 0, task)), room)

    def test_counts(self) -> None:
        """Jobs and bytes are counted, whoever they are for."""
        task = self.connect(1)
        for each, size in ((None, 1), (task, 10), (task, LARGE)):
            self.add(each, size)
        self.assertEqual((len(self.queue), self.queue.bytes), (3, 11 + LARGE))
        self.assertEqual(Counter(job.size for job in self.queue.take()), {1: 1, 10: 1})
        self.assertEqual((len(self.queue), self.queue.bytes), (1, LARGE))
