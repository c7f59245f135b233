"""
pgbouncer between the server and PostgreSQL: Debian's, started for one test.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import sqlalchemy as sa

from tests.end_to_end.processes import Program, until

_SETTINGS = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = 20
{more}
"""


@contextmanager
def pgbouncer(url: str, mode: str, *more: str, port: int = 0) -> Iterator[str]:
    """Run pgbouncer in front of a database, on a free port; the URL of that database through it."""
    server = sa.make_url(url)
    with closing(socket.create_server(("127.0.0.1", port))) as probe:
        listen = probe.getsockname()[1]
    host = str(server.query["host"])
    # As the user of PostgreSQL, who alone can enter the directory of its socket; root is refused.
    user = pwd.getpwuid(os.stat(host).st_uid).pw_name
    settings = Path(tempfile.mkdtemp(prefix="wormhole-pgbouncer-")) / "pgbouncer.ini"
    os.chmod(settings.parent, 0o755)
    settings.write_text(
        _SETTINGS.format(
            host=host,
            port=server.port or 5432,
            user=server.username,
            listen=listen,
            mode=mode,
            more="\n".join(more),
        )
    )
    command = [shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", str(settings)]
    if os.getuid() == 0:
        command[1:1] = [f"--user={user}"]
    program = Program(command)
    pooled = sa.URL.create(
        "postgresql+psycopg", server.username, None, "127.0.0.1", listen, server.database
    )

    def answers() -> bool:
        try:
            dsn = pooled.set(drivername="postgresql").render_as_string()
            with closing(psycopg.connect(dsn)):
                return True
        except psycopg.OperationalError:
            assert program.process.poll() is None, program.output
            return False

    try:
        until(answers)
        yield pooled.render_as_string(hide_password=False)
    finally:
        program.end()
        shutil.rmtree(settings.parent)
