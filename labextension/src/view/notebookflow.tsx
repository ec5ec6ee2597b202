/** The graph of an open notebook's cells, beside it. */
import '../../style/views.css';
import * as React from 'react';
import type { DocumentModel } from '../model/document';
import { Banner } from './banner';
import { Boundary } from './boundary';
import { Empty, IconButton, Loading, Problem } from './basics';
import { useModel, useServices } from './context';
import { KernelNotice } from './kernelnotice';

const GraphView = React.lazy(() => import('../graph/view'));

/** What the view asks of the notebook beside it. */
export interface INotebookCalls {
  onCell: (cellId: string) => void;
  onRunStale: () => void;
  /** The name of the notebook's kernel. */
  kernel: () => string | null;
}

interface IFlowProps {
  model: DocumentModel;
  /** The cell that is worked on. */
  active: string | null;
  calls: INotebookCalls;
}

export function NotebookFlow({ model, active, calls }: IFlowProps): JSX.Element {
  useModel(model);
  const { trans } = useServices().host;
  const [cell, setCell] = React.useState<string | null>(active);
  React.useEffect(() => setCell(active), [active]);
  const select = React.useCallback(
    (id: string | null) => {
      setCell(id);
      if (id) {
        calls.onCell(id);
      }
    },
    [calls]
  );
  const tasks = model.cells.filter(each => each.is_task);
  const stale = tasks.filter(each => each.stale).length;
  return (
    <div className="hr-runview hr-root">
      <Banner />
      <KernelNotice kernel={calls.kernel()} />
      {model.error && <Problem message={model.error} onRetry={() => model.reload()} />}
      {!model.graphLoaded && !model.error && <Loading />}
      {model.graphLoaded && !model.nodes.size && (
        <Empty title={trans.__('This notebook has no code cells yet')}>
          <p>
            {trans.__('Write one, then choose “Make This Cell a Task…” in its menu, or begin it with “%%task name”.')}
          </p>
        </Empty>
      )}
      {model.nodes.size > 0 && (
        <>
          <div className="hr-flow-note">
            <span role="status">
              {!tasks.length
                ? trans.__('No task yet: right-click a cell and choose “Make This Cell a Task…”')
                : stale
                  ? trans._n('%1 task is stale (dotted)', '%1 tasks are stale (dotted)', stale, stale)
                  : trans.__('Every task is up to date')}
            </span>
            {stale > 0 && (
              <IconButton icon="play" wordy label={trans.__('Run what is stale')} onClick={calls.onRunStale} />
            )}
          </div>
          <div className="hr-runview-page">
            <Boundary>
              <React.Suspense fallback={<Loading />}>
                <GraphView model={model} selected={cell} onSelect={select} />
              </React.Suspense>
            </Boundary>
          </div>
        </>
      )}
    </div>
  );
}
