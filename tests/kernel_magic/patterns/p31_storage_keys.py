"""31. A result at a key of one's own: the file is there, and what lies there is not computed again; serializers, folders."""

import json
import tempfile
from pathlib import Path

from headrace import flow, task

HERE = Path(tempfile.mkdtemp())
calls = []


@task(result_storage=HERE, result_storage_key="p31-{parameters[n]}-{flow_run.name}.json", result_serializer="json")
def p31_write(n):
    calls.append(n)
    return {"n": n}


@task(persist_result=True, result_serializer="compressed/pickle")
def p31_packed(n):
    return [0] * n


@flow(flow_run_name="p31-run", result_storage=HERE / "flow")
def p31_flow() -> int:
    assert p31_write(1) == p31_write(1) == {"n": 1}
    return len(p31_packed(100_000))


assert p31_flow() == p31_flow() == 100_000
assert calls == [1]
text = (HERE / "p31-1-p31-run.json").read_bytes()
assert json.loads(text[text.rindex(b"{") :]) == {"n": 1}
(packed,) = [path for path in (HERE / "flow").rglob("*") if path.is_file()][:1]
assert packed.stat().st_size < 5_000
(HERE / "p31-1-p31-run.json").unlink()
p31_flow()
assert calls == [1, 1]
