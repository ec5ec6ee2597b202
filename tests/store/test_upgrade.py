"""Schema: made at once, equal to the migrations, refused when too new, never made anew over a lost file."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import inspect

from headrace.core.errors import StoreCorrupt, StoreError, StoreTooNew, StoreUnavailable
from headrace.core.runs import RunFilter
from headrace.core.settings import find_store
from headrace.core.states import StateType
from headrace.store import Store, schema
from headrace.store.database import Database
from headrace.store.sinks import fold_journals
from headrace.store.upgrade import _migrate, backup, backup_daily, ensure_schema, schema_revision, statements

from .conftest import make_run


def shape(database: Database) -> dict[str, object]:
    with database.read() as connection:
        seen = inspect(connection)
        found: dict[str, object] = {}
        for table in sorted(seen.get_table_names()):
            columns = [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in seen.get_columns(table)]
            indexes = sorted(
                (str(i["name"]), tuple(map(str, i["column_names"])), bool(i["unique"])) for i in seen.get_indexes(table)
            )
            found[table] = (columns, indexes, seen.get_pk_constraint(table)["constrained_columns"])
        # Indexes on expressions are not reflected: their text is compared.
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
        if database.dialect == "postgresql":
            query = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND indexname ~ '^[iu]x_' ORDER BY 1"
        found["indexes"] = [tuple(row) for row in connection.exec_driver_sql(query)]
        return found


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")
def test_a_fresh_store_equals_the_migrated_one(database_url: str, data_dir: Path) -> None:
    database = Database(find_store(database_url))
    ensure_schema(database)
    fresh = shape(database)
    with database.write() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
        if database.dialect == "postgresql":
            connection.exec_driver_sql("DROP FUNCTION headrace_runs_final CASCADE")
        for table in reversed(schema.metadata.sorted_tables):
            connection.execute(sa.schema.DropTable(table))
    _migrate(database)
    assert schema_revision(database) == schema.SCHEMA_REVISION
    assert shape(database) == fresh
    database.close()


def test_the_fresh_scripts_are_made_from_the_tables() -> None:
    import make_schema

    for dialect in ("sqlite", "postgresql"):
        assert (make_schema.FOLDER / f"fresh.{dialect}.sql").read_text() == make_schema.script(dialect)


def test_a_store_two_revisions_newer_is_refused_and_left_alone(sqlite_url: str, data_dir: Path) -> None:
    Store(find_store(sqlite_url)).close()
    path = find_store(sqlite_url).sqlite_path
    assert path is not None
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match="0999"):
        Store(find_store(sqlite_url))
    assert path.read_bytes() == before


def test_where_the_store_is_too_new_the_users_code_runs_and_its_records_wait_in_a_journal(
    sqlite_url: str, data_dir: Path
) -> None:
    Store(find_store(sqlite_url)).close()
    path = str(find_store(sqlite_url).sqlite_path)
    code = "from headrace import flow, task\n@task\ndef t(x): return x + 1\n@flow\ndef f(): return t(1)\nprint(f())"

    def stamp(revision: str) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        connection.close()

    stamp("0999")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "2\n"
    assert [line for line in done.stderr.splitlines() if "0999" in line and "pip install -U" in line]
    stamp(schema.SCHEMA_REVISION)
    store = Store(find_store(sqlite_url))
    fold_journals(store)
    assert [run.state_name for run in store.runs.page(RunFilter(roots_only=False))[0]] == ["Completed", "Completed"]
    store.close()


def test_a_store_one_revision_newer_is_still_written(sqlite_url: str, data_dir: Path) -> None:
    Store(find_store(sqlite_url)).close()
    path = find_store(sqlite_url).sqlite_path
    newer = f"{int(schema.SCHEMA_REVISION) + 1:04d}"
    with sqlite3.connect(str(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (newer,))
    connection.close()
    store = Store(find_store(sqlite_url))
    assert store.schema == newer
    store.close()


PREVIOUS = f"{int(schema.SCHEMA_REVISION) - 1:04d}"


def test_a_recorder_one_revision_older_still_writes(
    database_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(find_store(database_url)).close()
    monkeypatch.setattr("headrace.store.upgrade.SCHEMA_REVISION", PREVIOUS)
    store = Store(find_store(database_url))
    assert store.schema == schema.SCHEMA_REVISION
    run = store.runs.create(make_run())
    store.recorder.log(run.id, run.id, 1, 20, "print", "line")
    store.recorder.flush()
    store.runs.advance(run.id, StateType.FAILED, "Failed", attempt=1)
    assert store.runs.get(run.id).state_name == "Failed"
    assert store.logs.count(run.id) == 1
    store.close()


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")
def test_the_newest_revision_takes_nothing_from_those_who_write_by_the_one_before(
    database_url: str, data_dir: Path
) -> None:
    """Every column is still there; new ones may be left out; nothing that was allowed twice is now unique."""
    database = Database(find_store(database_url))
    with database.write() as connection:
        for number in range(1, int(schema.SCHEMA_REVISION)):
            for statement in statements(f"sql/{number:04d}.{database.dialect}.sql"):
                connection.exec_driver_sql(statement)
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{PREVIOUS}')")
    before = needs(database)
    assert ensure_schema(database, upgrade=True) == schema.SCHEMA_REVISION
    after = needs(database)
    for table, (columns, required, unique) in before.items():
        assert columns <= after[table][0], table
        assert required == after[table][1], table
        assert unique == after[table][2], table
    database.close()


def needs(database: Database) -> dict[str, tuple[set[str], set[str], set[tuple[str, ...]]]]:
    """Return each table's columns, those of them that a writer must name, and what must be unique."""
    with database.read() as connection:
        seen = inspect(connection)
        return {
            table: (
                {c["name"] for c in seen.get_columns(table)},
                {c["name"] for c in seen.get_columns(table) if not c["nullable"] and c["default"] is None},
                {tuple(map(str, i["column_names"])) for i in seen.get_indexes(table) if i["unique"]},
            )
            for table in seen.get_table_names()
        }


