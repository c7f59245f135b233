"""
The person at the terminal: questions, completion while a code is typed, and progress. Owns standard
input and the progress bar; decides nothing.
"""

import sys
from collections.abc import Callable
from typing import Any

import attrs
from tqdm import tqdm
from twisted.internet.threads import blockingCallFromThread, deferToThreadPool

from wormhole_client.code_input import CodeInput
from wormhole_client.talk import TransferError
from wormhole_client.wormhole import Wormhole


def say(line: str) -> None:
    """For the person; standard output is for what is received."""
    print(line, file=sys.stderr, flush=True)


@attrs.define
class Bar:
    """A progress bar on standard error; none where that is no terminal."""

    _bar: "tqdm[Any] | None" = None

    def begin(self, total: int, way: str) -> None:
        say(f"through {way}")
        self._bar = tqdm(total=total, unit="B", unit_scale=True, unit_divisor=1024, disable=None)

    def advance(self, count: int) -> None:
        if self._bar is not None:
            self._bar.update(count)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


async def ask(reactor: Any, question: str) -> bool:
    """Yes or no; no is the default, and the answer where nobody can be asked."""
    answer = await deferToThreadPool(reactor, reactor.getThreadPool(), _ask, f"{question} [y/N] ")
    return answer.strip().lower() in {"y", "yes"}


async def type_code(reactor: Any, wormhole: Wormhole) -> None:
    """
    Let the person type the code, with completion by the tab key.

    :raises TransferError: there is nobody.
    """
    helper = wormhole.input_code()
    await wormhole.get_welcome()
    typed = await deferToThreadPool(
        reactor, reactor.getThreadPool(), _ask_completing, "Enter the code: ", reactor, helper
    )
    nameplate, _, words = typed.strip().partition("-")
    if not nameplate:
        raise TransferError("no code was given")
    helper.choose_nameplate(nameplate)
    helper.choose_words(words)


def completions(helper: CodeInput, typed: str) -> list[str]:
    """Whole lines that `typed` may become."""
    nameplate, dash, words = typed.partition("-")
    if not dash:
        return helper.nameplate_completions(typed)
    return [f"{nameplate}-{each}" for each in helper.word_completions(words)]


def _ask(question: str) -> str:
    say(question)
    return sys.stdin.readline()


def _ask_completing(question: str, reactor: Any, helper: CodeInput) -> str:
    try:
        import readline  # noqa: PLC0415 - not every Python has it
    except ImportError:
        return _ask(question)
    call: Callable[..., list[str]] = blockingCallFromThread

    def complete(typed: str, state: int) -> str | None:
        found = call(reactor, completions, helper, typed)
        return found[state] if state < len(found) else None

    readline.set_completer_delims("")
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
    try:
        return input(question) if sys.stdin.isatty() else _ask(question)
    except EOFError:
        return ""
