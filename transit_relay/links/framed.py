"""
The direction from a peer on WebSocket: its frames are read in one piece of memory for all pairs.

Owns no framing: the peer's transport reads the frames, and unmasks their payload where it stands.
"""

from typing import Final

from transit_relay.descriptor import Descriptor
from transit_relay.link import Buddy, Meter
from transit_relay.links.direction import Direction
from transit_relay.links.mover import send
from transit_relay.links.resources import LinkResources
from transit_relay.transport import WebSocketFraming
from wormhole_websocket.frames import MARGIN

_FIRST_READ: Final = 16 * 1024
_READ_UNITS: Final = 64
"""What is read at once of frames that take longer than their bytes: about a quarter of a millisecond."""
_UNIT_BYTES: Final = 2048
"""Shorter frames take longer than their bytes."""
_UNIT_OF_TURN: Final = 4096
"""Bytes that a frame counts for in a turn, and each 4 KiB of it."""
_LEAST_READ: Final = 256
"""The header of a long frame counts for all of it, and a read of nothing would be the end of the stream."""


class FrameDirection(Direction):
    """
    From a peer on WebSocket.

    :param inlet: reads the frames of `source`.
    """

    __slots__ = ("_at_once", "_inlet", "_pieces")

    def __init__(
        self,
        source: Buddy,
        entry: Descriptor,
        target: Buddy,
        outlet: Descriptor,
        meter: Meter,
        resources: LinkResources,
        inlet: WebSocketFraming,
    ) -> None:
        super().__init__(source, entry, target, outlet, meter, resources)
        self._inlet = inlet
        self._pieces: list[memoryview] = []
        # Bytes: adapted to how long the peer's frames are.
        self._at_once = _FIRST_READ

    def start(self) -> None:
        """See `Direction.start`."""
        self._source.receive = self.forward
        super().start()

    def forward(self, data: bytes) -> None:
        """Send on what the source's transport had read before this started."""
        self._meter.add(len(data))
        if self._credit is None:
            self._output.write(self._head(len(data)) + data)
        else:
            self._credit.send(data)
        self._wait()

    def _take(self, room: int) -> int:
        view = self._resources.view
        end = MARGIN + min(room, self._at_once)
        taken = self._input.socket.recv_into(view[MARGIN:end])
        self._pieces = self._inlet.read_frames(view, MARGIN, MARGIN + taken)
        units = self._inlet.units
        if units * _UNIT_BYTES > taken > 0:
            wanted = max(_LEAST_READ, _READ_UNITS * taken // units)
            self._at_once = min(self._largest(), wanted)
        else:
            self._at_once = min(self._largest(), 2 * self._at_once)
        return taken

    def _send(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        if not pieces:
            return b""
        length = sum(map(len, pieces))
        head = self._head(length)
        rest = send(self._output, [memoryview(head), *pieces] if head else pieces)
        self._count(length)
        return rest

    def _free(self, arrived: bytes) -> int:
        return self._inlet.length_before_payload(arrived)

    def _handle_aside(self) -> None:
        self._inlet.handle_control_frames()

    def _largest(self) -> int:
        return len(self._resources.view) - MARGIN

    def _work(self, taken: int) -> int:
        return max(taken, self._inlet.units * _UNIT_OF_TURN)

    def _turn(self) -> int:
        return self._resources.buffer.turn
