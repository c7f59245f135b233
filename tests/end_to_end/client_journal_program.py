"""
A program that keeps its wormhole in a file: `client_journal_program STATE URL CODE MESSAGE`.

Each run sends what it can, prints what it receives, and ends when nothing more happens. The next run
goes on from the state of the file.
"""

import sys
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

from wormhole_client import create, resume
from wormhole_client.errors import WormholeError

QUIET_SECONDS: Final = 1.5


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def main(reactor: Any, state_file: str, url: str, code: str, message: str) -> None:
    kept = Path(state_file)
    inbox = kept.with_suffix(".inbox")
    state = _read(kept)
    if state:
        wormhole = resume(state, reactor, journal=kept.write_text)
    else:
        wormhole = create("journal-test", url, reactor, journal=kept.write_text)
        wormhole.set_code(code)
        wormhole.send_message(message.encode())
    wormhole.get_message().addCallbacks(inbox.write_bytes, lambda _: None)
    await deferLater(reactor, QUIET_SECONDS)
    if _read(inbox) and not wormhole._boss.state.unsent and not wormhole._boss.state.pending:
        mood = await wormhole.close()
        print(mood.value, _read(inbox))
    else:
        try:
            await wormhole.shutdown()
        except WormholeError as error:
            print(error)


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor, *sys.argv[1:])))
