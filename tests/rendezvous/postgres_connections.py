"""A case of tests with a PostgreSQL database of its own and plain connections to it."""

from __future__ import annotations

from typing import ClassVar

import psycopg
import pytest
from sqlalchemy import URL
from twisted.trial.unittest import SynchronousTestCase

from tests.databases import drop_postgres, new_postgres_url


@pytest.mark.processes
class ConnectionCase(SynchronousTestCase):
    """The database is made for the class; connections go with the test."""

    _url: ClassVar[URL]

    @classmethod
    def setUpClass(cls) -> None:
        """Make a database."""
        cls._url = new_postgres_url()

    @classmethod
    def tearDownClass(cls) -> None:
        """Drop it."""
        drop_postgres(cls._url)

    def connect(self) -> psycopg.Connection:
        """A connection of this test."""
        url = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = psycopg.connect(url, autocommit=True)
        self.addCleanup(connection.close)
        return connection
