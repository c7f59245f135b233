"""
The way from a peer on WebSocket: its frames are taken apart in one piece of memory for all.

Owns who reads. Until Autobahn is between two frames, it is Autobahn; and again from the first frame
on that is none of a binary message. Control frames are always for Autobahn.
"""

from transit_relay.descriptor import Descriptor
from transit_relay.frames import MARGIN, Frames
from transit_relay.links.direction import Direction
from transit_relay.links.link import Buddy, Meter
from transit_relay.links.mover import send
from transit_relay.links.shared import Shared
from transit_relay.wire import Framing


class FrameDirection(Direction):
    """From a peer on WebSocket."""

    __slots__ = ("_frames", "_inlet", "_pieces")

    def __init__(
        self,
        source: Buddy,
        entry: Descriptor,
        target: Buddy,
        outlet: Descriptor,
        meter: Meter,
        shared: Shared,
        inlet: Framing,
    ) -> None:
        super().__init__(source, entry, target, outlet, meter, shared)
        self._inlet = inlet
        self._frames: Frames | None = None
        self._pieces: list[memoryview] = []

    def start(self) -> None:
        """See `Direction.start`."""
        self._source.receive = self.forward
        super().start()
        if self._shared.unmask is not None:
            self._inlet.lend_frames(self._begin)

    def stop(self) -> None:
        """See `Direction.stop`."""
        super().stop()
        self._return_frames()

    def forward(self, data: bytes) -> None:
        """Hand on what Autobahn has read."""
        self._meter.add(len(data))
        self._output.write(self._head(len(data)) + data)
        self._wait()

    def _begin(self, frames: Frames) -> None:
        self._frames = frames
        self._input.read_with(self.read)

    def _return_frames(self) -> None:
        self._input.give_back(self.read)
        frames, self._frames = self._frames, None
        self._inlet.return_frames(frames)

    def _take(self, room: int) -> int:
        frames, unmask = self._frames, self._shared.unmask
        if frames is None or unmask is None:
            raise BlockingIOError
        view = self._shared.view
        most = min(room, len(view) - MARGIN)
        taken = self._input.socket.recv_into(view[MARGIN : MARGIN + most])
        self._pieces = frames.split(view, MARGIN + taken, unmask)
        return taken

    def _hand_on(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        if not pieces:
            return b""
        length = sum(map(len, pieces))
        head = self._head(length)
        rest = send(self._output, [memoryview(head), *pieces] if head else pieces)
        self._meter.add(length)
        return rest

    def _set_aside(self) -> None:
        frames = self._frames
        if frames is None or not frames.aside:
            return
        aside, frames.aside = frames.aside, []
        if frames.odd:
            self._return_frames()
        for data in aside:
            self._inlet.dataReceived(data)

    def _largest(self) -> int:
        return len(self._shared.view) - MARGIN
