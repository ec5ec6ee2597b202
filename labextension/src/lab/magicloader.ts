/**
 * Brings `%%task` into the kernel of a notebook that uses it, so that `%load_ext headrace` is never needed, and tells
 * a `%flow` which cells there are.
 */
import type { Cell } from '@jupyterlab/cells';
import { NotebookActions, type Notebook, type NotebookPanel } from '@jupyterlab/notebook';
import { taskOrigin } from '../pure/magic';

/** Leaves no name behind; a kernel without Headrace stays silent. */
const MAGICS = "__import__('headrace.kernel_magic.magics', fromlist=['attach'])";
const LOAD = `__import__('importlib.util').util.find_spec('headrace') and ${MAGICS}.attach()`;
const OURS = /^\s*%(flow|headrace)\b/m;
const FLOW = /^\s*%flow\b/m;

export class MagicLoader {
  constructor(private readonly panel: NotebookPanel) {
    // Told before the cell's code is sent, and a kernel takes requests in their order.
    NotebookActions.executionScheduled.connect(this.onScheduled, this);
    panel.sessionContext.statusChanged.connect(this.onStatus, this);
  }

  dispose(): void {
    NotebookActions.executionScheduled.disconnect(this.onScheduled, this);
    this.panel.sessionContext.statusChanged.disconnect(this.onStatus, this);
  }

  /** Load it, once for each start of a Python kernel. */
  load(): void {
    const kernel = this.panel.sessionContext.session?.kernel;
    if (!kernel || this.loaded === kernel.id) {
      return;
    }
    const { specsManager } = this.panel.sessionContext;
    if (specsManager.specs?.kernelspecs[kernel.name]?.language === 'python') {
      this.loaded = kernel.id;
      kernel.requestExecute({ code: LOAD, silent: true, store_history: false, stop_on_error: false });
    }
  }

  /** Say the cells as they stand, unsaved and never-run ones too. */
  private tell(notebook: Notebook): void {
    const kernel = this.panel.sessionContext.session?.kernel;
    if (!kernel || this.loaded !== kernel.id) {
      return;
    }
    const cells = [...(notebook.model?.cells ?? [])].map(one => ({
      id: one.id,
      cell_type: one.type,
      source: one.sharedModel.getSource(),
      metadata: one.sharedModel.getMetadata()
    }));
    // JSON twice: a JSON text is a Python text, too.
    const code = `${MAGICS}.take_document(${JSON.stringify(JSON.stringify(cells))})`;
    kernel.requestExecute({ code, silent: true, store_history: false, stop_on_error: false });
  }

  private onScheduled(_: unknown, { notebook, cell }: { notebook: Notebook; cell: Cell }): void {
    if (notebook !== this.panel.content || cell.model.type !== 'code') {
      return;
    }
    const source = cell.model.sharedModel.getSource();
    const metadata = cell.model.sharedModel.getMetadata() as Record<string, unknown>;
    if (OURS.test(source) || taskOrigin({ source, metadata }) !== null) {
      this.load();
    }
    if (FLOW.test(source)) {
      this.tell(notebook);
    }
  }

  private onStatus(_: unknown, status: string): void {
    if (status === 'restarting' || status === 'autorestarting' || status === 'dead') {
      this.loaded = null;
    }
  }

  private loaded: string | null = null;
}
