"""
The terminal: what the user reads, questions, completion while a code is typed, and the progress bar.

Owns standard input, output and error, and the cleaning of everything that is printed there: texts of the
peer and of the server are in most of it. Decides nothing.
"""

import os
import sys
import termios
import threading
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.threads import blockingCallFromThread
from twisted.python.failure import Failure

from wormhole_client.code_input import CodeInput
from wormhole_client.transfers.session import TransferError, TransferProgress
from wormhole_client.wormhole import Wormhole

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")
# Categories of characters that command a terminal, or that change how a text looks without being seen.
HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
JOINERS: Final = "\u200c\u200d"  # of categories that are hidden, but part of words and of emoji
LONGEST_LINE: Final = 1000  # characters; more than any reason takes, less than a screen


def printable(text: str, keep: str = "") -> str:
    """
    Make control characters, and those that change the direction of writing, visible as escapes.

    :param keep: control characters that may remain.
    """
    return "".join(
        letter.encode("unicode_escape").decode("ascii")
        if unicodedata.category(letter) in HIDDEN and letter not in keep + JOINERS
        else letter
        for letter in text
    )


def say(line: str) -> None:
    """
    Print a line for the user on standard error; standard output is for what is received.

    :param line: it stays one line, whatever is in it, and is cut after `LONGEST_LINE` characters.
    """
    more = len(line) - LONGEST_LINE
    cut = f" … ({more} more characters)" if more > 0 else ""
    _print(printable(line[:LONGEST_LINE]) + cut, sys.stderr)


def show(text: str) -> None:
    """
    Print a text on standard output.

    On a terminal its control characters are shown, except for line breaks and tabs. Elsewhere it is as it
    was received.
    """
    if sys.stdout is not None and sys.stdout.isatty():
        text = printable(text.replace("\r\n", "\n"), keep="\n\t")
    _print(text, sys.stdout)


def _print(text: str, stream: TextIO | None) -> None:
    if stream is not None:  # closed by who started this process
        encoding = stream.encoding or "utf-8"
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


class ProgressBar(TransferProgress):
    """A progress bar on standard error, if that is a terminal."""

    _bar: "tqdm[Any] | None" = None

    def begin(self, total: int, via: str) -> None:
        from tqdm import tqdm  # noqa: PLC0415 - a transfer without a bar starts sooner

        say(f"through {via}")
        self._bar = tqdm(total=total, unit="B", unit_scale=True, unit_divisor=1024, disable=None)

    def advance(self, count: int) -> None:
        if self._bar is not None:
            self._bar.update(count)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


async def ask(reactor: Any, question: str) -> bool:
    """Ask a question; anything but yes, such as the end of the input, is a no."""
    say(f"{question} [y/N] ")
    answer = await _in_thread(reactor, _read_line)
    return answer.strip().lower() in {"y", "yes"}


async def type_code(reactor: Any, wormhole: Wormhole) -> None:
    """
    Let the user type the code, with completion by the tab key.

    :raises TransferError: the input is empty.
    """
    code_input = wormhole.input_code()
    await wormhole.get_welcome()
    typing = _in_thread(reactor, lambda: _ask_completing("Enter the code: ", reactor, code_input))
    failures: list[Failure] = []

    def fail(reason: Failure) -> None:
        if not reason.check(CancelledError):
            failures.append(reason)
            typing.cancel()

    failing = wormhole.get_code().addErrback(fail)  # only a failure can come before it is typed
    try:
        typed = await typing
    except CancelledError:
        for failure in failures:
            failure.raiseException()
        raise
    finally:
        failing.cancel()
    nameplate, _, words = typed.strip().partition("-")
    if not nameplate:
        raise TransferError("no code was given")
    code_input.choose_nameplate(nameplate)
    code_input.choose_words(words)


def completions(code_input: CodeInput, typed: str) -> list[str]:
    """List the lines that a text may become."""
    nameplate, dash, words = typed.partition("-")
    if not dash:
        return code_input.nameplate_completions(typed)
    return [f"{nameplate}-{each}" for each in code_input.word_completions(words)]


def _in_thread(reactor: Any, read: Callable[[], T]) -> Deferred[T]:
    """
    Read from the user in a thread that the process does not wait for when it exits.

    :return: fires with the result; cancelling it leaves the thread behind, and the terminal as it was.
    """
    restore_terminal = _terminal_restorer()

    def cancel(_: Deferred[T]) -> None:
        restore_terminal()
        say("")  # the rest begins below the question

    result: Deferred[T] = Deferred(cancel)

    def answer(outcome: T | Failure) -> None:
        if not result.called:
            result.callback(outcome)

    def work() -> None:
        try:
            outcome: T | Failure = read()
        except Exception:
            outcome = Failure()
        reactor.callFromThread(answer, outcome)

    threading.Thread(target=work, daemon=True, name="terminal").start()
    return result


def _terminal_restorer() -> Callable[[], None]:
    """Make a function that undoes what readline changes at the terminal while it reads."""
    try:
        descriptor = sys.stdin.fileno()
        settings = termios.tcgetattr(descriptor)
    except (AttributeError, OSError, ValueError, termios.error):  # no terminal
        return lambda: None
    return lambda: termios.tcsetattr(descriptor, termios.TCSANOW, settings)


def _read_line() -> str:
    """
    Read a line from standard input, without the lock of `sys.stdin`.

    The thread may still wait here when the process exits, and Python would wait for that lock.
    """
    if sys.stdin is None:
        return ""
    line = b""
    while not line.endswith(b"\n") and (octet := os.read(sys.stdin.fileno(), 1)):
        line += octet
    return line.decode(errors="replace")


def _ask_completing(question: str, reactor: Any, code_input: CodeInput) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        say(question)
        return _read_line()
    try:
        import readline  # noqa: PLC0415 - not every Python has it
    except ImportError:
        say(question)
        return _read_line()
    call: Callable[..., list[str]] = blockingCallFromThread

    def complete(typed: str, number: int) -> str | None:
        found = call(reactor, completions, code_input, typed)
        return found[number] if number < len(found) else None

    readline.set_completer_delims("")
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
    try:
        return input(question)
    except EOFError:
        return ""
