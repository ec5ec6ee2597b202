"""What a run executes, as a document in the store: the kernel looks its cells up there, and so does the panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.settings import user_name
from headrace.store.documents import RUNNER, Document

if TYPE_CHECKING:
    from headrace.server.runner.prepare import Prepared
    from headrace.store import Store


def save_document(store: Store, run_id: str, prepared: Prepared, notebook: Any, kernel_id: str | None) -> None:
    """Store the notebook that is about to run, under the run's id.

    It is a record of its own, with the parameters in it: the panel's record of the open notebook stays what it is.

    Parameters
    ----------
    store : Store
    run_id : str
    prepared : Prepared
    notebook : nbformat notebook
        As it will be executed.
    kernel_id : str or None
    """
    cells = tuple(
        {"id": c["id"], "cell_type": c["cell_type"], "source": c["source"], "metadata": authored(c["metadata"])}
        for c in notebook["cells"]
    )
    document = Document(
        id=run_id,
        path=prepared.input_path or run_id,
        owner=user_name(),
        kernel_id=kernel_id,
        cells=cells,
        metadata=authored(notebook["metadata"]),
        source=RUNNER,
        digest=prepared.notebook.digest or None,
    )
    store.documents.save(document, force=True)


def authored(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an author wrote into metadata, without what runs write."""
    return {k: v for k, v in metadata.items() if k not in ("papermill", "execution")}
