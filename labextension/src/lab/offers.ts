/** Outputs that came while nobody was there to take them: offered in their cell, put there when asked for. */
import { NotebookActions, type Notebook, type NotebookPanel } from '@jupyterlab/notebook';
import type { Cell, CodeCell } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import type { DocumentModel } from '../model/document';
import { isFinal } from '../pure/states';
import { when } from '../pure/time';
import type { IServices } from '../tokens';
import { sentence } from '../wire/errors';
import type { IRun } from '../wire/words';

const CLASS = 'hr-offer';

export class CellOffers {
  constructor(
    private readonly panel: NotebookPanel,
    private readonly model: DocumentModel,
    private readonly services: IServices
  ) {
    this.release = model.subscribe(() => this.look());
    NotebookActions.executionScheduled.connect(this.onScheduled, this);
  }

  dispose(): void {
    this.release();
    NotebookActions.executionScheduled.disconnect(this.onScheduled, this);
    this.panel.node.querySelectorAll(`.${CLASS}`).forEach(offer => offer.remove());
  }

  /** The run whose outputs a cell could show, if it does not show them yet. */
  offered(cellId: string): IRun | null {
    return this.offers.get(cellId) ?? null;
  }

  /** Put the outputs of the offered run into its cell. */
  async show(cellId: string): Promise<void> {
    const run = this.offers.get(cellId);
    const cell = this.panel.content.widgets.find(widget => widget.model.id === cellId) as CodeCell | undefined;
    if (!run || !cell) {
      return;
    }
    const { manager, host } = this.services;
    try {
      const found = (await manager.api.outputs(run.root_id, run.id))[0];
      // Nobody vouches for them here: Lab shows them as it shows a file from elsewhere.
      cell.model.trusted = false;
      cell.model.sharedModel.setOutputs([]);
      cell.model.outputs.fromJSON((found?.outputs ?? []) as unknown as IOutput[]);
      if (found?.truncated) {
        host.notify('info', host.trans.__('This output is long: the run has all of it.'), {
          label: host.trans.__('Open'),
          run: () => host.open({ page: 'run', id: run.root_id, tab: 'outputs' })
        });
      }
    } catch (error) {
      host.notify('error', sentence(error));
      return;
    }
    this.shown.add(run.id);
    this.look();
  }

  private look(): void {
    if (this.panel.isDisposed) {
      return;
    }
    const kernel = this.panel.sessionContext.session?.kernel?.id;
    this.offers.clear();
    for (const { cell_id: id, latest_run: run } of this.model.cells) {
      if (!run) {
        continue;
      }
      const before = this.seen.get(id);
      if (before !== run.id) {
        // What this page has sent, or a `%flow run` that it sent has made, arrived here by itself.
        if (run.kernel_id === kernel && (this.pending.has(id) || (this.sent && run.parent_id))) {
          this.shown.add(run.id);
        }
        this.seen.set(id, run.id);
        this.pending.delete(id);
      }
      if (this.missing(run)) {
        this.offers.set(id, run);
      }
    }
    this.draw();
  }

  private missing(run: IRun): boolean {
    if (!isFinal(run.state_type) || this.shown.has(run.id) || !run.ended_at || run.state_type === 'CANCELLED') {
      return false;
    }
    // What ended before the file was written as it was opened here is in it.
    const written = Date.parse(this.panel.context.contentsModel?.last_modified ?? '');
    this.baseline = Number.isNaN(this.baseline) ? written : this.baseline;
    return !(Date.parse(run.ended_at) <= this.baseline);
  }

  private onScheduled(_: unknown, { notebook, cell }: { notebook: Notebook; cell: Cell }): void {
    if (notebook === this.panel.content) {
      this.sent = true;
      this.pending.add(cell.model.id);
      // What an earlier run had to show is out of date from here on.
      const old = this.offers.get(cell.model.id);
      if (old) {
        this.shown.add(old.id);
        this.look();
      }
    }
  }

  private draw(): void {
    const { trans } = this.services.host;
    for (const widget of this.panel.content.widgets) {
      const id = widget.model.id;
      const run = this.offers.get(id);
      const there = widget.node.querySelector<HTMLElement>(`:scope > .${CLASS}`);
      if (!run) {
        there?.remove();
        continue;
      }
      const failed = run.state_type === 'COMPLETED' ? '' : ` hr-mod-failed`;
      const words =
        run.state_type === 'COMPLETED'
          ? trans.__('finished %1', when(run.ended_at, Date.now()))
          : trans.__('failed %1', when(run.ended_at, Date.now()));
      const offer = there ?? document.createElement('div');
      if (offer.dataset.runId === run.id) {
        continue;
      }
      offer.className = CLASS + failed;
      offer.dataset.runId = run.id;
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = trans.__('show output');
      button.addEventListener('click', event => {
        event.stopPropagation();
        void this.show(id);
      });
      offer.replaceChildren(`${words} · `, button);
      if (!there) {
        widget.node.append(offer);
      }
    }
  }

  private baseline = NaN;
  private sent = false;
  private readonly release: () => void;
  private readonly offers = new Map<string, IRun>();
  private readonly seen = new Map<string, string>();
  private readonly shown = new Set<string>();
  private readonly pending = new Set<string>();
}
