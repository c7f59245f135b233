"""
The server lock: one server at a time uses a SQLite file.

Owns the lock, which the kernel holds on the open file: it ends with the process, however that ends. It lies
on a byte that SQLite never locks, so commands read and write the file beside a server. Systems without such
locks, which are all but Linux, go without.
"""

from __future__ import annotations

import fcntl
import os
import struct

from sqlalchemy import URL

from wormhole_server.errors import DatabaseUnavailableError

# SQLite locks the 512 bytes from 2**30 on, and stores nothing in the page around them.
_LOCK_BYTE = 2**30 + 4001
_WRITE_LOCK = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, _LOCK_BYTE, 1, 0)
_SET_LOCK: int | None = getattr(fcntl, "F_OFD_SETLK", None)


class ServerLock:
    """
    The lock of one server on its database; PostgreSQL needs none.

    The file stays open until `release`: closing it ends the locks that SQLite has in this process.
    """

    def __init__(self, url: URL) -> None:
        sqlite = url.get_backend_name() == "sqlite"
        self._path = url.database if sqlite and _SET_LOCK is not None else None
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """
        Take the lock, unless it is held already. Creates the file, which only its owner can read.

        :raises DatabaseUnavailableError: another server has it.
        """
        if self._path is None or self._descriptor is not None or _SET_LOCK is None:
            return
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            # SQLite cannot open it either, and its error says why.
            return
        try:
            fcntl.fcntl(descriptor, _SET_LOCK, _WRITE_LOCK)
        except BlockingIOError:
            os.close(descriptor)
            raise DatabaseUnavailableError(
                f"database: {self._path} is in use by another server; stop that server, or give this one "
                "another --database"
            ) from None
        except OSError:
            # A file system without locks, on which SQLite would not work with several processes either.
            os.close(descriptor)
            return
        self._descriptor = descriptor

    def release(self) -> None:
        """Let another server have the file. Nothing in this process has it open any more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
