"""What we say: nothing before the peer has proved itself."""

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.support import memory
from wormhole_client.keys import decrypt, phase_key
from wormhole_client.send import Core, send

KEY = bytes(range(32))


class SendTests(SynchronousTestCase):
    def test_waits_for_the_peer(self) -> None:
        """Messages wait, in order, and are then numbered from zero; the key never changes."""
        added: list[tuple[str, bytes]] = []
        remembered = memory("side")
        machine = send(Core(remembered, lambda phase, body: added.append((phase, body))))
        machine.send(b"a")
        machine.send(b"b")
        self.assertEqual((added, remembered.unsaid), ([], [b"a", b"b"]))
        machine.verified(KEY)
        machine.verified(bytes(32))
        machine.send(b"c")
        self.assertEqual(remembered.unsaid, [])
        self.assertEqual([phase for phase, _ in added], ["0", "1", "2"])
        said = [decrypt(phase_key(KEY, "side", phase), body) for phase, body in added]
        self.assertEqual(said, [b"a", b"b", b"c"])

    def test_resumed(self) -> None:
        """Numbers go on where they were."""
        added: list[str] = []
        remembered = memory()
        remembered.said = 3
        remembered.unsaid = [b"kept"]
        machine = send(Core(remembered, lambda phase, _: added.append(phase)))
        machine.verified(KEY)
        self.assertEqual(added, ["3"])