@pytest.mark.parametrize("damage", ["emptied", "removed"])
def test_a_lost_file_is_never_taken_for_a_new_install(sqlite_url: str, data_dir: Path, damage: str) -> None:
    Store(find_store(sqlite_url)).close()
    path = find_store(sqlite_url).sqlite_path
    assert path is not None
    for extra in ("-wal", "-shm"):
        Path(f"{path}{extra}").unlink(missing_ok=True)
    path.write_bytes(b"") if damage == "emptied" else path.unlink()
    with pytest.raises(StoreCorrupt, match="backup"):
        Store(find_store(sqlite_url))
    assert path.stat().st_size in (0, 4096)


def test_a_file_that_is_no_database_is_left_as_it_is(sqlite_url: str, data_dir: Path) -> None:
    path = find_store(sqlite_url).sqlite_path
    assert path is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"my precious notes" * 400)
    with pytest.raises(StoreCorrupt, match="doctor"):
        Store(find_store(sqlite_url))
    assert path.read_bytes() == b"my precious notes" * 400


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(tmp_path: Path, data_dir: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="HEADRACE_DATA_DIR"):
        Store(find_store(f"sqlite:///{tmp_path / 'file' / 'headrace.db'}"))


def test_files_are_private_whatever_the_umask(sqlite_store: Store) -> None:
    path = sqlite_store.place.sqlite_path
    assert path is not None
    modes = {p.name: p.stat().st_mode & 0o777 for p in path.parent.iterdir() if p.is_file()}
    assert set(modes.values()) == {0o600}, modes
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_backups_hold_the_rows_and_the_oldest_go(sqlite_store: Store) -> None:
    copy = backup(sqlite_store.database)
    assert copy is not None
    with sqlite3.connect(copy) as connection:
        assert (
            connection.execute("SELECT value FROM meta WHERE key = 'instance'").fetchone()[0] == sqlite_store.instance
        )
    connection.close()
    for n in range(9):
        (copy.parent / f"headrace.backup-2020010{n}T000000.db").write_bytes(b"")
    backup(sqlite_store.database)
    assert len(list(copy.parent.glob("*.backup-*"))) == 7


def test_the_sidecar_names_the_instance(sqlite_store: Store) -> None:
    path = sqlite_store.place.sqlite_path
    assert path is not None
    sidecar = path.with_name(path.name + ".instance.json")
    assert json.loads(sidecar.read_text())["instance"] == sqlite_store.instance


