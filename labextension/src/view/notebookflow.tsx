/** The graph of an open notebook's cells, beside it. */
import '../../style/views.css';
import * as React from 'react';
import type { DocumentModel } from '../model/document';
import { Banner } from './banner';
import { Boundary } from './boundary';
import { Empty, Loading, Problem } from './basics';
import { useModel, useServices } from './context';

const GraphView = React.lazy(() => import('../graph/view'));

export function NotebookFlow(props: { model: DocumentModel; onCell: (cellId: string) => void }): JSX.Element {
  const { model, onCell } = props;
  useModel(model);
  const { trans } = useServices().host;
  const [cell, setCell] = React.useState<string | null>(null);
  const select = React.useCallback(
    (id: string | null) => {
      setCell(id);
      if (id) {
        onCell(id);
      }
    },
    [onCell]
  );
  const stale = model.cells.filter(each => each.stale && each.is_task).length;
  return (
    <div className="hr-runview hr-root">
      <Banner />
      {model.error && <Problem message={model.error} onRetry={() => model.reload()} />}
      {!model.graphLoaded && !model.error && <Loading />}
      {model.graphLoaded && !model.nodes.size && (
        <Empty title={trans.__('This notebook has no code cells yet')}>
          <p>{trans.__('Begin a cell with “%%task name” to make it a task.')}</p>
        </Empty>
      )}
      {model.nodes.size > 0 && (
        <>
          <p className="hr-flow-note" role="status">
            {trans._n('%1 task is stale', '%1 tasks are stale', stale, stale)}
          </p>
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
