"""Tests of `wormhole_limits.scheduler`: what a turn may take, who is first, and what is remembered."""

from __future__ import annotations

import gc
from collections import Counter
from functools import partial
from weakref import ref

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wormhole_limits.bounds import Bound, BoundObserver
from wormhole_limits.scheduler import NOBODY, SLICE_SECONDS, Account, Scheduler

UNIT_SECONDS = 0.000002
PIECE = 64  # units of a piece of work
MUCH = 100_000  # units


class Bounds(BoundObserver):
    """Counts what is reported."""

    def __init__(self) -> None:
        self.met: Counter[Bound] = Counter()

    def bound_met(self, bound: Bound, block: int) -> None:
        """See `BoundObserver.bound_met`."""
        self.met[bound] += 1


class Connection:
    """A connection whose work takes time."""

    def __init__(self, world: World, address: int, *, opening: bool) -> None:
        self.world = world
        self.left = 0
        self.done = 0
        self.task = world.scheduler.new_task(address, self._serve, opening=opening)

    def send(self, units: int) -> None:
        """Ask for so much."""
        self.left += units
        self.world.scheduler.arrived(self.task)

    def _serve(self, units: int) -> bool:
        work = min(units, self.left)
        self.left -= work
        self.done += work
        self.world.served.append(self)
        self.world.clock.rightNow += work * UNIT_SECONDS
        self.world.scheduler.spend(self.task, work)
        return self.left > 0


