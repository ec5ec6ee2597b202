"""Look a result up, store one, and say why it hit or missed.

The engine asks `lookup` before an attempt and calls `save` after it; both
decide nothing about states. Errors of the storage never fail a run that the
user's own code finished: they become one warning, and the run is marked as
not resumable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.core.clock import iso
from headrace.core.errors import StoreError, UnserializableResult, UntrustedResultError
from headrace.kernel_magic.results.hashing import UnhashableInput
from headrace.kernel_magic.results.policies import CachePolicy, KeyContext, key_of
from headrace.kernel_magic.results.serializers import PickleSerializer, Serializer, get_serializer
from headrace.kernel_magic.results.shelf import Shelf, read_sealed
from headrace.store.results import StoredResult


@dataclass(slots=True, kw_only=True)
class CacheDecision:
    """What the cache knows about a call.

    Attributes
    ----------
    hit : bool
    value : object
        The stored result, when it hit.
    key : str or None
        None: this call is not cached.
    reason : str
        One sentence for a person.
    parts : mapping
        Part → digest.
    changed : tuple of str
        On a miss: the parts that differ from the newest result of this task.
    from_run_id : str or None
        The run that made the stored result.
    warning : str
        Why the call cannot be cached though it should be.
    """

    hit: bool = False
    value: Any = None
    key: str | None = None
    reason: str = "not cached: no cache policy"
    parts: Mapping[str, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    from_run_id: str | None = None
    warning: str = ""

    def to_record(self) -> dict[str, Any]:
        """Return it as the run's `cache` column: JSON, without the value."""
        return {
            "hit": self.hit,
            "key": self.key,
            "reason": self.reason,
            "changed": list(self.changed),
            "parts": {name: text[:16] for name, text in self.parts.items()},
            "from_run_id": self.from_run_id,
        }


def lookup(
    shelf: Shelf,
    policy: CachePolicy | None,
    context: KeyContext,
    *,
    refresh: bool = False,
    storage_key: str | None = None,
    result_storage: Any = None,
    serializer: Serializer | str | None = None,
) -> CacheDecision:
    """Look for the result of a call.

    Parameters
    ----------
    shelf : Shelf
    policy : CachePolicy or None
    context : KeyContext
    refresh : bool, default False
        Miss in any case; the new result is stored over the old one.
    storage_key : str or None, default None
        The user's own key (`result_storage_key`, already filled in): it stands in place of the policy's.
    result_storage, serializer
        Where a `storage_key` is looked for that the index does not know.

    Returns
    -------
    CacheDecision
    """
    if storage_key is not None:
        parts, key = {"key": storage_key}, storage_key
    else:
        if not policy:
            return CacheDecision()
        try:
            made = policy.key_parts(context)
        except UnhashableInput as error:
            return CacheDecision(reason=f"not cached: {error}", warning=str(error))
        if made is None:
            return CacheDecision(reason="not cached: the cache key function returned None")
        parts, key = made, key_of(made)
    if refresh:
        return CacheDecision(key=key, parts=parts, reason="refreshed: refresh_cache is set")
    found = shelf.find(key)
    if found is None and storage_key is not None:
        found = _lying(shelf, storage_key, result_storage, serializer)
    if found is not None:
        return _load(shelf, found, key, parts)
    return _miss(shelf, context.definition_key, key, parts)


def _lying(shelf: Shelf, key: str, result_storage: Any, serializer: Serializer | str | None) -> StoredResult | None:
    """A result that lies at the user's own key though this store never saw it."""
    there = shelf.lying(key, result_storage)
    if there is None:
        return None
    place, size = there
    return StoredResult(key=key, storage=place, serializer=get_serializer(serializer).name, size_bytes=size)


def _load(shelf: Shelf, found: StoredResult, key: str, parts: Mapping[str, str]) -> CacheDecision:
    now = shelf.now_us()
    if found.expires_at is not None and found.expires_at <= now:
        return CacheDecision(key=key, parts=parts, reason=f"missed: the result expired at {iso(found.expires_at)}")
    try:
        value = opened(shelf.read(found.storage), found.serializer)
    except FileNotFoundError:
        shelf.forget(key)
        return CacheDecision(key=key, parts=parts, reason="missed: the stored result is gone")
    except UntrustedResultError as error:
        return CacheDecision(key=key, parts=parts, reason=f"missed: {error}", warning=str(error))
    except Exception as error:
        text = f"the stored result cannot be read ({type(error).__name__}: {error})"
        return CacheDecision(key=key, parts=parts, reason=f"missed: {text}", warning=text)
    if now - found.used_at > 60_000_000:
        shelf.touch(key)
    made = f", made {iso(found.created_at)}" if found.created_at else ""
    return CacheDecision(
        hit=True,
        value=value,
        key=key,
        parts=parts,
        reason=f"hit: the same task and inputs{made}",
        from_run_id=found.run_id,
    )


