"""
`python -m bench.client`: a file of 1 byte, a large file and a directory, from each client to each.

In every round all combinations take turns, between two clients that connect to each other directly. What is
received lies in memory, so that no file system is measured. The file of 1 byte is what starting costs.
"""

import argparse
import itertools
import os
import random
import sys
import tempfile
from pathlib import Path

from bench.client.transfer import Client, Cost, Servers
from bench.common import (
    BOUNDS_OUT_OF_REACH,
    OURS,
    BenchError,
    ServerProcess,
    figure,
    free_port,
    machine,
    median,
    print_table,
    ratio,
    say,
    scratch,
)

_MIB = 1 << 20
_MEMORY = "/dev/shm"
_LARGE_FILES = 4  # of a directory; random, as photos are
_SMALL_BYTES = 8 << 10  # words, as in the source of a program


def main() -> None:
    """Run what the command line asks for."""
    options = _parser().parse_args()
    try:
        with scratch() as directory:
            print(machine())
            byte, file, tree = (directory / name for name in ("byte", "file", "tree"))
            byte.write_bytes(b"x")
            _write_random(file, options.mebibytes)
            _make_tree(tree, options.files, options.mebibytes // 2)
            server, servers = _server(directory)
            with server, tempfile.TemporaryDirectory(dir=_MEMORY) as memory:
                for what in (byte, file, tree):
                    _measure(servers, what, Path(memory), options.rounds)
    except BenchError as error:
        sys.exit(f"bench.client: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.client", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each figure (5)")
    parser.add_argument("--mebibytes", type=int, default=512, help="of the file (512)")
    parser.add_argument(
        "--files", type=int, default=2000, help="small ones in the directory (2000)"
    )
    return parser


def _write_random(path: Path, mebibytes: int) -> None:
    with path.open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(_MIB))


def _make_tree(tree: Path, files: int, mebibytes: int) -> None:
    tree.mkdir()
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijkl", k=chance.randint(1, 9))) for _ in range(2000)]
    for number in range(files):
        folder = tree / f"folder-{number // 50}"
        folder.mkdir(exist_ok=True)
        text = " ".join(chance.choices(words, k=_SMALL_BYTES // 5))
        (folder / f"file-{number}").write_text(text[:_SMALL_BYTES])
    for number in range(_LARGE_FILES):
        _write_random(tree / f"large-{number}", mebibytes // _LARGE_FILES)


def _server(directory: Path) -> tuple[ServerProcess, Servers]:
    rendezvous, transit = free_port(), free_port()
    argv = [
        str(OURS / "wormhole-server"),
        "run",
        f"--rendezvous=tcp:{rendezvous}:interface=127.0.0.1",
        f"--transit=tcp:{transit}:interface=127.0.0.1",
        "--metrics=none",
        f"--database=sqlite:///{directory}/server.db",
        *BOUNDS_OUT_OF_REACH,
    ]
    servers = Servers(f"ws://127.0.0.1:{rendezvous}/v1", f"tcp:127.0.0.1:{transit}")
    return ServerProcess("the server", argv, rendezvous, directory / "server.log"), servers


def _measure(servers: Servers, what: Path, memory: Path, rounds: int) -> None:
    pairs = [(Client.THEIRS, Client.THEIRS)]
    pairs += [pair for pair in itertools.product(Client, Client) if pair not in pairs]
    found: dict[tuple[Client, Client], list[Cost]] = {pair: [] for pair in pairs}
    for number in range(rounds):
        say(f"{what.name}: round {number + 1} of {rounds}")
        for pair in pairs:
            found[pair].append(servers.transfer(*pair, what, memory))
    base = median([cost.cpu_seconds for cost in found[pairs[0]]])
    rows = []
    for (sender, receiver), costs in found.items():
        seconds = [cost.cpu_seconds for cost in costs]
        rows.append(
            [
                f"{sender.value} to {receiver.value}",
                figure(median(seconds)),
                f"{figure(min(seconds))} to {figure(max(seconds))}",
                ratio(median(seconds), base, rounds),
                figure(median([cost.peak_mib for cost in costs])),
            ]
        )
    head = ["", "CPU s of both", "spread", "×", "peak RSS MiB"]
    print_table(f"{what.name}, median of {rounds}", head, rows)


if __name__ == "__main__":
    main()
