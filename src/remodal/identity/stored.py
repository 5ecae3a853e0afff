"""What is stored as values: SQLite databases and pickles, neither of which is run."""

import io
import pickletools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from shutil import copyfileobj
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from remodal.identity.parts import Packed, Parts, Text, Unread, texts
from remodal.identity.plain import plain_text


def of_database(stream: BinaryIO) -> Parts:
    """Every text of an SQLite database, such as MLflow's, and what was deleted from it.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    if isinstance(stream, io.BufferedReader) and isinstance(stream.raw, io.FileIO):
        yield from _of_tables(Path(stream.name))
    else:
        with NamedTemporaryFile() as copy:
            copyfileobj(stream, copy)
            copy.flush()
            yield from _of_tables(Path(copy.name))
    # Rows that were deleted stay in the file until others need their place.
    stream.seek(0)
    yield from plain_text(stream)


def _of_tables(path: Path) -> Parts:
    address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as database:
        database.text_factory = lambda raw: raw.decode(errors="as-latin-1")
        tables = database.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        for kind, name, made in tables:
            yield from texts("definition of a table", made or "")
            if kind == "table":
                yield from _of_table(database, name)


def _of_table(database: sqlite3.Connection, table: str) -> Parts:
    quoted = table.replace('"', '""')
    try:
        rows = database.execute(f'SELECT * FROM "{quoted}"')
        columns = [one[0] for one in rows.description]
        for row in rows:
            for column, value in zip(columns, row):
                place = f"table {table}, {column}"
                if isinstance(value, bytes):
                    yield Packed(place, BytesIO(value))
                elif value is not None:
                    yield from texts(place, str(value))
    except sqlite3.OperationalError:  # what it needs is not built into this SQLite
        yield Unread(f"table {table}", "cannot be read")


def is_pickle(start: bytes) -> bool:
    """Whether a file begins as a pickle of protocol 2 or later."""
    return start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5")


def of_pickle(stream: BinaryIO) -> Parts:
    """The values of a file's pickles, and the text of what follows them.

    Raises:
        ValueError: it is damaged.
    """
    # In a pickle, letters that mean something else stand right beside text.
    while is_pickle(start := stream.read(2)):
        stream.seek(-2, 1)
        yield from _of_values(stream)
    stream.seek(-len(start), 1)
    yield from plain_text(stream)


def _of_values(stream: BinaryIO) -> Iterator[Text | Packed]:
    for _, value, _ in pickletools.genops(stream):
        if isinstance(value, bytes | bytearray):
            yield Packed("pickled", BytesIO(value))
        elif value is not None:
            yield from texts("pickle", str(value))
