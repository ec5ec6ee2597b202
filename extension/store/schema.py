"""The tables. Instants are BIGINT µs since 1970 UTC; JSON is kept as text, so that both databases store the same bytes.

`migrations/fresh.*.sql` is made from this file by `python tests/tools/make_schema.py`;
a test keeps script, metadata and migrations equal.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    TextClause,
    text,
)

metadata = MetaData()

Big = BigInteger().with_variant(Integer, "sqlite")


def _json(name: str, default: str | None = "{}") -> Column[str]:
    return Column(name, Text, nullable=default is None, server_default=default)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("root_id", Text, nullable=False),
    Column("parent_id", Text),
    Column("kind", Text, nullable=False),
    _text("name"),
    _text("definition"),
    Column("definition_key", Text),
    Column("version", Text),
    _text("owner"),
    Column("owner_id", Text),
    Column("host", Text),
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("max_attempts", Integer, nullable=False, server_default="1"),
    Column("state_type", Text, nullable=False),
    Column("state_name", Text, nullable=False),
    _text("state_message"),
    Column("state_at", Big, nullable=False),
    Column("created_at", Big, nullable=False),
    Column("scheduled_at", Big),
    Column("started_at", Big),
    Column("ended_at", Big),
    _json("tags", "[]"),
    _json("parameters"),
    _json("error", None),
    _json("result", None),
    _json("cache", None),
    Column("deployment_id", Text),
    Column("schedule_id", Text),
    Column("slot_at", Big),
    Column("trigger", Text, nullable=False, server_default="user"),
    Column("idempotency_key", Text),
    Column("resumed_from_id", Text),
    Column("notebook_path", Text),
    Column("document_id", Text),
    Column("cell_id", Text),
    Column("cell_index", Integer),
    Column("kernel_id", Text),
    Column("pool", Text),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("lease_owner", Text),
    Column("lease_until", Big),
    Column("pid", Integer),
    Column("heartbeat_at", Big),
    _json("details"),
)


def _partial(name: str, *columns: str | TextClause, where: str, only: str | None = None, unique: bool = False) -> None:
    """Index only the rows that lists ask for: a task run costs one index entry beside its key."""
    keys = [runs.c[each] if isinstance(each, str) else each for each in columns]
    clause = text(where)
    Index(name, *keys, unique=unique, sqlite_where=clause, postgresql_where=clause, info={"only": only})


Index("ix_runs_tree", runs.c.root_id, runs.c.id)
_partial("ix_runs_children", "parent_id", "id", where="parent_id IS NOT NULL AND kind != 'task'")
_partial("ix_runs_recent", "created_at", "id", where="parent_id IS NULL")
# Lists of root runs by anything that the panel filters or sorts by: a page of a million runs in milliseconds.
for _column in ("state_name", "kind", "trigger", "pool"):
    _partial(f"ix_runs_{_column}", _column, "created_at", "id", where="parent_id IS NULL")
_partial("ix_runs_name", "name", "id", where="parent_id IS NULL")
#: Sort keys that are no columns; the lists' queries spell them in the same way, or no index would serve them.
STARTED = text("coalesce(started_at, 0)")
ENDED = text("coalesce(ended_at, 0)")
TOOK = text("coalesce(ended_at - started_at, 0)")
for _name, _expression in (("started", STARTED), ("ended", ENDED), ("took", TOOK)):
    _partial(f"ix_runs_{_name}", _expression, "id", where="parent_id IS NULL")
_partial("ix_runs_state", "state_type", "created_at", "id", where="parent_id IS NULL")
#: The index's first value is always the same: by that SQLite's planner tells it from the index of all roots.
IS_TAGGED = text("(tags != '[]')")
_partial("ix_runs_tagged", IS_TAGGED, "created_at", "id", where="parent_id IS NULL AND tags != '[]'")
#: Ends that somebody looks for among parts of runs, too; a task that succeeds has no entry.
UNSUCCESSFUL = ("FAILED", "CRASHED", "CANCELLED")
IS_UNSUCCESSFUL = text("state_type IN ('FAILED', 'CRASHED', 'CANCELLED')")
_partial("ix_runs_unsuccessful", "state_type", "id", where=IS_UNSUCCESSFUL.text)
# A file has one owner, a server many.
_partial("ix_runs_owner", "owner", "created_at", "id", where="parent_id IS NULL", only="postgresql")
_partial("ix_runs_definition", "definition", "created_at", where="parent_id IS NULL")
_partial("ix_runs_deployment", "deployment_id", "created_at", where="deployment_id IS NOT NULL")
_partial("ix_runs_schedule", "schedule_id", "created_at", where="schedule_id IS NOT NULL")
_partial("ix_runs_document", "document_id", "cell_id", "created_at", where="document_id IS NOT NULL")
_partial("ix_runs_resumed", "resumed_from_id", where="resumed_from_id IS NOT NULL")
_partial("ix_runs_due", "pool", "scheduled_at", "priority", where="state_type = 'SCHEDULED' AND parent_id IS NULL")
_partial("ix_runs_alive", "owner_id", where="state_type IN ('PENDING', 'RUNNING', 'PAUSED', 'CANCELLING')")
_partial("ux_runs_idempotency", "owner", "idempotency_key", where="idempotency_key IS NOT NULL", unique=True)

events = Table(
    "events",
    metadata,
    Column("seq", Big, primary_key=True, autoincrement=True),
    Column("at", Big, nullable=False),
    Column("kind", Text, nullable=False),
    Column("run_id", Text),
    Column("root_id", Text),
    Column("attempt", Integer),
    Column("state_type", Text),
    Column("state_name", Text),
    Column("message", Text),
    Column("subject_id", Text),
    Column("owner", Text),
    _json("payload"),
    sqlite_autoincrement=True,
)
Index("ix_events_run", events.c.run_id, events.c.seq)

edges = Table(
    "edges",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("upstream_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    _text("name"),
    PrimaryKeyConstraint("run_id", "upstream_id", "kind", "name"),
    sqlite_with_rowid=False,
)

logs = Table(
    "logs",
    metadata,
    Column("seq", Big, primary_key=True, autoincrement=True),
    Column("run_id", Text, nullable=False),
    Column("root_id", Text, nullable=False),
    Column("at", Big, nullable=False),
    Column("level", Integer, nullable=False),
    _text("logger"),
    Column("message", Text, nullable=False),
)
Index("ix_logs_root", logs.c.root_id, logs.c.seq)
Index("ix_logs_run", logs.c.run_id, logs.c.seq)

outputs = Table(
    "outputs",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("root_id", Text, nullable=False),
    Column("at", Big, nullable=False),
    Column("output", Text, nullable=False),
    PrimaryKeyConstraint("run_id", "position"),
)
Index("ix_outputs_root", outputs.c.root_id, outputs.c.at)

documents = Table(
    "documents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("path", Text, nullable=False),
    _text("owner"),
    Column("kernel_id", Text),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("cells", Text, nullable=False, server_default="[]"),
    _json("metadata"),
    _text("source"),
    Column("digest", Text),
    Column("updated_at", Big, nullable=False),
)
Index("ix_documents_path", documents.c.path, documents.c.updated_at)
Index("ix_documents_kernel", documents.c.kernel_id)

deployments = Table(
    "deployments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    _text("owner"),
    Column("kind", Text, nullable=False),
    Column("notebook_path", Text),
    Column("entrypoint", Text),
    Column("source_mode", Text, nullable=False, server_default="live"),
    Column("snapshot_id", Text),
    Column("interpreter", Text),
    Column("kernel_name", Text),
    _json("kernel_spec", None),
    _json("parameters"),
    _json("parameter_schema", None),
    _text("description"),
    _json("tags", "[]"),
    Column("pool", Text, nullable=False, server_default="default"),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("retries", Integer, nullable=False, server_default="0"),
    _json("retry_delay_seconds", None),
    Column("timeout_seconds", Float),
    Column("cell_timeout_seconds", Float),
    Column("concurrency_limit", Integer),
    Column("overlap", Text, nullable=False, server_default="skip"),
    Column("catch_up", Text, nullable=False, server_default="latest"),
    Column("catch_up_limit", Integer, nullable=False, server_default="1"),
    Column("grace_seconds", Float),
    Column("output_path", Text),
    Column("cwd", Text),
    Column("env_file", Text),
    Column("paused", Integer, nullable=False, server_default="0"),
    _json("retention", None),
    Column("error", Text),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("created_at", Big, nullable=False),
    Column("updated_at", Big, nullable=False),
    _json("details"),
)
Index("ux_deployments_name", deployments.c.owner, deployments.c.name, unique=True)

schedules = Table(
    "schedules",
    metadata,
    Column("id", Text, primary_key=True),
    Column("deployment_id", Text, nullable=False),
    _text("owner"),
    Column("slug", Text),
    Column("kind", Text, nullable=False),
    Column("cron", Text),
    Column("day_or", Integer, nullable=False, server_default="1"),
    Column("interval_seconds", Float),
    Column("anchor_at", Big),
    Column("rrule", Text),
    Column("at", Big),
    Column("timezone", Text, nullable=False, server_default="UTC"),
    _json("parameters"),
    Column("active", Integer, nullable=False, server_default="1"),
    Column("start_at", Big),
    Column("end_at", Big),
    Column("jitter_seconds", Float, nullable=False, server_default="0"),
    Column("next_slot_at", Big),
    Column("next_fire_at", Big),
    Column("last_slot_at", Big),
    Column("error", Text),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("created_at", Big, nullable=False),
    Column("updated_at", Big, nullable=False),
)
Index("ix_schedules_deployment", schedules.c.deployment_id)
Index(
    "ix_schedules_due",
    schedules.c.next_fire_at,
    sqlite_where=text("active = 1 AND next_fire_at IS NOT NULL"),
    postgresql_where=text("active = 1 AND next_fire_at IS NOT NULL"),
)

slots = Table(
    "slots",
    metadata,
    Column("schedule_id", Text, nullable=False),
    Column("slot_at", Big, nullable=False),
    Column("decision", Text, nullable=False),
    _text("reason"),
    Column("run_id", Text),
    Column("decided_at", Big, nullable=False),
    Column("tzdata", Text),
    PrimaryKeyConstraint("schedule_id", "slot_at"),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name"),
    _text("owner"),
    Column("pool", Text, nullable=False),
    Column("owner_id", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    _text("version"),
    Column("slots", Integer, nullable=False),
    Column("state", Text, nullable=False, server_default="running"),
    Column("started_at", Big, nullable=False),
    Column("heartbeat_at", Big, nullable=False),
    _json("details"),
)
Index("ix_workers_pool", workers.c.pool, workers.c.heartbeat_at)

pools = Table(
    "pools",
    metadata,
    Column("name", Text, primary_key=True),
    _text("owner"),
    Column("type", Text, nullable=False, server_default="local"),
    Column("run_limit", Integer),
    Column("paused", Integer, nullable=False, server_default="0"),
    _json("details"),
)

limits = Table(
    "limits",
    metadata,
    Column("name", Text, primary_key=True),
    Column("slots", Integer, nullable=False),
    Column("slot_decay_per_second", Float, nullable=False, server_default="0"),
    Column("created_at", Big, nullable=False),
    Column("updated_at", Big, nullable=False),
)

limit_slots = Table(
    "limit_slots",
    metadata,
    Column("id", Text, primary_key=True),
    Column("limit_name", Text, nullable=False),
    Column("occupy", Integer, nullable=False),
    Column("holder", Text, nullable=False),
    Column("run_id", Text),
    Column("acquired_at", Big, nullable=False),
    Column("lease_until", Big),
)
Index("ix_limit_slots_name", limit_slots.c.limit_name)
Index("ix_limit_slots_holder", limit_slots.c.holder)

results = Table(
    "results",
    metadata,
    Column("key", Text, primary_key=True),
    *(Column(name, Text, nullable=False) for name in ("storage", "serializer")),
    Column("size_bytes", Big, nullable=False),
    _text("definition"),
    *(Column(name, Text) for name in ("definition_key", "notebook_path", "run_id")),
    _json("parts"),
    Column("created_at", Big, nullable=False),
    Column("expires_at", Big),
    Column("used_at", Big, nullable=False),
)
Index("ix_results_definition", results.c.definition_key, results.c.created_at)
Index("ix_results_used", results.c.used_at)

artifacts = Table(
    "artifacts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run_id", Text),
    Column("root_id", Text),
    Column("key", Text),
    Column("kind", Text, nullable=False),
    _text("title"),
    _text("owner"),
    _json("data"),
    Column("created_at", Big, nullable=False),
    Column("updated_at", Big, nullable=False),
)
Index("ix_artifacts_root", artifacts.c.root_id)
Index("ix_artifacts_key", artifacts.c.key, artifacts.c.created_at)

variables = Table(
    "variables",
    metadata,
    Column("name", Text, nullable=False),
    _text("owner"),
    Column("value", Text, nullable=False),
    _json("tags", "[]"),
    Column("updated_at", Big, nullable=False),
    PrimaryKeyConstraint("owner", "name"),
)

run_inputs = Table(
    "run_inputs",
    metadata,
    Column("run_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    _json("input_schema"),
    Column("value", Text),
    Column("asked_at", Big, nullable=False),
    Column("answered_at", Big),
    PrimaryKeyConstraint("run_id", "key"),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    _json("details"),
    Column("created_at", Big, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("owner", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("body_digest", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", Big, nullable=False),
    PrimaryKeyConstraint("owner", "key"),
)

journals = Table(
    "journals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("folded_bytes", Big, nullable=False),
    Column("updated_at", Big, nullable=False),
)

notices = Table(
    "notices",
    metadata,
    Column("id", Text, primary_key=True),
    *(Column(name, Text, nullable=False) for name in ("deployment_id", "run_id", "owner", "event", "address")),
    Column("created_at", Big, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    *(Column(name, Big) for name in ("next_at", "sent_at")),
    Column("error", Text),
    _json("details"),
)
Index("ix_notices_next", notices.c.next_at)
Index("ix_notices_deployment", notices.c.deployment_id, notices.c.created_at)

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

SCHEMA_REVISION = "0003"
