DROP INDEX ix_runs_tagged;
--
CREATE INDEX ix_runs_tagged ON runs ((tags != '[]'), created_at, id) WHERE parent_id IS NULL AND tags != '[]';
--
CREATE INDEX ix_runs_unsuccessful ON runs (state_type, id) WHERE state_type IN ('FAILED', 'CRASHED', 'CANCELLED');
