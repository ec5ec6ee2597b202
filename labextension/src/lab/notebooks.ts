/** Open notebooks: what they hold goes to the server as it is typed, and each task cell's state into its margin. */
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IServices } from '../tokens';
import type { DocumentModel } from '../model/document';
import type { CellMarks } from './cellmarks';
import type { CellOutputs } from './celloutputs';
import type { CellOffers } from './offers';
import type { CellRunner } from './cellrunner';
import type { MagicLoader } from './magicloader';

type Parts = typeof import('./notebookparts');
export type OpenMenu = (panel: NotebookPanel, cellId: string, x: number, y: number) => void;

/** A pause in typing after which the notebook is looked at. */
const TYPING_MS = 700;

export interface IOpenNotebook {
  model: DocumentModel;
  runner: CellRunner;
  offers: CellOffers;
  marks: CellMarks;
  loader: MagicLoader;
  outputs: CellOutputs;
  /** A person asked for its flow: it is looked at even without a task. */
  wanted: boolean;
  timer: number;
  written?: string;
}

export class OpenNotebooks {
  constructor(
    private readonly services: IServices,
    notebooks: INotebookTracker,
    private readonly openMenu: OpenMenu
  ) {
    notebooks.forEach(panel => this.add(panel));
    notebooks.widgetAdded.connect((_, panel) => this.add(panel));
  }

  /** What is known of an open notebook. */
  peek(panel: NotebookPanel): IOpenNotebook | null {
    return this.entries.get(panel) ?? null;
  }

  /** The same, looked at from now on even if it has no task yet, and once the server knows what it holds now. */
  async fresh(panel: NotebookPanel): Promise<IOpenNotebook | null> {
    await this.coming.get(panel);
    const entry = this.entries.get(panel);
    if (entry) {
      entry.wanted = true;
      window.clearTimeout(entry.timer);
      await this.push(panel);
    }
    return entry ?? null;
  }

  private add(panel: NotebookPanel): void {
    if (!this.coming.has(panel)) {
      this.coming.set(
        panel,
        import('./notebookparts').then(parts => {
          if (!panel.isDisposed) {
            this.parts = parts;
            this.join(panel, parts.makeParts(panel, this.services, this.openMenu));
          }
        })
      );
      panel.disposed.connect(() => this.coming.delete(panel));
    }
  }

  private join(panel: NotebookPanel, entry: IOpenNotebook): void {
    const { model } = entry;
    this.entries.set(panel, entry);
    const later = () => {
      window.clearTimeout(entry.timer);
      entry.timer = window.setTimeout(() => void this.push(panel), TYPING_MS);
    };
    panel.context.pathChanged.connect(() => {
      model.path = panel.context.localPath;
      entry.written = undefined;
      later();
    });
    void panel.context.ready.then(() => {
      if (!panel.isDisposed) {
        panel.content.model?.contentChanged.connect(later);
        panel.sessionContext.kernelChanged.connect(later);
        later();
      }
    });
    panel.disposed.connect(() => {
      window.clearTimeout(entry.timer);
      entry.loader.dispose();
      entry.outputs.dispose();
      entry.marks.dispose();
      entry.offers.dispose();
      entry.runner.dispose();
      model.dispose();
      this.entries.delete(panel);
    });
  }

  private async push(panel: NotebookPanel): Promise<void> {
    const entry = this.entries.get(panel);
    const notebook = panel.content.model;
    const { parts } = this;
    if (!entry || !notebook || !parts || panel.isDisposed) {
      return;
    }
    const cells = [...notebook.cells].map(cell => ({
      id: cell.id,
      cell_type: cell.type as string,
      source: cell.sharedModel.getSource(),
      metadata: cell.sharedModel.getMetadata() as Record<string, unknown>
    }));
    // A notebook without tasks is none of Headrace's business, unless it had some or a person asked for its graph.
    entry.wanted ||= cells.some(cell => cell.cell_type === 'code' && parts.taskOrigin(cell) !== null);
    if (!entry.wanted) {
      return;
    }
    entry.loader.load();
    const kernel = panel.sessionContext.session?.kernel?.id ?? null;
    const written = JSON.stringify([kernel, cells]);
    if (written === entry.written) {
      return;
    }
    entry.written = written;
    await entry.model.push(cells, notebook.sharedModel.getMetadata() as Record<string, unknown>, kernel);
  }

  private readonly entries = new Map<NotebookPanel, IOpenNotebook>();
  private readonly coming = new Map<NotebookPanel, Promise<void>>();
  private parts: Parts | null = null;
}

/** Bring a cell of an open notebook into view and choose it. */
export async function revealCell(panel: NotebookPanel, cellId: string): Promise<void> {
  await panel.context.ready;
  await panel.revealed;
  const at = panel.content.widgets.findIndex(cell => cell.model.id === cellId);
  if (at >= 0) {
    panel.content.activeCellIndex = at;
    await panel.content.scrollToItem(at);
  }
}
