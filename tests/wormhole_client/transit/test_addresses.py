"""Tests of the addresses of this machine."""

import ipaddress

from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.transit.addresses import local_addresses


class AddressTests(SynchronousTestCase):
    def test_usable(self) -> None:
        """At least one, each once, none that others could not use."""
        found = [ipaddress.ip_address(each) for each in local_addresses()]
        self.assertTrue(found)
        self.assertEqual(len(found), len(set(found)))
        self.assertFalse([each for each in found if each.is_link_local or each.is_unspecified])
        if len(found) > 1:
            self.assertFalse([each for each in found if each.is_loopback])
