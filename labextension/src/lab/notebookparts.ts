/** What is made for each open notebook; it is loaded with the first of them, so that Lab's start does not pay for it. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import { DocumentModel } from '../model/document';
import type { IServices } from '../tokens';
import { CellMarks } from './cellmarks';
import { CellOutputs } from './celloutputs';
import { CellRunner } from './cellrunner';
import { MagicLoader } from './magicloader';
import type { IOpenNotebook, OpenMenu } from './notebooks';
import { CellOffers } from './offers';

export { taskOrigin } from '../pure/magic';

export function makeParts(panel: NotebookPanel, services: IServices, openMenu: OpenMenu): IOpenNotebook {
  const model = new DocumentModel(services.manager, panel.context.localPath);
  return {
    model,
    runner: new CellRunner(panel, model),
    offers: new CellOffers(panel, model, services),
    marks: new CellMarks(panel, model, services.host.trans, (cell, x, y) => openMenu(panel, cell, x, y)),
    loader: new MagicLoader(panel),
    outputs: new CellOutputs(panel),
    wanted: false,
    timer: 0
  };
}
