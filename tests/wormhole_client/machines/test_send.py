"""Tests of the Send machine."""

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import new_state
from wormhole_client.keys import decrypt, phase_key
from wormhole_client.machines.send import SendCore, send_machine

KEY = bytes(range(32))


class SendTests(SynchronousTestCase):
    def test_waits_for_the_peer(self) -> None:
        """Messages wait, in order, and are then numbered from zero; the key never changes."""
        added: list[tuple[str, bytes]] = []
        remembered = new_state("side")
        machine = send_machine(
            SendCore(remembered, lambda phase, body: added.append((phase, body)))
        )
        machine.send(b"a")
        machine.send(b"b")
        self.assertEqual((added, remembered.unsent), ([], [b"a", b"b"]))
        machine.verified(KEY)
        machine.verified(bytes(32))
        machine.send(b"c")
        self.assertEqual(remembered.unsent, [])
        self.assertEqual([phase for phase, _ in added], ["0", "1", "2"])
        said = [decrypt(phase_key(KEY, "side", phase), body) for phase, body in added]
        self.assertEqual(said, [b"a", b"b", b"c"])

    def test_resumed(self) -> None:
        """Numbers go on where they were."""
        added: list[str] = []
        remembered = new_state()
        remembered.messages_sent = 3
        remembered.unsent = [b"kept"]
        machine = send_machine(SendCore(remembered, lambda phase, _: added.append(phase)))
        machine.verified(KEY)
        self.assertEqual(added, ["3"])
