"""Tests of the Key machine: the code and the peer's pake come in either order."""

import json
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_client.fakes import new_state
from wormhole_client.errors import WrongPasswordError
from wormhole_client.keys import KeyExchange
from wormhole_client.machines.key_exchange import KeyCore, KeyMachine, key_machine


class KeyExchangeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.state = new_state()
        self.added: list[tuple[str, bytes]] = []
        self.keys: list[bytes] = []
        self.scares: list[WrongPasswordError] = []
        self.peer = KeyExchange.start("4-a-b", "app")
        self.machine = self.build()

    def build(self) -> KeyMachine:
        owner: Any = SimpleNamespace(got_key=self.keys.append, scared=self.scares.append)
        return key_machine(KeyCore(self.state, self.add, owner))

    def add(self, phase: str, body: bytes) -> None:
        self.added.append((phase, body))

    def pake(self) -> bytes:
        return json.dumps({"pake_v1": self.peer.message.hex()}).encode()

    def our_message(self) -> bytes:
        [(phase, body)] = self.added
        self.assertEqual(phase, "pake")
        return bytes.fromhex(json.loads(body)["pake_v1"])

    def test_code_first(self) -> None:
        """This end's pake is sent when there is a code; the key follows when the peer's has come."""
        self.machine.got_code("4-a-b")
        self.assertEqual(self.keys, [])
        self.machine.got_pake(self.pake())
        self.assertEqual(self.keys, [self.peer.finish(self.our_message())])

    def test_pake_first(self) -> None:
        """A pake that comes before the code is held."""
        self.machine.got_pake(self.pake())
        self.assertEqual((self.added, self.keys), ([], []))
        self.machine.got_code("4-a-b")
        self.assertEqual(self.keys, [self.peer.finish(self.our_message())])

    def test_repeated(self) -> None:
        """Only the first code and the first pake count, in every state."""
        self.machine.got_code("4-a-b")
        self.machine.got_code("4-c-d")
        self.machine.got_pake(self.pake())
        self.machine.got_pake(b"{}")
        self.machine.got_code("4-e-f")
        self.assertEqual((len(self.keys), len(self.added), self.scares), (1, 1, []))
        self.setUp()
        self.machine.got_pake(self.pake())
        self.machine.got_pake(b"{}")
        self.machine.got_code("4-a-b")
        self.assertEqual((len(self.keys), self.scares), (1, []))

    def test_malformed(self) -> None:
        """A malformed pake is scary."""
        for body in (
            b"",
            b"[]",
            b"{}",
            b'{"pake_v1": 3}',
            b'{"pake_v1": "zz"}',
            b'{"pake_v1": "53"}',
        ):
            with self.subTest(body=body):
                self.setUp()
                self.machine.got_code("4-a-b")
                self.machine.got_pake(body)
                self.assertEqual((self.keys, len(self.scares)), ([], 1))

    def test_resumed(self) -> None:
        """A restored machine sends no second pake and finds the same key."""
        self.machine.got_code("4-a-b")
        machine = self.build()
        machine.got_pake(self.pake())
        self.assertEqual(self.keys, [self.peer.finish(self.our_message())])
