"""Bring a database to the schema of this code, or say why not.

A fresh store is one script in one transaction, stamped at head. Alembic is
imported only when the versions differ. SQLite is migrated by whoever opens it
first, under a lock and after a backup; PostgreSQL only by `headrace db upgrade`.
"""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headrace.core.clock import instant
from headrace.core.errors import StoreCorrupt, StoreTooNew, StoreUnavailable
from headrace.core.failpoints import reach
from headrace.core.ids import new_id
from headrace.store.database import Database
from headrace.store.schema import SCHEMA_REVISION

MIGRATIONS = Path(__file__).parent / "migrations"
SEPARATOR = ";\n--\n"
#: How many backups of the SQLite file are kept (reliability.md, F-16).
BACKUPS_KEPT = 7
#: How old the newest may become, seconds; a larger file than this is the person's own to back up, bytes.
BACKUP_SECONDS = 86_400.0
BACKUP_BYTES = 256 * 1024 * 1024


def statements(name: str) -> list[str]:
    """Return the statements of a script in `migrations/`, e.g. "fresh.sqlite.sql"."""
    text = (MIGRATIONS / name).read_text(encoding="utf-8").rstrip().removesuffix(";")
    return text.split(SEPARATOR)


def schema_revision(database: Database) -> str | None:
    """Return the revision the database is stamped with, None when it is empty."""
    with database.read() as connection:
        return _revision(connection, database.dialect)


def _revision(connection: Connection, dialect: str) -> str | None:
    if dialect == "sqlite":
        known = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").first()
    else:
        known = connection.exec_driver_sql("SELECT to_regclass('alembic_version')").scalar()
    if not known:
        return None
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return str(row[0]) if row else None


def ensure_schema(database: Database, *, upgrade: bool | None = None) -> str:
    """Make sure that the database has a schema this code can work with.

    Parameters
    ----------
    database : Database
    upgrade : bool or None, default None
        Migrate an older schema; None means yes on SQLite, no on PostgreSQL.

    Returns
    -------
    str
        The revision found or made.

    Raises
    ------
    StoreTooNew
        The schema is more than one revision newer than this code.
    StoreCorrupt
        The file is empty though it held a store before.
    StoreUnavailable
        PostgreSQL's schema is older: `headrace db upgrade` is needed.
    """
    found = schema_revision(database)
    if found is None:
        found = _create(database)
    if found == SCHEMA_REVISION:
        return found
    if found > SCHEMA_REVISION:
        if int(found) - int(SCHEMA_REVISION) > 1:
            raise StoreTooNew(
                f"The store has schema {found}, this Headrace knows {SCHEMA_REVISION}: upgrade it with `pip install -U headrace`."
            )
        return found
    if upgrade is None:
        upgrade = database.dialect == "sqlite"
    if not upgrade:
        raise StoreUnavailable(
            f"The PostgreSQL store has schema {found}, {SCHEMA_REVISION} is needed: run `headrace db upgrade`."
        )
    if database.dialect == "sqlite":
        backup(database)
    _migrate(database)
    return SCHEMA_REVISION


def _sidecar(database: Database) -> Path | None:
    path = database.place.sqlite_path
    return None if path is None else path.with_suffix(path.suffix + ".instance.json")


def _create(database: Database) -> str:
    """Run the fresh script unless another process did so meanwhile."""
    sidecar = _sidecar(database)
    if sidecar is not None and sidecar.exists():
        raise StoreCorrupt(
            f"The store {database.place.sqlite_path} is empty, but it held records before ({sidecar.name} says so). "
            f"Put a backup in its place, or delete {sidecar} to begin a new one."
        )
    instance = new_id()
    with database.write(durable=True) as connection:
        if database.dialect == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (0x4EAD_0002,))
        found = _revision(connection, database.dialect)
        if found is not None:
            return found
        for statement in statements(f"fresh.{database.dialect}.sql"):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.execute(sa.text("INSERT INTO alembic_version VALUES (:v)"), {"v": SCHEMA_REVISION})
        connection.execute(sa.text("INSERT INTO meta VALUES ('instance', :v)"), {"v": instance})
    if sidecar is not None:
        _write_private(sidecar, json.dumps({"instance": instance, "schema": SCHEMA_REVISION}))
    return SCHEMA_REVISION


def _write_private(path: Path, text: str) -> None:
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def backup(database: Database) -> Path | None:
    """Copy the SQLite file beside itself and keep the newest seven copies.

    Returns
    -------
    Path or None
        The copy; None on PostgreSQL.
    """
    path = database.place.sqlite_path
    if path is None:
        return None
    stamp = instant(database.clock.now_us()).strftime("%Y%m%dT%H%M%S")
    target = path.with_name(f"{path.stem}.backup-{stamp}{path.suffix}")
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    source, copy = sqlite3.connect(path), sqlite3.connect(target)
    try:
        source.backup(copy)
    finally:
        copy.close()
        source.close()
    for old in sorted(path.parent.glob(f"{path.stem}.backup-*{path.suffix}"))[:-BACKUPS_KEPT]:
        old.unlink(missing_ok=True)
    return target


def backup_daily(database: Database) -> Path | None:
    """Make a backup if the newest one is a day old and the file has changed since (reliability.md, F-16).

    Returns
    -------
    Path or None
        The copy; None where none was due, or the file is so large that seven copies would be a burden.
    """
    path = database.place.sqlite_path
    if path is None or not path.is_file() or path.stat().st_size > BACKUP_BYTES:
        return None
    newest = max((p.stat().st_mtime for p in path.parent.glob(f"{path.stem}.backup-*{path.suffix}")), default=0.0)
    log = path.with_name(f"{path.name}-wal")
    changed = max(p.stat().st_mtime for p in (path, log) if p.exists())
    now = database.clock.now_us() / 1_000_000
    return backup(database) if changed > newest and now - newest > BACKUP_SECONDS else None


def _migrate(database: Database) -> None:
    """Run Alembic to head in one transaction, under the write lock."""
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = alembic_config()
    script = ScriptDirectory.from_config(config)
    with database.write(durable=True) as connection:
        if database.dialect == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (0x4EAD_0002,))

        def upgrade(revision: Any, _context: Any) -> Any:
            reach("during_migration")
            return script._upgrade_revs("head", revision)

        with EnvironmentContext(config, script, fn=upgrade) as environment:
            environment.configure(connection=connection, transactional_ddl=False)
            environment.run_migrations()


def alembic_config() -> Any:
    """Return Alembic's configuration for the scripts of this package."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