def test_postgresql_is_migrated_only_when_asked(
    postgres_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(find_store(postgres_url)).close()
    monkeypatch.setattr("headrace.store.upgrade.SCHEMA_REVISION", "0998")
    with pytest.raises(StoreUnavailable, match="headrace db upgrade"):
        Store(find_store(postgres_url))


def test_a_backup_is_made_once_a_day_of_what_has_changed(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from headrace.store import upgrade

    database = sqlite_store.database
    first = backup_daily(database)
    assert first is not None
    assert first.stat().st_mode & 0o777 == 0o600
    sqlite_store.journal.append("limit.changed")
    assert backup_daily(database) is None, "one of today is there"
    os.utime(first, (1_000_000_000, 1_000_000_000))
    assert backup_daily(database) is not None
    monkeypatch.setattr(upgrade, "BACKUP_SECONDS", -1.0)
    for path in first.parent.glob("headrace.db*"):
        if ".backup-" not in path.name:
            os.utime(path, (1_000_000_000, 1_000_000_000))
    assert backup_daily(database) is None, "nothing has changed"
    monkeypatch.setattr(upgrade, "BACKUP_BYTES", 1)
    sqlite_store.journal.append("limit.changed")
    assert backup_daily(database) is None, "too large"


@pytest.mark.parametrize("kind", ["page", "bytes", "cut off", "head"])
def test_a_damaged_file_is_a_store_error_and_is_never_begun_anew(
    sqlite_store: Store, tmp_path: Path, kind: str
) -> None:
    """Six damages of each kind by fixed seeds: whatever is asked, the answer is a StoreError or right (F-16)."""
    from headrace.store.housekeeping import vacuum

    for number in range(60):
        sqlite_store.runs.create(make_run(name=f"run {number}", parameters={"a": number}))
    vacuum(sqlite_store)
    path = sqlite_store.place.sqlite_path
    assert path is not None
    sidecar = path.with_name(f"{path.name}.instance.json")
    good = path.read_bytes()
    for seed in range(6):
        chance, data = random.Random(seed), bytearray(good)
        if kind == "page":
            place = chance.randrange(len(data) // 4096) * 4096
            data[place : place + 4096] = chance.randbytes(4096)
        elif kind == "bytes":
            for _ in range(40):
                data[chance.randrange(len(data))] = chance.randrange(256)
        elif kind == "cut off":
            del data[chance.randrange(1, len(data)) :]
        else:
            data[:100] = chance.randbytes(100)
        folder = tmp_path / str(seed)
        folder.mkdir()
        damaged = folder / path.name
        damaged.write_bytes(data)
        shutil.copy(sidecar, folder)
        try:
            store = Store(find_store(f"sqlite:///{damaged}"))
        except StoreError:
            assert damaged.read_bytes() == data, "what cannot be opened is left as it is"
            continue
        for ask in (
            store.runs.page,
            lambda store=store: [store.claims.of_owner(owner) for owner in store.claims.owners()],
            lambda store=store: store.schedules.due(1 << 62),
            lambda store=store: store.journal.after(0),
            lambda store=store: store.runs.create(make_run()),
        ):
            try:
                ask()
            except StoreError:
                continue
        store.close()


def test_a_death_in_the_middle_of_a_migration_leaves_the_old_schema(sqlite_url: str, data_dir: Path) -> None:
    """One transaction: what is found afterwards is what was there before, and the next one goes through."""
    database = Database(find_store(sqlite_url))
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE precious (x)")
    database.close()
    code = (
        "from headrace.core.settings import find_store\n"
        "from headrace.store.database import Database\n"
        "from headrace.store.upgrade import _migrate\n"
        f"_migrate(Database(find_store({sqlite_url!r})))\n"
    )
    for failpoint in ("during_migration=kill", "before_commit=kill"):
        killed = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "HEADRACE_FAILPOINTS": failpoint}, timeout=60, check=False
        )
        assert killed.returncode == -signal.SIGKILL
        with database.read() as connection:
            assert inspect(connection).get_table_names() == ["precious"]
        database.close()
    _migrate(database)
    assert schema_revision(database) == schema.SCHEMA_REVISION
    with database.read() as connection:
        assert "precious" in inspect(connection).get_table_names()
    database.close()
