/** Runs cells of an open notebook as Lab itself does, so that their outputs land in their own cells. */
import { NotebookActions, type Notebook, type NotebookPanel } from '@jupyterlab/notebook';
import type { Cell } from '@jupyterlab/cells';
import type { DocumentModel } from '../model/document';
import { allStale, from, upTo } from '../pure/cellplan';
import type { ICellNode } from '../wire/words';

export type Plan = 'up to' | 'from' | 'all stale';

export class CellRunner {
  constructor(
    private readonly panel: NotebookPanel,
    private readonly model: DocumentModel
  ) {
    NotebookActions.executed.connect(this.onExecuted, this);
    panel.sessionContext.statusChanged.connect(this.onStatus, this);
    panel.sessionContext.kernelChanged.connect(this.forget, this);
  }

  dispose(): void {
    NotebookActions.executed.disconnect(this.onExecuted, this);
    this.panel.sessionContext.statusChanged.disconnect(this.onStatus, this);
    this.panel.sessionContext.kernelChanged.disconnect(this.forget, this);
  }

  /** The cells that a plan would run, in order. */
  plan(plan: Plan, cellId: string): string[] {
    const { cells, edges } = this.model;
    const needs = (cell: ICellNode) => this.needs(cell);
    if (plan === 'all stale') {
      return allStale(cells, edges, needs);
    }
    // A plain cell that was run by hand is not known to be stale: one that was asked for is run when it is new here.
    return plan === 'from' ? from(cells, edges, cellId, needs) : upTo(cells, edges, cellId, needs);
  }

  /** Run a plan; the answer is how many cells were sent. */
  async run(plan: Plan, cellId = ''): Promise<number> {
    const ids = new Set(this.plan(plan, cellId));
    const { content, sessionContext } = this.panel;
    const chosen = content.widgets.filter(cell => ids.has(cell.model.id));
    if (chosen.length) {
      await NotebookActions.runCells(content, chosen, sessionContext);
    }
    return chosen.length;
  }

  private needs(cell: ICellNode): boolean {
    if (cell.stale || this.ran.has(cell.cell_id)) {
      return cell.stale;
    }
    const kernel = this.panel.sessionContext.session?.kernel?.id;
    // What another kernel made, or this one before it was restarted, is not in its memory.
    return this.restarted || !cell.latest_run || cell.latest_run.kernel_id !== kernel;
  }

  private onExecuted(
    _: unknown,
    { notebook, cell, success }: { notebook: Notebook; cell: Cell; success: boolean }
  ): void {
    if (notebook === this.panel.content && success) {
      this.ran.add(cell.model.id);
    }
  }

  private onStatus(_: unknown, status: string): void {
    if (status === 'restarting' || status === 'autorestarting') {
      this.forget();
    }
  }

  private forget(): void {
    this.ran.clear();
    this.restarted = true;
  }

  private restarted = false;
  private readonly ran = new Set<string>();
}
