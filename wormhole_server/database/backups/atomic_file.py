"""
Atomic files: a file appears as a whole or not at all, and only its owner can read it.

Owns the temporary file beside the final one, and how it takes that one's place. Knows no database.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wormhole_server.errors import StartError


@contextmanager
def atomic_file(path: Path, *, replace: bool) -> Iterator[Path]:
    """
    Provide an empty file, which becomes `path` at the end and is on the disk before this returns.

    :param replace: whether `path` may exist.
    :return: the file to write to.
    :raises StartError: `path` exists and may not, or cannot be written.
    """
    # Checked again at the end; here it saves the work.
    if not replace and path.exists():
        raise _exists(path)
    try:
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part"
        )
    except OSError as error:
        raise StartError(
            f"{path}: cannot be written ({error.strerror}); name a file in a directory that exists "
            "and that this user may write to"
        ) from error
    part = Path(name)
    try:
        os.close(descriptor)
        yield part
        _sync(part)
        _rename(part, path, replace=replace)
        _sync(path.parent)
    except OSError as error:
        raise StartError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        part.unlink(missing_ok=True)


def _rename(part: Path, path: Path, *, replace: bool) -> None:
    if not replace:
        try:
            # Unlike a rename, a link fails where the name is taken.
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
    return StartError(f"{path} already exists; name another file, or add --force to replace it")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        # Some file systems cannot sync directories, and need not.
        if not path.is_dir():
            raise
    finally:
        os.close(descriptor)
