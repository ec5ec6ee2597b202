"""The triggers: what must hold whoever writes."""

from __future__ import annotations

_FINAL = "('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED')"

#: A terminal type is final, in both databases; the exception is COMPLETED → COMPLETED/RolledBack.
TRIGGERS: dict[str, tuple[str, ...]] = {
    "sqlite": (
        f"""CREATE TRIGGER runs_final BEFORE UPDATE OF state_type, state_name ON runs
WHEN OLD.state_type IN {_FINAL} AND NOT (NEW.state_type = OLD.state_type AND (NEW.state_name = OLD.state_name
  OR (OLD.state_type = 'COMPLETED' AND NEW.state_name = 'RolledBack')))
BEGIN SELECT RAISE(ABORT, 'headrace: the state of a finished run is final'); END""",
    ),
    "postgresql": (
        f"""CREATE FUNCTION headrace_runs_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state_type IN {_FINAL} AND NOT (NEW.state_type = OLD.state_type AND (NEW.state_name = OLD.state_name
    OR (OLD.state_type = 'COMPLETED' AND NEW.state_name = 'RolledBack'))) THEN
    RAISE EXCEPTION 'headrace: the state of a finished run is final';
  END IF;
  RETURN NEW;
END $$""",
        """CREATE TRIGGER runs_final BEFORE UPDATE OF state_type, state_name ON runs
FOR EACH ROW EXECUTE FUNCTION headrace_runs_final()""",
    ),
}
