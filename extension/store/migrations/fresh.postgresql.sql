CREATE TABLE artifacts (
	id TEXT NOT NULL,
	run_id TEXT,
	root_id TEXT,
	key TEXT,
	kind TEXT NOT NULL,
	title TEXT DEFAULT '' NOT NULL,
	owner TEXT DEFAULT '' NOT NULL,
	data TEXT DEFAULT '{}' NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (id)
);
--
CREATE INDEX ix_artifacts_key ON artifacts (key, created_at);
--
CREATE INDEX ix_artifacts_root ON artifacts (root_id);
--
CREATE TABLE deployments (
	id TEXT NOT NULL,
	name TEXT NOT NULL,
	owner TEXT DEFAULT '' NOT NULL,
	kind TEXT NOT NULL,
	notebook_path TEXT,
	entrypoint TEXT,
	source_mode TEXT DEFAULT 'live' NOT NULL,
	snapshot_id TEXT,
	interpreter TEXT,
	kernel_name TEXT,
	kernel_spec TEXT,
	parameters TEXT DEFAULT '{}' NOT NULL,
	parameter_schema TEXT,
	description TEXT DEFAULT '' NOT NULL,
	tags TEXT DEFAULT '[]' NOT NULL,
	pool TEXT DEFAULT 'default' NOT NULL,
	priority INTEGER DEFAULT '0' NOT NULL,
	retries INTEGER DEFAULT '0' NOT NULL,
	retry_delay_seconds TEXT,
	timeout_seconds FLOAT,
	cell_timeout_seconds FLOAT,
	concurrency_limit INTEGER,
	overlap TEXT DEFAULT 'skip' NOT NULL,
	catch_up TEXT DEFAULT 'latest' NOT NULL,
	catch_up_limit INTEGER DEFAULT '1' NOT NULL,
	grace_seconds FLOAT,
	output_path TEXT,
	cwd TEXT,
	env_file TEXT,
	paused INTEGER DEFAULT '0' NOT NULL,
	retention TEXT,
	error TEXT,
	revision INTEGER DEFAULT '1' NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	details TEXT DEFAULT '{}' NOT NULL,
	PRIMARY KEY (id)
);
--
CREATE UNIQUE INDEX ux_deployments_name ON deployments (owner, name);
--
CREATE TABLE documents (
	id TEXT NOT NULL,
	path TEXT NOT NULL,
	owner TEXT DEFAULT '' NOT NULL,
	kernel_id TEXT,
	revision INTEGER DEFAULT '0' NOT NULL,
	cells TEXT DEFAULT '[]' NOT NULL,
	metadata TEXT DEFAULT '{}' NOT NULL,
	source TEXT DEFAULT '' NOT NULL,
	digest TEXT,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (id)
);
--
CREATE INDEX ix_documents_kernel ON documents (kernel_id);
--
CREATE INDEX ix_documents_path ON documents (path, updated_at);
--
CREATE TABLE edges (
	run_id TEXT NOT NULL,
	upstream_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	name TEXT DEFAULT '' NOT NULL,
	PRIMARY KEY (run_id, upstream_id, kind, name)
);
--
CREATE TABLE events (
	seq BIGSERIAL NOT NULL,
	at BIGINT NOT NULL,
	kind TEXT NOT NULL,
	run_id TEXT,
	root_id TEXT,
	attempt INTEGER,
	state_type TEXT,
	state_name TEXT,
	message TEXT,
	subject_id TEXT,
	owner TEXT,
	payload TEXT DEFAULT '{}' NOT NULL,
	PRIMARY KEY (seq)
);
--
CREATE INDEX ix_events_run ON events (run_id, seq);
--
CREATE TABLE idempotency (
	owner TEXT NOT NULL,
	key TEXT NOT NULL,
	body_digest TEXT NOT NULL,
	status INTEGER NOT NULL,
	answer TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (owner, key)
);
--
CREATE TABLE journals (
	id TEXT NOT NULL,
	folded_bytes BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (id)
);
--
CREATE TABLE limit_slots (
	id TEXT NOT NULL,
	limit_name TEXT NOT NULL,
	occupy INTEGER NOT NULL,
	holder TEXT NOT NULL,
	run_id TEXT,
	acquired_at BIGINT NOT NULL,
	lease_until BIGINT,
	PRIMARY KEY (id)
);
--
CREATE INDEX ix_limit_slots_holder ON limit_slots (holder);
--
CREATE INDEX ix_limit_slots_name ON limit_slots (limit_name);
--
CREATE TABLE limits (
	name TEXT NOT NULL,
	slots INTEGER NOT NULL,
	slot_decay_per_second FLOAT DEFAULT '0' NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (name)
);
--
CREATE TABLE logs (
	seq BIGSERIAL NOT NULL,
	run_id TEXT NOT NULL,
	root_id TEXT NOT NULL,
	at BIGINT NOT NULL,
	level INTEGER NOT NULL,
	logger TEXT DEFAULT '' NOT NULL,
	message TEXT NOT NULL,
	PRIMARY KEY (seq)
);
--
CREATE INDEX ix_logs_root ON logs (root_id, seq);
--
CREATE INDEX ix_logs_run ON logs (run_id, seq);
--
CREATE TABLE meta (
	key TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (key)
);
--
CREATE TABLE notices (
	id TEXT NOT NULL,
	deployment_id TEXT NOT NULL,
	run_id TEXT NOT NULL,
	owner TEXT NOT NULL,
	event TEXT NOT NULL,
	address TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	attempts INTEGER DEFAULT '0' NOT NULL,
	next_at BIGINT,
	sent_at BIGINT,
	error TEXT,
	details TEXT DEFAULT '{}' NOT NULL,
	PRIMARY KEY (id)
);
--
CREATE INDEX ix_notices_deployment ON notices (deployment_id, created_at);
--
CREATE INDEX ix_notices_next ON notices (next_at);
--
CREATE TABLE outputs (
	run_id TEXT NOT NULL,
	position INTEGER NOT NULL,
	root_id TEXT NOT NULL,
	at BIGINT NOT NULL,
	output TEXT NOT NULL,
	PRIMARY KEY (run_id, position)
);
--
CREATE INDEX ix_outputs_root ON outputs (root_id, at);
--
CREATE TABLE pools (
	name TEXT NOT NULL,
	owner TEXT DEFAULT '' NOT NULL,
	type TEXT DEFAULT 'local' NOT NULL,
	run_limit INTEGER,
	paused INTEGER DEFAULT '0' NOT NULL,
	details TEXT DEFAULT '{}' NOT NULL,
	PRIMARY KEY (name)
);
--
CREATE TABLE results (
	key TEXT NOT NULL,
	storage TEXT NOT NULL,
	serializer TEXT NOT NULL,
	size_bytes BIGINT NOT NULL,
	definition TEXT DEFAULT '' NOT NULL,
	definition_key TEXT,
	notebook_path TEXT,
	run_id TEXT,
	parts TEXT DEFAULT '{}' NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	used_at BIGINT NOT NULL,
	PRIMARY KEY (key)
);
--
CREATE INDEX ix_results_definition ON results (definition_key, created_at);
--
CREATE INDEX ix_results_used ON results (used_at);
--
CREATE TABLE run_inputs (
	run_id TEXT NOT NULL,
	key TEXT NOT NULL,
	input_schema TEXT DEFAULT '{}' NOT NULL,
	value TEXT,
	asked_at BIGINT NOT NULL,
	answered_at BIGINT,
	PRIMARY KEY (run_id, key)
);
--
CREATE TABLE runs (
	id TEXT NOT NULL,
	root_id TEXT NOT NULL,
	parent_id TEXT,
	kind TEXT NOT NULL,
	name TEXT DEFAULT '' NOT NULL,
	definition TEXT DEFAULT '' NOT NULL,
	definition_key TEXT,
	version TEXT,
	owner TEXT DEFAULT '' NOT NULL,
	owner_id TEXT,
	host TEXT,
	attempt INTEGER DEFAULT '1' NOT NULL,
	max_attempts INTEGER DEFAULT '1' NOT NULL,
	state_type TEXT NOT NULL,
	state_name TEXT NOT NULL,
	state_message TEXT DEFAULT '' NOT NULL,
	state_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	scheduled_at BIGINT,
	started_at BIGINT,
	ended_at BIGINT,
	tags TEXT DEFAULT '[]' NOT NULL,
	parameters TEXT DEFAULT '{}' NOT NULL,
	error TEXT,
	result TEXT,
	cache TEXT,
	deployment_id TEXT,
	schedule_id TEXT,
	slot_at BIGINT,
	trigger TEXT DEFAULT 'user' NOT NULL,
	idempotency_key TEXT,
	resumed_from_id TEXT,
	notebook_path TEXT,
	document_id TEXT,
	cell_id TEXT,
	cell_index INTEGER,
	kernel_id TEXT,
	pool TEXT,
	priority INTEGER DEFAULT '0' NOT NULL,
	lease_owner TEXT,
	lease_until BIGINT,
	pid INTEGER,
	heartbeat_at BIGINT,
	details TEXT DEFAULT '{}' NOT NULL,
	PRIMARY KEY (id)
);
--
CREATE INDEX ix_runs_alive ON runs (owner_id) WHERE state_type IN ('PENDING', 'RUNNING', 'PAUSED', 'CANCELLING');
--
CREATE INDEX ix_runs_children ON runs (parent_id, id) WHERE parent_id IS NOT NULL AND kind != 'task';
--
CREATE INDEX ix_runs_definition ON runs (definition, created_at) WHERE parent_id IS NULL;
--
CREATE INDEX ix_runs_deployment ON runs (deployment_id, created_at) WHERE deployment_id IS NOT NULL;
--
CREATE INDEX ix_runs_document ON runs (document_id, cell_id, created_at) WHERE document_id IS NOT NULL;
--
CREATE INDEX ix_runs_due ON runs (pool, scheduled_at, priority) WHERE state_type = 'SCHEDULED' AND parent_id IS NULL;
--
CREATE INDEX ix_runs_ended ON runs (coalesce(ended_at, 0), id) WHERE parent_id IS NULL;
--
CREATE INDEX ix_runs_kind ON runs (kind, created_at, id) WHERE parent_id IS NULL;
--
CREATE INDEX ix_runs_name ON runs (name, id) WHERE parent_id IS NULL;
--
CREATE INDEX ix_runs_owner ON runs (owner, created_at, id) WHERE parent_id IS NULL;
--
CREATE INDEX ix_runs_pool ON runs (pool, created_at, id) WHERE parent_id IS NULL;
--
CREATE INDEX ix_runs_recent ON runs (created_at, id) WHERE parent_id IS NULL;
--
CREATE INDEX ix_runs_resumed ON runs (resumed_from_id) WHERE resumed_from_id IS NOT NULL;
--
CREATE INDEX ix_runs_schedule ON runs (schedule_id, created_at) WHERE schedule_id IS NOT NULL;
--
CREATE INDEX ix_runs_started ON runs (coalesce(started_at, 0), id) WHERE parent_id IS NULL;
--
CREATE INDEX ix_runs_state ON runs (state_type, created_at, id) WHERE parent_id IS NULL;
--
CREATE INDEX ix_runs_state_name ON runs (state_name, created_at, id) WHERE parent_id IS NULL;
--
CREATE INDEX ix_runs_tagged ON runs ((tags != '[]'), created_at, id) WHERE parent_id IS NULL AND tags != '[]';
--
CREATE INDEX ix_runs_took ON runs (coalesce(ended_at - started_at, 0), id) WHERE parent_id IS NULL;
--
CREATE INDEX ix_runs_tree ON runs (root_id, id);
--
CREATE INDEX ix_runs_trigger ON runs (trigger, created_at, id) WHERE parent_id IS NULL;
--
CREATE INDEX ix_runs_unsuccessful ON runs (state_type, id) WHERE state_type IN ('FAILED', 'CRASHED', 'CANCELLED');
--
CREATE UNIQUE INDEX ux_runs_idempotency ON runs (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
--
CREATE TABLE schedules (
	id TEXT NOT NULL,
	deployment_id TEXT NOT NULL,
	owner TEXT DEFAULT '' NOT NULL,
	slug TEXT,
	kind TEXT NOT NULL,
	cron TEXT,
	day_or INTEGER DEFAULT '1' NOT NULL,
	interval_seconds FLOAT,
	anchor_at BIGINT,
	rrule TEXT,
	at BIGINT,
	timezone TEXT DEFAULT 'UTC' NOT NULL,
	parameters TEXT DEFAULT '{}' NOT NULL,
	active INTEGER DEFAULT '1' NOT NULL,
	start_at BIGINT,
	end_at BIGINT,
	jitter_seconds FLOAT DEFAULT '0' NOT NULL,
	next_slot_at BIGINT,
	next_fire_at BIGINT,
	last_slot_at BIGINT,
	error TEXT,
	revision INTEGER DEFAULT '1' NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (id)
);
--
CREATE INDEX ix_schedules_deployment ON schedules (deployment_id);
--
CREATE INDEX ix_schedules_due ON schedules (next_fire_at) WHERE active = 1 AND next_fire_at IS NOT NULL;
--
CREATE TABLE slots (
	schedule_id TEXT NOT NULL,
	slot_at BIGINT NOT NULL,
	decision TEXT NOT NULL,
	reason TEXT DEFAULT '' NOT NULL,
	run_id TEXT,
	decided_at BIGINT NOT NULL,
	tzdata TEXT,
	PRIMARY KEY (schedule_id, slot_at)
);
--
CREATE TABLE snapshots (
	id TEXT NOT NULL,
	kind TEXT NOT NULL,
	content BYTEA NOT NULL,
	details TEXT DEFAULT '{}' NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (id)
);
--
CREATE TABLE variables (
	name TEXT NOT NULL,
	owner TEXT DEFAULT '' NOT NULL,
	value TEXT NOT NULL,
	tags TEXT DEFAULT '[]' NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (owner, name)
);
--
CREATE TABLE workers (
	id TEXT NOT NULL,
	name TEXT DEFAULT '' NOT NULL,
	owner TEXT DEFAULT '' NOT NULL,
	pool TEXT NOT NULL,
	owner_id TEXT NOT NULL,
	host TEXT NOT NULL,
	pid INTEGER NOT NULL,
	version TEXT DEFAULT '' NOT NULL,
	slots INTEGER NOT NULL,
	state TEXT DEFAULT 'running' NOT NULL,
	started_at BIGINT NOT NULL,
	heartbeat_at BIGINT NOT NULL,
	details TEXT DEFAULT '{}' NOT NULL,
	PRIMARY KEY (id)
);
--
CREATE INDEX ix_workers_pool ON workers (pool, heartbeat_at);
--
CREATE FUNCTION headrace_runs_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state_type IN ('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED') AND NOT (NEW.state_type = OLD.state_type AND (NEW.state_name = OLD.state_name
    OR (OLD.state_type = 'COMPLETED' AND NEW.state_name = 'RolledBack'))) THEN
    RAISE EXCEPTION 'headrace: the state of a finished run is final';
  END IF;
  RETURN NEW;
END $$;
--
CREATE TRIGGER runs_final BEFORE UPDATE OF state_type, state_name ON runs
FOR EACH ROW EXECUTE FUNCTION headrace_runs_final();