class World:
    """A scheduler, its clock and its connections."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.bounds = Bounds()
        self.scheduler = Scheduler(self.clock, self.bounds)
        self.served: list[Connection] = []

    def connect(self, address: int, *, opening: bool = False) -> Connection:
        """A new connection of an address."""
        return Connection(self, address, opening=opening)

    def turn(self) -> list[Connection]:
        """Run a turn of the reactor; return who was served in it."""
        self.served.clear()
        due, self.clock.calls = self.clock.calls, []
        for call in due:  # and not what these schedule for the turn after
            call.func(*call.args, **call.kw)
        return self.served

    def sleep(self, seconds: float) -> None:
        """Let time pass in which nothing happens."""
        self.clock.rightNow += seconds

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self.clock.getDelayedCalls()


_SENDERS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 20_000)), min_size=1, max_size=20)


class SliceTests(SynchronousTestCase):
    """What a turn takes."""

    @given(_SENDERS)
    def test_slice(self, senders: list[tuple[int, int]]) -> None:
        """For all that wait a turn takes one slice, and one piece of work more at most."""
        world = World()
        for address, units in senders:
            world.connect(address).send(units)
        while not world.idle:
            began = world.clock.seconds()
            world.turn()
            longest = SLICE_SECONDS + (PIECE + 1) * UNIT_SECONDS
            self.assertLessEqual(world.clock.seconds() - began, longest)

    @given(_SENDERS)
    def test_at_once(self, senders: list[tuple[int, int]]) -> None:
        """What many addresses are served at once, before anybody waits, is bounded all the same."""
        world = World()
        for number, (_, units) in enumerate(senders * 10):
            world.connect(number).send(units)
        self.assertLess(sum(each.done for each in world.served), 512 + PIECE)

    def test_small_work(self) -> None:
        """What an address asks within its part is done before the next turn, though another one waits."""
        world = World()
        world.connect(1).send(MUCH)
        world.turn()
        small = world.connect(2)
        small.send(20)
        self.assertEqual(small.done, 20)

    def test_units(self) -> None:
        """A slice is spent by units as well: the time of some work passes when the reactor reads."""
        world = World()
        world.connect(2).send(1)
        pieces = 0

        def serve(units: int) -> bool:
            nonlocal pieces
            pieces += 1
            world.scheduler.spend(task, units)
            return pieces < 100

        task = world.scheduler.new_task(1, serve)
        world.scheduler.arrived(task)
        before = pieces
        world.turn()
        self.assertEqual(pieces - before, 4)

    def test_active_in_line(self) -> None:
        """Addresses that are served in slices only are not alone."""
        world = World()
        for address in (1, 2):
            world.connect(address).send(10 * MUCH)
        world.sleep(2)
        for _ in range(3):
            world.turn()
        self.assertTrue(world.scheduler.crowded)

    def test_turns_of_the_server(self) -> None:
        """In a turn what waits to leave comes first, then transactions and what they have to send."""
        world = World()
        order: list[str] = []
        waiting = world.connect(1)
        waiting.send(MUCH)

        def flush() -> None:
            order.append(f"flush {waiting.done}")

        def transaction() -> None:
            order.append(f"transaction {waiting.done}")
            world.scheduler.next_flush(flush)

        world.scheduler.next_transaction(transaction)
        world.scheduler.next_flush(flush)
        before = waiting.done
        world.turn()
        self.assertEqual(order, [f"flush {before}", f"transaction {before}", f"flush {before}"])
        self.assertGreater(waiting.done, before)

    def test_exceptions(self) -> None:
        """A call that raises keeps nothing from the others."""
        world = World()
        done: list[int] = []
        world.scheduler.next_flush(lambda: done.append(1 // 0))
        world.scheduler.next_flush(lambda: done.append(1))
        world.turn()
        self.assertEqual(done, [1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class OrderTests(SynchronousTestCase):
    """Who is first."""

    def test_least_served_address(self) -> None:
        """The address that was served least is first, whatever came before."""
        world = World()
        busy, other = world.connect(1), world.connect(2)
        busy.send(MUCH)
        for _ in range(20):
            world.turn()
        other.send(MUCH)
        self.assertEqual({*world.turn()}, {other})

    def test_in_turn(self) -> None:
        """Addresses that were served as much as each other come in turn."""
        world = World()
        connections = [world.connect(address) for address in range(50)]
        for _ in range(2):
            for each in connections:
                each.send(PIECE)
        for _ in range(10):
            world.turn()
            done = [each.done for each in connections]
            self.assertLessEqual(max(done) - min(done), PIECE)

    def test_served_less(self) -> None:
        """An address that was served little goes before all that were served more and wait for longer."""
        world = World()
        busy = [world.connect(address) for address in range(100)]
        for address, each in enumerate(busy):
            world.scheduler.spend(world.connect(address).task, 8000)
            each.send(5 * PIECE)
        world.scheduler.spend(world.connect(1000).task, 1000)
        one = world.connect(1000)
        one.send(2 * PIECE)
        self.assertEqual(one.done, 0)
        self.assertEqual(world.turn()[:2], [one, one])

    def test_served_more(self) -> None:
        """Among addresses that were served much it does not matter how much, and however many come again."""
        world = World()
        others = [world.connect(address) for address in range(50)]
        for address in range(50):
            world.scheduler.spend(world.connect(address).task, 10_000)
        world.scheduler.spend(world.connect(1000).task, 1_000_000)
        one = world.connect(1000)
        for each in (*others, one):
            each.send(2 * PIECE)
        turns = 0
        while one.left and turns < 1000:
            world.turn()
            turns += 1
            for each in others:
                if not each.left:
                    each.send(PIECE)
        # Each turn has a slice of four pieces.
        self.assertLess(turns, 2 * 50 / 4 + 5)

    def test_served_meanwhile(self) -> None:
        """An address that is served while it waits in line loses its place to those behind it."""
        world = World()
        first, second = world.connect(1), world.connect(2)
        for each in (first, second):
            each.send(400)
        world.connect(1, opening=True).send(10)
        self.assertIs(world.turn()[0], second)

    def test_busy_turn(self) -> None:
        """Of what is done at once in a turn, a part is for addresses that were served little."""
        world = World()
        for address in range(5):
            world.scheduler.spend(world.connect(address).task, 10_000)
        world.turn()
        busy = [world.connect(address) for address in range(5)]
        for each in (*busy, light := world.connect(1000)):
            each.send(PIECE)
        self.assertEqual([each.left for each in (*busy, light)], [0, 0, 0, 0, PIECE, 0])

    def test_commands_and_openings(self) -> None:
        """However many commands others keep in line, connections are opened as well, and the other way."""
        for opening in (False, True):
            world = World()
            busy = [world.connect(address, opening=opening) for address in range(300)]
            for each in busy:
                each.send(PIECE)
            one = world.connect(1000, opening=not opening)
            world.scheduler.spend(one.task, 100_000)
            one.send(20)
            for _ in range(100):
                world.turn()
                for each in busy:
                    each.send(PIECE)
            self.assertEqual(one.left, 0)

    def test_accepting(self) -> None:
        """However many addresses keep commands and openings in line, connections are accepted meanwhile."""
        world = World()
        busy = [world.connect(address, opening=address % 2 == 0) for address in range(300)]
        acceptor = world.connect(NOBODY, opening=True)
        for _ in range(100):
            for each in busy:
                each.send(PIECE)
            acceptor.send(PIECE - acceptor.left)
            world.turn()
        self.assertGreater(acceptor.done, 90 * PIECE)

    def test_least_served_connection(self) -> None:
        """Behind an address that floods, the connection that was served least is first."""
        world = World()
        floods = [world.connect(1) for _ in range(20)]
        for each in floods:
            each.send(MUCH)
        for _ in range(50):
            world.turn()
        small = world.connect(1)
        small.send(20)
        self.assertEqual(small.done, 20)

    def test_floods_are_last(self) -> None:
        """Who floods waits behind all others, even where others were served more."""
        world = World()
        steady = world.connect(1)
        for _ in range(100):
            steady.send(200)
            world.turn()
        flood = world.connect(2)
        flood.send(MUCH)
        for _ in range(3):
            world.turn()
        steady.send(400)
        self.assertIs(world.turn()[0], steady)

    @given(_SENDERS)
    def test_nobody_starves(self, senders: list[tuple[int, int]]) -> None:
        """Everybody is served in the end, and floods of equal addresses get equal parts."""
        world = World()
        connections = [world.connect(address) for address, _ in senders]
        for connection, (_, units) in zip(connections, senders, strict=True):
            connection.send(units)
        for _ in range(10 + sum(units for _, units in senders) // PIECE):
            world.turn()
        self.assertEqual([each.left for each in connections], [0] * len(senders))
        self.assertTrue(world.idle)

    @given(st.integers(2, 10), st.integers(1, 5))
    def test_equal_parts(self, addresses: int, connections: int) -> None:
        """Addresses that always want more get equal parts, however many connections one of them has."""
        world = World()
        floods = [world.connect(1) for _ in range(connections)]
        floods += [world.connect(address) for address in range(2, addresses + 1)]
        for each in floods:
            each.send(1_000_000)
        for _ in range(200):
            world.turn()
        parts: Counter[Account] = Counter()
        for each in floods:
            parts[each.task.account] += each.done
        self.assertLess(max(parts.values()) - min(parts.values()), 10 * PIECE)


class AloneTests(SynchronousTestCase):
    """An address that nobody else is active beside."""

    def test_not_limited(self) -> None:
        """After a second alone an address is served at once, on however many connections."""
        world = World()
        connections = [world.connect(1) for _ in range(100)]
        world.sleep(2)
        for each in connections:
            each.send(50)
        self.assertEqual([each.done for each in connections], [50] * 100)
        self.assertFalse(world.scheduler.is_limited(connections[0].task))

    def test_expensive_work(self) -> None:
        """Work that takes longer than its units say does not make a turn longer."""
        world = World()
        for _ in range(1000):
            each = world.connect(1)
            each.send(20)
            world.clock.rightNow += 0.001
        self.assertEqual(len(world.served), 16)

    def test_late_work(self) -> None:
        """What a turn has no time for is done in the next one, as if it had arrived then, not in a slice."""
        world = World()
        connections = [world.connect(1) for _ in range(40)]
        for each in connections:
            each.send(20)
            world.clock.rightNow += 0.001
        world.scheduler.forget(connections[-1].task)
        self.assertEqual(world.turn(), connections[16:-1])
        self.assertTrue(world.idle)

    def test_first_byte_of_another(self) -> None:
        """The first byte of another address ends that, for a second."""
        world = World()
        connections = [world.connect(1) for _ in range(100)]
        other = world.connect(2)
        world.sleep(2)
        connections[0].send(50)
        world.turn()
        other.send(1)
        self.assertTrue(world.scheduler.crowded)
        for each in connections:
            each.send(50)
        self.assertTrue(connections[-1].task.waiting)
        world.sleep(2)
        while not world.idle:
            world.turn()
        connections[0].send(1)
        self.assertFalse(world.scheduler.crowded)


class FloodTests(SynchronousTestCase):
    """Connections that send much at once."""

    def test_limited(self) -> None:
        """A connection that floods beside others is limited, and counted once for a wait."""
        world = World()
        world.connect(2).send(1)
        flood = world.connect(1)
        flood.send(MUCH)
        self.assertFalse(world.scheduler.is_limited(flood.task))
        for _ in range(10):
            world.turn()
        self.assertTrue(world.scheduler.is_limited(flood.task))
        self.assertEqual(world.bounds.met, {Bound.WORK: 1})

    def test_stalled(self) -> None:
        """A connection that waits for an answer, with more behind it, goes on to flood."""
        world = World()
        world.connect(2).send(1)
        flood = world.connect(1)
        flood.send(MUCH)
        while not world.scheduler.is_limited(flood.task):
            world.turn()
        for stalled in (True, False):
            flood.task.stalled = stalled
            for _ in range(50):
                world.sleep(0.1)
                world.connect(2).send(1)
                flood.left = 0
                flood.send(1)
                world.turn()
            self.assertEqual(world.scheduler.is_limited(flood.task), stalled)

    def test_long_wait(self) -> None:
        """A wait is reported as well where many connections together make it long."""
        world = World()
        world.connect(2).send(1)
        for _ in range(2000):
            world.connect(1).send(80)
        while not world.idle:
            world.turn()
        self.assertGreater(world.bounds.met[Bound.WORK], 0)

    def test_nobody_waits(self) -> None:
        """Nothing is reported of clients that send what they have to."""
        world = World()
        for address in range(100):
            world.connect(address).send(20)
            world.turn()
        self.assertEqual(world.bounds.met, {})


class RestTests(SynchronousTestCase):
    """Rests while a client's command is being committed."""

    def setUp(self) -> None:
        """Have one connection that floods, one that waits with little, and one that commits."""
        self.world = World()
        self.world.connect(1).send(1)
        self.flood = self.world.connect(2)
        self.flood.send(MUCH)
        for _ in range(5):
            self.world.turn()
        self.client = self.world.connect(3)

    def run_for(self, seconds: float) -> None:
        """Run turns for so long, or sleep where there is none due."""
        world = self.world
        end = world.clock.seconds() + seconds
        while world.clock.seconds() < end:
            if not any(call.getTime() <= world.clock.seconds() for call in world.clock.calls):
                world.sleep(0.0001)
            else:
                world.turn()

    def commit_for(self, seconds: float) -> None:
        """Run turns for so long, while one command after the other is committed."""
        scheduler, end = self.world.scheduler, self.world.clock.seconds() + seconds
        while self.world.clock.seconds() < end:
            self.assertTrue(scheduler.begin_commit(self.client.task))
            self.run_for(0.001)
            scheduler.end_commit()

    def test_flood_rests(self) -> None:
        """Who floods gets a short slice and a long rest, until all commits are done."""
        before = self.flood.done
        self.commit_for(0.1)
        during = self.flood.done - before
        self.assertGreater(during * UNIT_SECONDS, 0.003)
        self.assertLess(during * UNIT_SECONDS, 0.01)
        self.run_for(0.1)
        self.assertGreater((self.flood.done - before - during) * UNIT_SECONDS, 0.05)

    def test_flood_slices(self) -> None:
        """A slice of those that flood is two pieces."""
        self.world.scheduler.begin_commit(self.client.task)
        slices = set()
        for _ in range(1000):
            before = self.flood.done
            self.run_for(0.0001)
            slices.add(self.flood.done - before)
        self.assertEqual(slices, {0, 2 * PIECE})

    def test_others_rest_less(self) -> None:
        """Who waits without flooding gets a third of the time."""
        many = [self.world.connect(4) for _ in range(1000)]
        for each in many:
            each.send(50)
        before = sum(each.done for each in many)
        self.commit_for(0.05)
        during = (sum(each.done for each in many) - before) * UNIT_SECONDS
        self.assertGreater(during, 0.01)
        self.assertLess(during, 0.03)

    def test_long_commit(self) -> None:
        """A commit that takes long brings ever longer rests."""
        many = [self.world.connect(4) for _ in range(2000)]
        self.world.scheduler.begin_commit(self.client.task)
        for each in many:
            each.send(50)
        self.run_for(0.05)
        before = sum(each.done for each in (*many, self.flood))
        self.run_for(0.1)
        during = (sum(each.done for each in (*many, self.flood)) - before) * UNIT_SECONDS
        self.assertGreater(during, 0.001)
        self.assertLess(during, 0.01)

    def test_heavy_address(self) -> None:
        """An address that was served many times as much as one that commits rests like a flood."""
        self.world.scheduler.forget(self.flood.task)
        many = [self.world.connect(4) for _ in range(1000)]
        self.world.scheduler.spend(many[0].task, 1_000_000)
        self.world.scheduler.begin_commit(self.client.task)
        for each in many:
            each.send(50)
        self.world.scheduler.end_commit()
        before = sum(each.done for each in many)
        self.commit_for(0.05)
        during = (sum(each.done for each in many) - before) * UNIT_SECONDS
        self.assertGreater(during, 0.001)
        self.assertLess(during, 0.006)

    def test_openings(self) -> None:
        """While a command is committed, what opens connections is not done at once, but commands are."""
        opening = self.world.connect(4, opening=True)
        many = self.world.connect(5)
        self.world.scheduler.begin_commit(self.client.task)
        opening.send(20)
        many.send(100)
        self.assertEqual((opening.done, many.done), (0, PIECE))
        self.run_for(0.01)
        self.assertEqual((opening.left, many.left), (0, 0))

    def test_own_commits(self) -> None:
        """The commands of those that flood make nobody rest."""
        self.assertFalse(self.world.scheduler.begin_commit(self.flood.task))
        before = self.flood.done
        self.run_for(0.1)
        self.assertGreater((self.flood.done - before) * UNIT_SECONDS, 0.05)

    def test_short_rest(self) -> None:
        """Who comes into line while those that flood rest waits for its own rest only."""
        self.world.scheduler.begin_commit(self.client.task)
        self.run_for(0.02)  # rests are as long as they get
        before = self.flood.done
        while self.flood.done == before:
            self.world.clock.advance(0.0001)
        opening = self.world.connect(4, opening=True)
        opening.send(20)
        for _ in range(50):
            self.world.clock.advance(0.0001)
        self.assertEqual(opening.left, 0)

    def test_stopped_process(self) -> None:
        """Work in the midst of which the process did not run for a while brings no rest to match."""
        scheduler = self.world.scheduler

        def stop(_units: int) -> bool:
            self.world.sleep(0.5)
            scheduler.spend(task, 1)
            return False

        task = scheduler.new_task(4, stop)
        scheduler.begin_commit(self.client.task)
        scheduler.postpone(task)
        while task.waiting:
            self.run_for(0.01)
        before = self.flood.done
        for _ in range(10):
            self.client.send(1)
            self.run_for(0.1)
        self.assertGreater(self.flood.done, before)

    def test_turns_go_on(self) -> None:
        """Others' rest delays neither answers nor what is done at once."""
        self.world.scheduler.begin_commit(self.client.task)
        self.run_for(0.01)
        flushed: list[float] = []
        self.client.send(20)
        self.assertEqual(self.client.done, 20)
        self.world.scheduler.next_flush(lambda: flushed.append(self.world.clock.seconds()))
        self.world.turn()
        self.assertEqual(len(flushed), 1)


