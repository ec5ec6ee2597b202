"""Health, counts, the home page, workers, limits, kernelspecs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.core import configuring
from headrace.core.addresses import TLS_REMEDY, database_is_verified
from headrace.core.clock import iso
from headrace.core.errors import StoreError, one_line
from headrace.core.settings import masked_url, strange_kernels
from headrace.core.wire_deployments import worker_to_wire
from headrace.server.worker.install import starts_with_machine
from headrace.server.worker.start import ensure_worker

if TYPE_CHECKING:
    from headrace.server.services import Services


class SystemManager:
    """What requests ask about the system as a whole.

    Parameters
    ----------
    services : Services
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def health(self) -> dict[str, Any]:
        """Return how the store, the scheduler and the workers are; a store that fails is an answer too."""
        from headrace import __version__

        place = self._services.place
        message, schema, alive, next_due = "", None, [], None
        try:
            store = self._services.store
            schema = store.schema
            alive = store.workers.alive(owner=self._services.owner)
            next_due = store.schedules.next_due()
        except StoreError as error:
            message = one_line(error)
        message = message or self._strangers()
        background = self._services.background
        note = ""
        if not message and self._services.store.database.on_network:
            note = (
                "The store lies on a network file system: it is slower there, and only one machine may use it at a time. "
                "A local HEADRACE_DATA_DIR or PostgreSQL is better."
            )
        elif not message and not database_is_verified(place.url):
            note = (
                "Whether the database's server is the right one is not verified: somebody in between could read passwords "
                f"and records; {TLS_REMEDY}."
            )
        return {
            "status": "degraded" if message else "ok",
            "message": message or note,
            "version": __version__,
            "store": {
                "url": masked_url(place.url),
                "source": place.source,
                "schema": schema,
                "data_dir": str(place.data_dir),
            },
            "scheduler": {
                "alive": bool(alive) or bool(background is not None and background.scheduler_is_alive),
                "next_fire_at": iso(next_due),
            },
            "workers": len(alive),
            "owner": self._services.owner,
        }

    def _strangers(self) -> str:
        """Say which kernel records into another store than the one shown here."""
        folder = self._services.runtime_dir
        strange = strange_kernels(folder, self._services.place) if folder is not None else []
        if not strange:
            return ""
        kernel_id, url = strange[0]
        more = f" (and {len(strange) - 1} more)" if len(strange) > 1 else ""
        return (
            f"Kernel {kernel_id[:8]}{more} records into {url}, but this panel shows {masked_url(self._services.place.url)}. "
            "Restart the kernel to make it use this store."
        )

    def counts(self) -> dict[str, int]:
        """Return how many runs are running, waiting, late, and have failed since yesterday."""
        return self._services.store.overview.counts(owner=self._services.seen_owner)

    def overview(self, days: int) -> dict[str, Any]:
        """Return the home page."""
        services, seen = self._services, self._services.seen_owner
        store, to_wire = services.store, services.runs.to_wire
        running = {"state_type": ("PENDING", "RUNNING", "PAUSED", "CANCELLING"), "sort": "-created_at", "limit": 20}
        failed = {"state_type": ("FAILED", "CRASHED"), "sort": "-created_at", "limit": 10}
        upcoming = store.schedules.upcoming(owner=seen, limit=10)
        names = store.deployments.many({s.deployment_id for s in upcoming})
        return {
            "running": services.runs.page(running)["runs"],
            "failed_recently": services.runs.page(failed)["runs"],
            "next": [
                {
                    "schedule": services.schedules.to_wire(s, names.get(s.deployment_id)),
                    "deployment": {"id": s.deployment_id, "name": names[s.deployment_id].name}
                    if s.deployment_id in names
                    else None,
                    "fire_at": iso(s.next_fire_at),
                }
                for s in upcoming
            ],
            "late": [to_wire(run) for run in store.overview.late(owner=seen)],
            "days": store.overview.days(days=days, owner=seen),
        }

    def flows(self, limit: int) -> dict[str, Any]:
        """Return what has run, each with its newest run."""
        from headrace.store.housekeeping import definitions

        services = self._services
        rows = definitions(services.store, owner=services.seen_owner, limit=limit)
        newest = {run.id: services.runs.to_wire(run) for run in services.store.runs.many([r.last_run_id for r in rows])}
        flows = [
            {
                "definition": services.root.relative(row.definition) if row.kind == "notebook" else row.definition,
                "kind": row.kind,
                "runs": row.runs,
                "last_run": newest.get(row.last_run_id),
            }
            for row in rows
        ]
        return {"flows": flows}

    def settings(self) -> dict[str, Any]:
        """Return the settings, as `headrace config` shows them."""
        found = []
        for name, known in configuring.KNOWN.items():
            value, source = configuring.look_up(name)
            shown = masked_url(str(value)) if name == "database_url" else value
            found.append({"name": name, "value": shown, "default": known.default, "source": source, "help": known.help})
        return {"settings": found}

    def workers(self) -> dict[str, Any]:
        """Return the workers, and whether schedules fire while no server runs."""
        store, owner = self._services.store, self._services.owner
        seen = self._services.seen_owner
        running = store.workers.running_counts()
        shown = [
            worker_to_wire(w, alive=store.workers.is_alive(w), running=running.get(w.owner_id, 0))
            for w in store.workers.all()
            if seen is None or w.owner == seen
        ]
        mine = [w for w in shown if w["alive"] and w["owner"] == owner and w["state"] == "running"]
        if mine:
            why = "A worker is running; it goes on when JupyterLab is closed, until this computer is switched off."
            why += f" {starts_with_machine()}"
        elif store.schedules.next_due() is not None:
            why = "No worker is running; one is started when a run or a schedule is due and a server runs."
            why += f" {starts_with_machine()}"
        else:
            why = "Nothing is scheduled; a worker is started with the first run or schedule."
        return {"workers": shown, "fires_when_closed": bool(mine), "why": why}

    def start_worker(self, pool: str) -> dict[str, Any]:
        """Start a worker of a pool unless one is alive."""
        return {"started": ensure_worker(self._services.store, owner=self._services.owner, pool=pool)}

    def limits(self) -> dict[str, Any]:
        """Return the concurrency limits with who holds their slots."""
        return {"limits": [limit_to_wire(limit) for limit in self._services.store.limits.all()]}

    def set_limit(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make or change a limit."""
        decay = body.get("slot_decay_per_second", 0.0)
        return limit_to_wire(self._services.store.limits.save(name, body["limit"], slot_decay_per_second=decay))

    def delete_limit(self, name: str) -> None:
        """Delete a limit.

        Raises
        ------
        NotFound
        """
        self._services.store.limits.delete(name)


def limit_to_wire(limit: Any) -> dict[str, Any]:
    """Return a limit as JSON values."""
    return {
        "name": limit.name,
        "limit": limit.limit,
        "active": limit.active,
        "slot_decay_per_second": limit.slot_decay_per_second,
        "holders": [{"holder": h[0], "run_id": h[1], "occupy": h[2]} for h in limit.holders],
    }
