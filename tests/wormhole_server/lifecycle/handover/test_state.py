"""Tests of `wormhole_server.lifecycle.handover.state`."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from transit_relay.credit import GrantReader, HandedCredit
from transit_relay.handshake import Request, Side, Token
from transit_relay.session import HandedConnection, HandedWebSocket
from wormhole_server.lifecycle.handover.state import (
    HandedPeer,
    HandedState,
    UnknownVersionError,
    decode,
    encode,
)
from wormhole_websocket.frames import StreamPosition

_REQUESTS = st.builds(
    Request,
    st.binary(min_size=32, max_size=32).map(Token),
    st.none() | st.binary(min_size=8, max_size=8).map(Side),
)
_SECONDS = st.floats(0, 1e6)
_COUNTS = st.integers(0, 1 << 60)
_WEBSOCKETS = st.builds(
    HandedWebSocket,
    st.builds(
        StreamPosition,
        st.binary(max_size=130),
        st.booleans(),
        st.booleans(),
        _COUNTS,
        st.binary(max_size=4),
        st.booleans(),
    ),
    st.none()
    | st.builds(
        HandedCredit,
        _COUNTS,
        st.binary(max_size=100),
        st.builds(GrantReader, _COUNTS, _COUNTS, st.booleans()),
    ),
)
_PEERS = st.builds(
    HandedPeer,
    st.builds(
        HandedConnection,
        _SECONDS,
        st.binary(max_size=100),
        st.none() | _REQUESTS,
        st.none() | st.integers(0, 10),
        st.none() | _SECONDS,
        _COUNTS,
        st.none() | _WEBSOCKETS,
    ),
    st.binary(max_size=100),
    st.sampled_from([None, "192.0.2.7", "2001:db8::7"]),
)
_STATES = st.builds(
    HandedState,
    _SECONDS,
    st.lists(st.sampled_from(["tcp:4001", r"tcp:4001:interface=\:\:"]), max_size=3).map(tuple),
    st.lists(_PEERS, max_size=3).map(tuple),
)


class StateTests(SynchronousTestCase):
    @given(_STATES)
    def test_round_trip(self, state: HandedState) -> None:
        """What was written is read."""
        self.assertEqual(decode(encode(state), state.moment), state)

    def test_later(self) -> None:
        """What has passed between the two processes is added to the times."""
        handed = HandedConnection(7.0, paired=3.0), HandedConnection(1.0)
        state = HandedState(100.0, (), tuple(map(HandedPeer, handed)))
        later = [peer.connection for peer in decode(encode(state), 102.5).peers]
        self.assertEqual([(each.age, each.paired) for each in later], [(9.5, 5.5), (3.5, None)])

    def test_other_version(self) -> None:
        """Another version is refused, whatever else it says, and so is what has none."""
        newer = encode(attrs.evolve(HandedState(0.0), version=2))
        for data in (newer, b'{"version": 2, "peers": 7}', b"{}", b"\xff"):
            with self.subTest(data=data):
                self.assertRaises(UnknownVersionError, decode, data, 0.0)
