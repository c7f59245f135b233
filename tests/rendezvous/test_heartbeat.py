"""Tests of `rendezvous.heartbeat`."""

from __future__ import annotations

from collections import Counter

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from rendezvous.heartbeat import Heartbeat
from rendezvous.observer import DropReason
from tests.rendezvous.fakes import Recorder


class Patient:
    """A connection that counts its pings, and may answer them."""

    def __init__(self, clock: Clock, *, answers: bool) -> None:
        self._clock = clock
        self._answers = answers
        self.heard = False
        self.silent_rounds = 7
        self.slot = 7
        self.beats: list[float] = []
        self.ends: list[float] = []
        self.reasons: list[DropReason] = []

    def ping(self) -> None:
        self.beats.append(round(self._clock.seconds()))
        if self._answers:
            self.heard = True

    def give_up(self, reason: DropReason) -> None:
        self.reasons.append(reason)
        self.ends.append(round(self._clock.seconds()))


class HeartbeatTests(SynchronousTestCase):
    """Pings each minute, patience for two."""

    def setUp(self) -> None:
        """Start one that pings every 60 seconds."""
        self.clock = Clock()
        self.observer = Recorder()
        self.heartbeat = Heartbeat(self.clock, self.observer, 60.0, 120.0)
        self.heartbeat.startService()

    def run_for(self, seconds: int) -> None:
        """Let time pass, second by second."""
        self.clock.pump([1.0] * seconds)

    def test_answering(self) -> None:
        """A client that answers is pinged once a minute, and never dropped."""
        patient = Patient(self.clock, answers=True)
        self.heartbeat.add(patient)
        self.run_for(301)
        self.assertEqual((patient.beats, patient.ends), ([60, 120, 180, 240, 300], []))

    def test_silent(self) -> None:
        """A client that says nothing is dropped two minutes after the first ping."""
        patient = Patient(self.clock, answers=False)
        self.heartbeat.add(patient)
        self.run_for(181)
        self.assertEqual((patient.beats, patient.ends), ([60, 120], [180]))

    def test_any_sign_of_life(self) -> None:
        """Bytes within the two minutes begin them anew, from the next ping."""
        patient = Patient(self.clock, answers=False)
        self.heartbeat.add(patient)
        self.run_for(170)
        patient.heard = True
        self.run_for(129)
        self.assertEqual((patient.beats, patient.ends), ([60, 120, 180, 240], []))
        self.run_for(2)
        self.assertEqual(patient.ends, [300])

    def test_removed(self) -> None:
        """A connection that has gone is not pinged, and may be removed twice."""
        patient = Patient(self.clock, answers=False)
        self.heartbeat.add(patient)
        self.heartbeat.remove(patient)
        self.heartbeat.remove(patient)
        self.run_for(300)
        self.assertEqual((patient.beats, patient.ends), ([], []))

    def test_spread(self) -> None:
        """Connections that come over a minute are pinged over a minute, each after its own interval."""
        patients = []
        for _ in range(60):
            patients.append(Patient(self.clock, answers=True))
            self.heartbeat.add(patients[-1])
            self.run_for(1)
        self.run_for(60)
        first = [patient.beats[0] for patient in patients]
        self.assertEqual(len(set(first)), 60)
        for came, beat in enumerate(first):
            self.assertAlmostEqual(beat - came, 60, delta=1)

    def test_many_at_once(self) -> None:
        """Thousands that connect within a second are spread over the round; none waits for more than it."""
        patients = [Patient(self.clock, answers=True) for _ in range(5000)]
        for patient in patients:
            self.heartbeat.add(patient)
        self.run_for(60)
        for minute in range(2):
            self.run_for(60)
            turns = Counter(patient.beats[minute] for patient in patients)
            self.assertEqual(turns.total(), 5000)
            self.assertLessEqual(max(turns.values()), 5000 // 60 + 1)

    def test_room_is_reused(self) -> None:
        """Connections that left count for nothing: the next ones have a whole interval again."""
        for _ in range(3):
            patients = [Patient(self.clock, answers=True) for _ in range(3000)]
            for patient in patients:
                self.heartbeat.add(patient)
            for patient in patients:
                self.heartbeat.remove(patient)
                self.heartbeat.remove(patient)
        few = [Patient(self.clock, answers=True) for _ in range(60)]
        for patient in few:
            self.heartbeat.add(patient)
        self.run_for(60)
        self.assertEqual(Counter(beat for each in few for beat in each.beats), {59: 10, 60: 50})

    def test_one_that_raises(self) -> None:
        """A connection whose ping raises is dropped, logged and counted once; all others are pinged."""

        class Broken(Patient):
            def ping(self) -> None:
                raise ZeroDivisionError

        broken = Broken(self.clock, answers=False)
        others = [Patient(self.clock, answers=True) for _ in range(8)]
        for connection in (*others[:4], broken, *others[4:]):
            self.heartbeat.add(connection)
        self.run_for(181)
        for other in others:
            self.assertEqual((other.beats, other.ends), ([60, 120, 180], []))
        self.assertEqual((broken.ends, broken.reasons), ([60], [DropReason.INTERNAL]))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.observer.counts["internal_error"], 1)

    def test_one_that_cannot_be_dropped(self) -> None:
        """A connection that raises when it is dropped keeps no other from being pinged or dropped."""

        class Broken(Patient):
            def give_up(self, reason: DropReason) -> None:
                super().give_up(reason)
                raise ZeroDivisionError

        broken = [Broken(self.clock, answers=False) for _ in range(3)]
        others = [Patient(self.clock, answers=True) for _ in range(8)]
        for connection in (*others[:4], *broken, *others[4:]):
            self.heartbeat.add(connection)
        self.run_for(301)
        for other in others:
            self.assertEqual(len(other.beats), 5)
        for each in broken:
            self.assertEqual(each.reasons, [DropReason.SILENT, DropReason.INTERNAL])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)

    def test_gone_while_it_is_pinged(self) -> None:
        """A ping that ends another connection of the same slot harms nobody."""
        other = Patient(self.clock, answers=True)

        class Ending(Patient):
            def ping(inner) -> None:  # noqa: N805 - the test's own self is needed
                self.heartbeat.remove(other)
                self.heartbeat.remove(inner)

        ending = Ending(self.clock, answers=True)
        self.heartbeat.add(ending)
        self.heartbeat.add(other)
        self.run_for(200)
        self.assertLessEqual(len(other.beats), 1)

    def test_short_timeout(self) -> None:
        """A timeout far below the interval drops a silent client at the next round."""
        self.heartbeat.change(60.0, 10.0)
        patient = Patient(self.clock, answers=False)
        self.heartbeat.add(patient)
        self.run_for(125)
        self.assertEqual((patient.beats, patient.ends), ([60], [120]))

    def test_timeout_between_intervals(self) -> None:
        """A client has at least the time that it is to have: up to the next round."""
        for timeout_seconds, end in ((60.0, 120), (61.0, 180), (149.0, 240)):
            self.setUp()
            self.heartbeat.change(60.0, timeout_seconds)
            patient = Patient(self.clock, answers=False)
            self.heartbeat.add(patient)
            self.run_for(end + 1)
            self.assertEqual(patient.ends, [end])

    def test_another_pace(self) -> None:
        """Who is connected goes over to the new pace at once."""
        patient = Patient(self.clock, answers=True)
        self.heartbeat.add(patient)
        self.run_for(61)
        self.heartbeat.change(6.0, 12.0)
        patient.beats.clear()
        self.clock.pump([0.1] * 600)
        self.assertEqual(len(patient.beats), 10)

    def test_another_pace_while_silent(self) -> None:
        """A client that was silent at the old pace has all its time at the new one."""
        patient = Patient(self.clock, answers=False)
        self.heartbeat.change(10.0, 120.0)
        self.heartbeat.add(patient)
        self.run_for(100)
        self.heartbeat.change(60.0, 120.0)
        self.run_for(119)
        self.assertEqual(patient.ends, [])
        self.run_for(62)
        self.assertEqual(len(patient.ends), 1)

    def test_same_pace(self) -> None:
        """A change that is none does not put off the next ping."""
        patient = Patient(self.clock, answers=True)
        self.heartbeat.add(patient)
        for _ in range(130):
            self.heartbeat.change(60.0, 120.0)
            self.run_for(1)
        self.assertEqual(patient.beats, [60, 120])

    def test_on_and_off(self) -> None:
        """Pings can be turned off, and on again for those who are connected."""
        patient = Patient(self.clock, answers=True)
        self.heartbeat.add(patient)
        self.heartbeat.change(0.0, 120.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.heartbeat.change(60.0, 120.0)
        self.run_for(121)
        self.assertEqual(len(patient.beats), 2)

    def test_another_pace_before_the_start(self) -> None:
        """A change alone starts nothing."""
        clock = Clock()
        Heartbeat(clock, self.observer, 60.0, 120.0).change(30.0, 120.0)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_stopped(self) -> None:
        """After the stop, which may come twice, no timer is left."""
        self.heartbeat.stopService()
        self.heartbeat.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_off(self) -> None:
        """An interval of 0 turns pings off; connections come and go as before."""
        clock = Clock()
        heartbeat = Heartbeat(clock, self.observer, 0.0, 120.0)
        heartbeat.startService()
        patient = Patient(clock, answers=False)
        heartbeat.add(patient)
        self.assertEqual(clock.getDelayedCalls(), [])
        heartbeat.remove(patient)
        heartbeat.stopService()
