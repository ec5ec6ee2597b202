/** Open notebooks: what they hold goes to the server as it is typed, and each task cell's state into its margin. */
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IServices } from '../tokens';
import { DocumentModel } from '../model/document';
import { CellMarks } from './cellmarks';

/** A pause in typing after which the notebook is looked at. */
const TYPING_MS = 700;
const TASK = /^\s*%%task\b/;

export class OpenNotebooks {
  constructor(
    private readonly services: IServices,
    notebooks: INotebookTracker
  ) {
    notebooks.forEach(panel => this.add(panel));
    notebooks.widgetAdded.connect((_, panel) => this.add(panel));
  }

  /** The flow of an open notebook, looked at from now on even if it has no task yet. */
  modelOf(panel: NotebookPanel): DocumentModel | null {
    const entry = this.entries.get(panel);
    if (entry) {
      entry.wanted = true;
      void this.push(panel);
    }
    return entry?.model ?? null;
  }

  private add(panel: NotebookPanel): void {
    if (this.entries.has(panel)) {
      return;
    }
    const model = new DocumentModel(this.services.manager, panel.context.localPath);
    const entry = { model, wanted: false, timer: 0, marks: new CellMarks(panel, model, this.services) };
    this.entries.set(panel, entry);
    const later = () => {
      window.clearTimeout(entry.timer);
      entry.timer = window.setTimeout(() => void this.push(panel), TYPING_MS);
    };
    void panel.context.ready.then(() => {
      if (!panel.isDisposed) {
        panel.content.model?.contentChanged.connect(later);
        later();
      }
    });
    panel.disposed.connect(() => {
      window.clearTimeout(entry.timer);
      entry.marks.dispose();
      model.dispose();
      this.entries.delete(panel);
    });
  }

  private async push(panel: NotebookPanel): Promise<void> {
    const entry = this.entries.get(panel);
    const notebook = panel.content.model;
    if (!entry || !notebook || panel.isDisposed) {
      return;
    }
    const cells = [...notebook.cells].map(cell => ({
      id: cell.id,
      cell_type: cell.type,
      source: cell.sharedModel.getSource(),
      metadata: cell.sharedModel.getMetadata() as Record<string, unknown>
    }));
    // A notebook without tasks is none of Headrace's business, unless a person asked for its graph.
    if (!entry.wanted && !cells.some(cell => cell.cell_type === 'code' && TASK.test(cell.source))) {
      return;
    }
    const written = JSON.stringify(cells);
    if (written === entry.written) {
      return;
    }
    entry.written = written;
    const kernel = panel.sessionContext.session?.kernel?.id ?? null;
    await entry.model.push(cells, notebook.sharedModel.getMetadata() as Record<string, unknown>, kernel);
  }

  private readonly entries = new Map<
    NotebookPanel,
    { model: DocumentModel; wanted: boolean; timer: number; marks: CellMarks; written?: string }
  >();
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
