/** One run with everything below it: the header's data, the graph's nodes and edges, live. */
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';
import type { Manager } from '../manager';
import { equal } from '../pure/equal';
import { runName } from '../pure/runname';
import { isFinal } from '../pure/states';
import { Refused, sentence } from '../wire/errors';
import type { IChanges, IEdge, IFullRun, IGraph, IRun } from '../wire/words';
import { Model } from './base';

/** New nodes come without their edges; asking once for many is enough. */
const EDGES_AFTER_MS = 300;

export class RunModel extends Model {
  constructor(
    private readonly manager: Manager,
    readonly id: string
  ) {
    super();
    manager.changed.connect(this.onChanged, this);
    manager.reset.connect(this.reload, this);
    this.reload();
  }

  run: IFullRun | null = null;
  /** Why nothing can be shown: the run is unknown, or the server did not answer. */
  error: string | null = null;
  gone = false;
  /** Every run below this one by id; cells that have not run are there as `cell:<cell id>`. */
  readonly nodes = new Map<string, IRun>();
  edges: IEdge[] = [];
  graphLoaded = false;
  /** Grows when nodes or edges come or go; states alone do not count. */
  structure = 0;

  /** Ids of nodes whose record changed. */
  get nodesChanged(): ISignal<this, ReadonlySet<string>> {
    return this._nodesChanged;
  }

  /** More log lines may be there. */
  get logsGrown(): ISignal<this, number> {
    return this._logsGrown;
  }

  /** Outputs of these cell runs changed. */
  get outputsChanged(): ISignal<this, string[]> {
    return this._outputsChanged;
  }

  /** What the picture of it is called. */
  get title(): string {
    return this.run ? runName(this.run) : this.id;
  }

  get rootId(): string {
    return this.run?.root_id ?? this.id;
  }

  reload(): void {
    void this.load();
  }

  /** The record in full again: error, result, parameters. */
  async refresh(): Promise<void> {
    try {
      const run = await this.manager.api.run(this.id);
      if (!equal(run, this.run)) {
        this.run = run;
        this.touch();
      }
      this.error = null;
    } catch (error) {
      this.fail(error);
    }
  }

  dispose(): void {
    window.clearTimeout(this.timer);
    this.watching?.dispose();
    this.manager.changed.disconnect(this.onChanged, this);
    this.manager.reset.disconnect(this.reload, this);
    Signal.clearData(this);
    super.dispose();
  }

  private async load(): Promise<void> {
    await this.refresh();
    if (!this.run || this.isDisposed) {
      return;
    }
    this.watching ??= this.manager.watch(this.rootId);
    await this.loadGraph(false);
  }

  private async loadGraph(onlyNew: boolean): Promise<void> {
    try {
      this.merge(await this.manager.api.graph(this.id, onlyNew ? this.seq : undefined), !onlyNew);
    } catch (error) {
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    this.gone = error instanceof Refused && error.status === 404;
    this.error = sentence(error);
    this.touch();
  }

  private merge(graph: IGraph, whole: boolean): void {
    if (this.isDisposed) {
      return;
    }
    this.seq = graph.seq;
    const changed = new Set<string>();
    let grown = !this.graphLoaded;
    if (whole) {
      const ids = new Set(graph.nodes.map(node => node.id));
      for (const id of this.nodes.keys()) {
        if (!ids.has(id)) {
          this.nodes.delete(id);
          grown = true;
        }
      }
    }
    for (const node of graph.nodes) {
      grown = this.put(node, changed) || grown;
    }
    const key = (edge: IEdge) => `${edge.source} ${edge.target} ${edge.name ?? ''} ${edge.kind}`;
    const known = whole ? new Map<string, IEdge>() : new Map(this.edges.map(edge => [key(edge), edge]));
    graph.edges.forEach(edge => known.set(key(edge), edge));
    const edges = [...known.values()];
    if (!equal(edges, this.edges)) {
      this.edges = edges;
      grown = true;
    }
    this.graphLoaded = true;
    if (grown) {
      this.structure += 1;
      this.touch();
    }
    if (changed.size) {
      this._nodesChanged.emit(changed);
    }
  }

  /** Take a node's record over; true if the node is new. */
  private put(node: IRun, changed: Set<string>): boolean {
    if (node.id === this.id) {
      return false;
    }
    const before = this.nodes.get(node.id);
    if (before && equal(before, node)) {
      return false;
    }
    this.nodes.set(node.id, node);
    changed.add(node.id);
    if (!before && node.cell_id) {
      this.nodes.delete(`cell:${node.cell_id}`);
    }
    return !before;
  }

  private onChanged(_: Manager, changes: IChanges): void {
    if (changes.deleted?.includes(this.id)) {
      this.gone = true;
      this.touch();
      return;
    }
    const changed = new Set<string>();
    let grown = false;
    for (const run of changes.runs ?? []) {
      if (run.id === this.id) {
        this.takeOwn(run);
      } else if (run.root_id === this.rootId && this.belongs(run)) {
        grown = this.put(run, changed) || grown;
      }
    }
    if (grown && this.graphLoaded) {
      this.structure += 1;
      window.clearTimeout(this.timer);
      this.timer = window.setTimeout(() => void this.loadGraph(true), EDGES_AFTER_MS);
      this.touch();
    }
    if (changed.size) {
      this._nodesChanged.emit(changed);
    }
    const lines = changes.logs?.[this.rootId];
    if (lines !== undefined) {
      this._logsGrown.emit(lines);
    }
    const outputs = changes.outputs?.[this.rootId];
    if (outputs) {
      this._outputsChanged.emit(outputs);
    }
  }

  /** A run of the same root that is not below this one is not shown here. */
  private belongs(run: IRun): boolean {
    return (
      this.id === this.rootId ||
      this.nodes.has(run.id) ||
      run.parent_id === this.id ||
      (run.parent_id !== null && this.nodes.has(run.parent_id))
    );
  }

  private takeOwn(run: IRun): void {
    if (!this.run) {
      return;
    }
    const next = { ...this.run, ...run };
    if (!equal(next, this.run)) {
      // What it asks comes with the whole record only.
      const ended =
        (isFinal(run.state_type) && !isFinal(this.run.state_type)) ||
        (run.state_type === 'PAUSED') !== (this.run.state_type === 'PAUSED');
      this.run = next;
      this.touch();
      if (ended) {
        void this.refresh();
      }
    }
  }

  private readonly _nodesChanged = new Signal<this, ReadonlySet<string>>(this);
  private readonly _logsGrown = new Signal<this, number>(this);
  private readonly _outputsChanged = new Signal<this, string[]>(this);
  private watching: IDisposable | null = null;
  private seq: number | undefined;
  private timer = 0;
}
