/** The flow of an open notebook: its analysed cells with the newest run of each, kept with what is typed. */
import { Signal, type ISignal } from '@lumino/signaling';
import type { Manager } from '../manager';
import { equal } from '../pure/equal';
import { Refused, sentence } from '../wire/errors';
import type { IChanges, ICellNode, IEdge, INotebookGraph, IRun } from '../wire/words';
import { Model } from './base';

export interface IDocumentCell {
  id: string;
  cell_type: string;
  source: string;
  metadata: Record<string, unknown>;
}

const SETTLE_MS = 250;

/** A cell as a node of the graph: its newest run's state, or none. */
export function cellRun(cell: ICellNode, path: string, rootId: string): IRun {
  const latest = cell.latest_run;
  const base: IRun = latest ?? {
    id: '',
    root_id: rootId,
    parent_id: null,
    kind: 'cell',
    name: '',
    definition: null,
    definition_key: null,
    owner: null,
    host: null,
    attempt: 1,
    max_attempts: 1,
    state_type: null,
    // A plain cell leaves no record when it is run by hand.
    state_name: cell.is_task ? null : 'PlainCell',
    state_message: null,
    state_at: null,
    created_at: null,
    scheduled_at: null,
    started_at: null,
    ended_at: null,
    duration_seconds: null,
    tags: [],
    progress: null,
    cached: false,
    error_summary: null,
    deployment_id: null,
    schedule_id: null,
    slot_at: null,
    trigger: null,
    resumed_from_id: null,
    notebook_path: path,
    document_id: null,
    cell_id: cell.cell_id,
    cell_index: cell.index,
    kernel_id: null,
    pool: null
  };
  return {
    ...base,
    id: cell.cell_id,
    parent_id: null,
    name: cell.name,
    // Each cell stands for itself: cells of one name are not mapped tasks.
    definition_key: cell.cell_id,
    cell_id: cell.cell_id,
    cell_index: cell.index,
    error_summary: cell.error ?? base.error_summary,
    stale: cell.stale,
    stale_reasons: cell.stale_reasons
  };
}

export class DocumentModel extends Model {
  constructor(
    private readonly manager: Manager,
    public path: string
  ) {
    super();
    manager.changed.connect(this.onChanged, this);
    manager.reset.connect(this.reload, this);
  }

  readonly id = 'document';
  /** The server's name for it, kept through renames. */
  documentId = '';
  cells: readonly ICellNode[] = [];
  readonly nodes = new Map<string, IRun>();
  edges: IEdge[] = [];
  structure = 0;
  graphLoaded = false;
  error: string | null = null;

  /** Its cells ran each at its own time: nothing holds them together. */
  readonly run = null;

  get title(): string {
    return this.path.split('/').pop() ?? this.path;
  }

  get nodesChanged(): ISignal<this, ReadonlySet<string>> {
    return this._nodesChanged;
  }

  /** The run that a cell shows, if it ever ran. */
  runOf(cellId: string): IRun | null {
    return this.cells.find(cell => cell.cell_id === cellId)?.latest_run ?? null;
  }

  reload(): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.load(), SETTLE_MS);
  }

  /** Tell the server what the open notebook holds now; unsaved changes count. */
  async push(cells: IDocumentCell[], metadata: Record<string, unknown>, kernelId: string | null): Promise<void> {
    // Time goes on in every tab: the newest writer's revision is the highest.
    this.revision = Math.max(this.revision + 1, Date.now());
    try {
      await this.manager.api.putDocument({
        path: this.path,
        kernel_id: kernelId,
        cells,
        metadata,
        revision: this.revision
      });
      this.error = null;
    } catch (error) {
      if (!(error instanceof Refused && error.status === 409)) {
        this.error = sentence(error);
        this.touch();
        return;
      }
    }
    await this.load();
  }

  dispose(): void {
    window.clearTimeout(this.timer);
    this.manager.changed.disconnect(this.onChanged, this);
    this.manager.reset.disconnect(this.reload, this);
    Signal.clearData(this);
    super.dispose();
  }

  private async load(): Promise<void> {
    try {
      this.take(await this.manager.api.notebookGraph(this.path));
      this.error = null;
    } catch (error) {
      this.error = sentence(error);
      this.touch();
    }
  }

  private take(graph: INotebookGraph): void {
    if (this.isDisposed) {
      return;
    }
    this.documentId = graph.document_id;
    const changed = new Set<string>();
    const known = new Set(graph.cells.map(cell => cell.cell_id));
    let grown = !this.graphLoaded;
    for (const id of this.nodes.keys()) {
      if (!known.has(id)) {
        this.nodes.delete(id);
        grown = true;
      }
    }
    for (const cell of graph.cells) {
      const next = cellRun(cell, this.path, this.id);
      const before = this.nodes.get(cell.cell_id);
      if (!equal(before, next)) {
        this.nodes.set(cell.cell_id, next);
        changed.add(cell.cell_id);
        grown ||= !before;
      }
    }
    if (!equal(graph.edges, this.edges)) {
      this.edges = graph.edges;
      grown = true;
    }
    this.cells = graph.cells;
    this.graphLoaded = true;
    if (grown) {
      this.structure += 1;
    }
    if (grown || changed.size) {
      this.touch();
      this._nodesChanged.emit(changed);
    }
  }

  private onChanged(_: Manager, changes: IChanges): void {
    const ours = (run: IRun) => run.cell_id !== null && this.nodes.has(run.cell_id);
    if (changes.documents?.includes(this.documentId) || changes.runs?.some(ours)) {
      this.reload();
    }
  }

  private readonly _nodesChanged = new Signal<this, ReadonlySet<string>>(this);
  private revision = 0;
  private timer = 0;
}
