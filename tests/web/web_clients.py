"""
The core and the worker of the browser client as a program in Node: what the page would say, and is told.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

from tests.end_to_end.processes import SECONDS, Server
from tools import web_build

Message = dict[str, Any]
ENDLESS: Final = 3 * 2**30  # bytes; whatever is to happen meanwhile happens before they have moved


@cache
def program() -> str:
    """Bundle the program, once."""
    web_build.install(tests=True)
    bundle = f"build/client/{os.getpid()}.mjs"  # each process of pytest makes its own
    atexit.register((web_build.WEB / bundle).unlink)
    web_build.run_node(
        "node_modules/esbuild/bin/esbuild",
        "tests/node/client.ts",
        "--bundle",
        "--platform=node",
        "--format=esm",
        "--packages=external",
        "--log-level=warning",
        f"--outfile={bundle}",
    )
    return bundle


class WebClient:
    """One transfer of the browser client."""

    def __init__(self, server: Server, *, verify: bool = False) -> None:
        self.process = subprocess.Popen(
            web_build.node(program()),
            cwd=web_build.WEB,
            env={**web_build.environment(), "NODE_NO_WARNINGS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.messages: list[Message] = []
        self._news = threading.Condition()
        self._over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        relay = {"hostname": "127.0.0.1", "port": server.transit_port}
        servers = {
            "rendezvous": server.relay_url,
            "relay": server.transit_url,
            "publicRelay": relay,
        }
        self.say(type="connect", servers=servers, verify=verify)

    def say(self, **message: Any) -> None:
        """Say something as the page."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def send(self, content: str | Path, code: str | None = None) -> Self:
        """Send a text, a file or a directory."""
        if isinstance(content, str):
            what = {"kind": "text", "text": content}
        else:
            what = {"kind": "directory" if content.is_dir() else "file", "path": str(content)}
        self.say(type="send", content=what, code=code or {"words": "bravado-waffle"})
        return self

    def receive(self, code: str) -> Self:
        """Receive with a code."""
        self.say(type="receive", code=code)
        return self

    def accept(self, path: Path) -> None:
        """Accept what is offered, to be stored at a path."""
        self.say(type="accept", sink={"kind": "file", "handle": str(path)})

    def code(self) -> str:
        """Wait for the code of this transfer."""
        return str(self.wait_for(type="code")["code"])

    def wait_for(self, **keys: Any) -> Message:
        """Wait for the first message with these values; fails when the program ends without one."""

        def found() -> list[Message]:
            return [
                each for each in self.messages if all(each.get(k) == v for k, v in keys.items())
            ]

        with self._news:
            self._news.wait_for(lambda: found() or self._over, SECONDS)
            if not found():
                raise AssertionError(f"{keys} was not said; but {self.messages}")
            return found()[0]

    def outcome(self) -> Message:
        """Wait for the end: the result of what is done, or the reason why it failed."""
        assert self.process.wait(SECONDS) == 0, self.messages
        self._reader.join(SECONDS)
        return self.messages[-1]

    def end(self) -> None:
        """Kill it, if it has not ended yet."""
        self.process.kill()
        self.process.wait(SECONDS)
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self._reader.join(SECONDS)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.messages.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()
        self.process.stdout.close()


@contextmanager
def web_client(server: Server, *, verify: bool = False) -> Iterator[WebClient]:
    """A browser client for the time of a test."""
    client = WebClient(server, verify=verify)
    try:
        yield client
    finally:
        client.end()


def endless_file(path: Path) -> Path:
    """Make a file of `ENDLESS` bytes, which takes no space."""
    with path.open("wb") as file:
        file.truncate(ENDLESS)
    return path


def reach(state: str, sender: WebClient, receiver: WebClient, content: Path, here: Path) -> None:
    """Let both, which verify, go on until they are in a state; one offers where the other decides."""
    code = sender.send(content).code()
    if state == "waiting-for-peer":
        return
    receiver.receive(code)
    ends = (sender, receiver)
    for end in ends:
        end.wait_for(state="version-ok")
    if state == "version-ok":
        return
    for end in ends:
        end.say(type="compared", same=True)
    receiver.wait_for(type="offer")
    if state == "deciding":
        return
    receiver.accept(here / "received")
    receiver.wait_for(type="progress")


def failure(client: WebClient) -> str:
    """Wait for the end, which is a failure; return its reason."""
    outcome = client.outcome()
    assert outcome["type"] == "failed", outcome
    return str(outcome["reason"])
