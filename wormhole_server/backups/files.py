"""
A file that is there whole or not at all, and that nobody else can read.

Owns temporary files beside the one that is asked for, and how they take its place. Knows no database.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wormhole_server.errors import StartError


@contextmanager
def written(path: Path, *, replace: bool) -> Iterator[Path]:
    """
    An empty file to write to, which becomes `path` at the end, on the disk before this returns.

    :param replace: whether `path` may be there already.
    :raises StartError: it may not be there and is, or cannot be written.
    """
    # Before any work is done; `_become` makes sure of it.
    if not replace and path.exists():
        raise _exists(path)
    try:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise StartError(
            f"{path}: cannot be written ({error.strerror}); name a file in a directory that is "
            "there and that this user may write to"
        ) from error
    part = Path(name)
    try:
        os.close(number)
        yield part
        _sync(part)
        _become(part, path, replace=replace)
        _sync(path.parent)
    except OSError as error:
        raise StartError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        part.unlink(missing_ok=True)


def _become(part: Path, path: Path, *, replace: bool) -> None:
    if not replace:
        try:
            # Unlike a rename it fails where the name is taken.
            os.link(part, path)
        except FileExistsError:
            raise _exists(path) from None
        except OSError:
            # Some file systems have no links.
            if path.exists():
                raise _exists(path) from None
        else:
            return
    part.replace(path)


def _exists(path: Path) -> StartError:
    return StartError(f"{path}: is there already; name another file, or add --force to replace it")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        # Some file systems cannot do this for directories, and need not.
        if not path.is_dir():
            raise
    finally:
        os.close(descriptor)