class MeasureTests(SynchronousTestCase):
    """`Scheduler.measure`."""

    def test_at_most(self) -> None:
        """A piece of work counts for some milliseconds at most: the process may not have run meanwhile."""
        world = World()
        measured, served = (world.connect(address) for address in range(2))
        world.scheduler.measure(measured.task, lambda: world.sleep(1.0))
        ranks = {measured.task.account.rank}
        for _ in range(8):
            served.send(PIECE)

        def serve(_: int) -> bool:
            world.sleep(1.0)
            return False

        served.task.serve = serve
        world.turn()
        ranks.add(served.task.account.rank - world.scheduler._half_lives)
        self.assertLess(max(ranks), 12)

    def test_time(self) -> None:
        """The time of a call counts, less what the call counts itself, and one unit at least."""
        world = World()
        measured, other = world.connect(1), world.connect(1)

        def call(units: int) -> None:
            world.clock.rightNow += 100.5 * UNIT_SECONDS
            if units:
                world.scheduler.spend(other.task, units)

        for units, counted in [(0, 100), (30, 70), (100, 1), (300, 1)]:
            before = measured.task.backlog
            world.scheduler.measure(measured.task, partial(call, units))
            self.assertEqual(measured.task.backlog - before, counted)

    def test_exception(self) -> None:
        """A call that raises has taken time all the same."""
        world = World()
        measured = world.connect(1)
        self.assertRaises(ZeroDivisionError, world.scheduler.measure, measured.task, lambda: 1 // 0)
        self.assertEqual(measured.task.backlog, 1)


class AccountTests(SynchronousTestCase):
    """What is remembered of an address."""

    def test_uncounted(self) -> None:
        """What its owner adds to a task counts like what is spent, at the next spend or at the end."""
        scheduler = World().scheduler
        spent, added, ended = (scheduler.new_task(key, lambda _: False) for key in (1, 2, 3))
        scheduler.spend(spent, 100)
        added.uncounted = ended.uncounted = 60
        scheduler.spend(added, 40)
        ended.uncounted += 40
        scheduler.forget(ended)
        ranks = {task.account.rank for task in (spent, added, ended)}
        self.assertEqual(ranks, {spent.rank})

    def test_reconnecting(self) -> None:
        """A new connection does not make up for what its address was served before."""
        world = World()
        for _ in range(200):
            again = world.connect(1)
            again.send(200)
            world.turn()
            world.scheduler.forget(again.task)
        first, second = world.connect(1), world.connect(2)
        first.send(MUCH)
        second.send(MUCH)
        for _ in range(20):
            world.turn()
        self.assertGreater(second.done, 5 * first.done)

    def test_forgotten(self) -> None:
        """An address is forgotten when its score has decayed, and not before."""
        world = World()
        for address in range(1000):
            once = world.connect(address)
            once.send(60)
            world.turn()
            for _ in range(2):  # a connection that is refused in its turn is also lost
                world.scheduler.forget(once.task)
        self.assertEqual(world.scheduler.remembered, 1000)
        world.sleep(100)
        for address in range(2000, 3000):
            world.connect(address)
        self.assertEqual(world.scheduler.remembered, 1000)

    def test_let_go(self) -> None:
        """A connection that is gone is held by nothing, though its task may be."""
        world = World()
        connection = world.connect(1)
        gone = ref(connection)
        world.scheduler.forget(connection.task)
        gc.disable()
        self.addCleanup(gc.enable)
        task = connection.task
        del connection
        self.assertIsNone(gone())
        self.assertFalse(task.serve(1))

    def test_lost_in_line(self) -> None:
        """A connection that is lost in line is not served, and leaves the others their places."""
        world = World()
        world.connect(2).send(1)
        connections = [world.connect(1) for _ in range(50)]
        for each in connections:
            each.send(1000)
        for each in connections[1:]:
            world.scheduler.forget(each.task)
        done = [each.done for each in connections]
        while not world.idle:
            world.turn()
        self.assertEqual(connections[0].left, 0)
        self.assertEqual([each.done for each in connections[1:]], done[1:])
