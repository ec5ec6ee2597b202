"""Write `fresh.<dialect>.sql` from the tables; with `--freeze REVISION` also that migration's script."""

from __future__ import annotations

import argparse
from pathlib import Path

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from headrace.store import schema, triggers

FOLDER = Path(__file__).resolve().parents[2] / "extension" / "store" / "migrations"
SEPARATOR = ";\n--\n"


def script(dialect: str) -> str:
    """Return the statements that make an empty store, for "sqlite" or "postgresql"."""
    compiler = {"sqlite": sqlite.dialect, "postgresql": postgresql.dialect}[dialect]()
    statements: list[str] = []
    for table in schema.metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=compiler)).strip())
        for index in sorted(table.indexes, key=lambda i: str(i.name)):
            if index.info.get("only") in (None, dialect):
                statements.append(str(CreateIndex(index).compile(dialect=compiler)).strip())
    statements += triggers.TRIGGERS[dialect]
    return SEPARATOR.join("\n".join(line.rstrip() for line in s.splitlines()) for s in statements) + ";\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--freeze", metavar="REVISION")
    arguments = parser.parse_args()
    for dialect in ("sqlite", "postgresql"):
        (FOLDER / f"fresh.{dialect}.sql").write_text(script(dialect))
        if arguments.freeze:
            (FOLDER / "sql").mkdir(exist_ok=True)
            (FOLDER / "sql" / f"{arguments.freeze}.{dialect}.sql").write_text(script(dialect))


if __name__ == "__main__":
    main()
