/** The flow of an open notebook, put beside it. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { DocumentModel } from '../model/document';
import type { IServices } from '../tokens';
import { revealCell } from './notebooks';
import { NotebookFlowWidget } from './widget';

const open = new Map<NotebookPanel, MainAreaWidget<NotebookFlowWidget>>();

export function showFlow(
  app: JupyterFrontEnd,
  services: IServices,
  model: DocumentModel | null,
  panel: NotebookPanel
): void {
  const there = open.get(panel);
  if (there && !there.isDisposed) {
    app.shell.activateById(there.id);
    return;
  }
  if (!model) {
    return;
  }
  const content = new NotebookFlowWidget(services, model, cellId => void revealCell(panel, cellId));
  const widget = new MainAreaWidget({ content });
  widget.id = `headrace-flow-${panel.id}`;
  open.set(panel, widget);
  const close = () => widget.dispose();
  panel.disposed.connect(close);
  widget.disposed.connect(() => {
    panel.disposed.disconnect(close);
    open.delete(panel);
  });
  app.shell.add(widget, 'main', { mode: 'split-right', ref: panel.id });
}