def _miss(shelf: Shelf, definition_key: str, key: str, parts: Mapping[str, str]) -> CacheDecision:
    """Say which part differs from the newest result that differs in the fewest."""
    best: tuple[str, ...] | None = None
    for earlier in shelf.latest(definition_key):
        names = set(earlier.parts) | set(parts)
        changed = tuple(sorted(name for name in names if earlier.parts.get(name) != parts.get(name)))
        if best is None or len(changed) < len(best):
            best = changed
    if best is None:
        return CacheDecision(key=key, parts=parts, reason="missed: this task has no stored result")
    if not best:
        return CacheDecision(key=key, parts=parts, reason="missed: the stored result was removed")
    return CacheDecision(
        key=key, parts=parts, changed=best, reason="missed: " + ", ".join(map(describe_part, best)) + " changed"
    )


def describe_part(name: str) -> str:
    """Return a key's part in words, e.g. "input:rate" → "input rate", "source:code" → "the task's code"."""
    kind, _, rest = name.partition(":")
    if kind == "source":
        return "the task's code" if rest == "code" else f"{rest} (which its code uses)"
    if kind == "input":
        return f"input {rest}"
    return {"run": "the flow run", "flow_parameters": "the flow's parameters", "key": "the key"}.get(kind, kind)


def open_result(place: str, serializer: str) -> Any:
    """Read, check and open a stored result.

    Raises
    ------
    FileNotFoundError, UntrustedResultError
    """
    return opened(read_sealed(place), serializer)


def opened(parts: Sequence[Any], serializer: str) -> Any:
    """Return the value of parts whose seal was checked."""
    chosen = get_serializer(serializer)
    return chosen.load_parts(parts) if isinstance(chosen, PickleSerializer) else chosen.loads(bytes(parts[0]))


def save(
    shelf: Shelf,
    value: Any,
    *,
    key: str,
    definition: str,
    definition_key: str,
    run_id: str | None,
    parts: Mapping[str, str] | None = None,
    notebook_path: str | None = None,
    expiration_seconds: float | None = None,
    result_storage: Any = None,
    serializer: Serializer | str | None = None,
) -> dict[str, Any]:
    """Store a result before COMPLETED is announced.

    Parameters
    ----------
    shelf : Shelf
    value : object
    key : str
        The cache key, or the run's id for a result that is only kept.
    definition, definition_key, run_id
        Which task, which run.
    parts : mapping or None
        What the key was made of.
    expiration_seconds : float or None
    result_storage : str, Path or None
    serializer : Serializer, str or None

    Returns
    -------
    dict
        The run's `result` column: `{key, storage, serializer, size_bytes, type, preview}`; with `error` in place
        of `storage` when it could not be stored.
    """
    record: dict[str, Any] = {
        "key": key,
        "type": f"{type(value).__module__}.{type(value).__qualname__}",
        "preview": preview(value),
    }
    try:
        chosen = get_serializer(serializer)
        data = chosen.dump_parts(value) if isinstance(chosen, PickleSerializer) else [chosen.dumps(value)]
        now = shelf.now_us()
        stored = shelf.save(
            StoredResult(
                key=key,
                storage="",
                serializer=chosen.name,
                size_bytes=0,
                definition=definition,
                definition_key=definition_key,
                notebook_path=notebook_path,
                run_id=run_id,
                parts=dict(parts or {}),
                created_at=now,
                used_at=now,
                expires_at=None if expiration_seconds is None else now + int(expiration_seconds * 1_000_000),
            ),
            data,
            result_storage,
        )
    except (UnserializableResult, StoreError) as error:
        record["error"] = str(error)
        return record
    record.update(storage=stored.storage, serializer=stored.serializer, size_bytes=stored.size_bytes)
    return record


def preview(value: Any, limit: int = 300) -> str:
    """Return a short text of a value, never walking into large ones."""
    kind = type(value)
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{kind.__name__} {' × '.join(map(str, shape))}"
    try:
        if isinstance(value, list | tuple | set | frozenset | dict) and len(value) > 100:
            return f"{kind.__name__} of {len(value)}"
        if isinstance(value, str):
            return value if len(value) <= limit else value[: limit - 1] + "…"
        text = repr(value)
    except Exception as error:
        return f"{kind.__name__} (its repr failed: {type(error).__name__})"
    return text if len(text) <= limit else text[: limit - 1] + "…"
