/** The flow of an open notebook, put beside it. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { IServices } from '../tokens';
import { CELL_COMMANDS } from './cellcommands';
import { revealCell, type IOpenNotebook } from './notebooks';
import { NotebookFlowWidget } from './widget';

const open = new Map<NotebookPanel, MainAreaWidget<NotebookFlowWidget>>();

export function showFlow(
  app: JupyterFrontEnd,
  services: IServices,
  entry: IOpenNotebook | null,
  panel: NotebookPanel
): void {
  const there = open.get(panel);
  if (there && !there.isDisposed) {
    app.shell.activateById(there.id);
    return;
  }
  if (!entry) {
    return;
  }
  const content = new NotebookFlowWidget(services, entry.model, {
    onCell: cellId => void revealCell(panel, cellId),
    onRunStale: () => void app.commands.execute(CELL_COMMANDS.allStale),
    kernel: () => panel.sessionContext.session?.kernel?.name ?? panel.sessionContext.kernelPreference.name ?? null
  });
  // The cell that is worked on is the one that is marked.
  const follow = () => content.follow(panel.content.activeCell?.model.id ?? null);
  panel.content.activeCellChanged.connect(follow);
  const widget = new MainAreaWidget({ content });
  widget.toolbar.hide();
  widget.id = `headrace-flow-${panel.id}`;
  open.set(panel, widget);
  const close = () => widget.dispose();
  panel.disposed.connect(close);
  widget.disposed.connect(() => {
    panel.disposed.disconnect(close);
    panel.content.activeCellChanged.disconnect(follow);
    open.delete(panel);
  });
  app.shell.add(widget, 'main', { mode: 'split-right', ref: panel.id });
}
