"""Tests of `wormhole_server.lifecycle.garbage_collection`."""

from __future__ import annotations

import gc

from twisted.trial.unittest import SynchronousTestCase

from wormhole_server.lifecycle.garbage_collection import collection_paused


class CollectionPausedTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Let the collector look at everything again."""
        self.addCleanup(gc.unfreeze)

    def test_paused(self) -> None:
        """Nothing is collected for the time; what exists at the end never is, what is made later is again."""
        gc.unfreeze()
        with collection_paused():
            self.assertFalse(gc.isenabled())
            made = [self]
        self.assertTrue(gc.isenabled())
        later = [self]
        looked_at = list(map(id, gc.get_objects()))
        self.assertNotIn(id(made), looked_at)
        self.assertIn(id(later), looked_at)

    def test_exception(self) -> None:
        """The collector works on behind an exception."""
        with self.assertRaises(ZeroDivisionError), collection_paused():
            raise ZeroDivisionError
        self.assertTrue(gc.isenabled())
