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
