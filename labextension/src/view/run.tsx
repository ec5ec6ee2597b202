/** The view of one run: header, tabs, and the panel of the selected task beside them. */
import * as React from 'react';
import { LogView } from '../logs/logview';
import { RunModel } from '../model/run';
import { isFinal } from '../pure/states';
import type { IFullRun } from '../wire/words';
import { AttemptsTab } from './attempts';
import { Banner } from './banner';
import { Boundary } from './boundary';
import { ArtifactsTab } from './artifacts';
import { CellLinks, Empty, Loading, Problem, Tabs } from './basics';
import { useOwned, useServices, useTrans } from './context';
import { Failure } from './failure';
import { NodePanel } from './node';
import { OutputsTab } from './outputs';
import { PauseForm } from './pauseform';
import { RunHeader } from './runheader';
import { Timeline } from './timeline';
import { JsonBlock, ValueTable } from './values';

const GraphView = React.lazy(() => import('../graph/view'));

export interface IRunPlace {
  tab: string;
  node: string | null;
}

interface IRunViewProps {
  runId: string;
  /** Where it was left: the tab and the selected task. */
  place?: Partial<IRunPlace>;
  onPlace?: (place: IRunPlace) => void;
  onTitle?: (run: IFullRun) => void;
  onDeleted: () => void;
}

/** The part that failed first: where a person wants to look. */
function failedNode(model: RunModel): string | null {
  const cellId = model.run?.error?.cell_id;
  const named = cellId ? cellNode(model, cellId) : null;
  if (named) {
    return named;
  }
  const failed = [...model.nodes.values()].filter(
    run => (run.state_type === 'FAILED' || run.state_type === 'CRASHED') && run.state_name !== 'UpstreamFailed'
  );
  const deepest = failed.filter(run => !failed.some(other => other.parent_id === run.id));
  deepest.sort((a, b) => (a.ended_at ?? '').localeCompare(b.ended_at ?? ''));
  return deepest[0]?.id ?? null;
}

function Page(props: {
  model: RunModel;
  run: IFullRun;
  tab: string;
  node: string | null;
  select: (id: string | null) => void;
  onSource: (id: string) => void;
}) {
  const trans = useTrans();
  const { model, run, tab, node, select } = props;
  switch (tab) {
    case 'graph':
      return (
        <React.Suspense fallback={<Loading />}>
          <GraphView model={model} selected={node} onSelect={select} />
        </React.Suspense>
      );
    case 'timeline':
      return <Timeline model={model} selected={node} onSelect={select} />;
    case 'logs':
      return <LogView run={model} nodeId={run.parent_id ? run.id : undefined} onSource={props.onSource} />;
    case 'outputs':
      return <OutputsTab model={model} />;
    case 'artifacts':
      return <ArtifactsTab model={model} run={run} />;
    case 'parameters':
      return (
        <div className="hr-scroll hr-page" tabIndex={0}>
          {Object.keys(run.parameters ?? {}).length ? (
            <ValueTable label={trans.__('Parameters')} values={run.parameters!} />
          ) : (
            <Empty title={trans.__('This run has no parameters')} />
          )}
        </div>
      );
    case 'attempts':
      return <AttemptsTab run={run} />;
    default:
      return (
        <div className="hr-scroll hr-page" tabIndex={0}>
          <JsonBlock value={run} />
        </div>
      );
  }
}

export function RunView(props: IRunViewProps): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const { onPlace, onTitle } = props;
  const model = useOwned(() => new RunModel(manager, props.runId), [manager, props.runId]);
  const [chosenTab, setTab] = React.useState(props.place?.tab ?? null);
  const [node, setNode] = React.useState<string | null>(props.place?.node ?? null);
  const { run } = model;
  const id = React.useId();
  const tab = chosenTab ?? (run && run.kind !== 'flow' && run.kind !== 'notebook' ? 'logs' : 'graph');

  React.useEffect(() => onPlace?.({ tab, node }), [onPlace, tab, node]);
  React.useEffect(() => {
    if (run) {
      onTitle?.(run);
    }
  }, [onTitle, run]);

  // A failed run opens on what failed, once; after that the person decides.
  const looked = React.useRef(!!props.place?.node);
  React.useEffect(() => {
    if (model.graphLoaded && !looked.current) {
      looked.current = true;
      if (isFinal(run?.state_type) && run?.state_type !== 'COMPLETED') {
        setNode(failedNode(model));
      }
    }
  }, [model, model.graphLoaded, run]);

  // The server counts a long log once: asked now, its tab opens at once.
  React.useEffect(() => {
    if (model.graphLoaded) {
      manager.api.logs(model.rootId, { offset: 0, limit: 1 }).catch(() => undefined);
    }
  }, [manager, model, model.graphLoaded]);

  const select = React.useCallback((next: string | null) => setNode(next), []);
  const showNode = React.useCallback(
    (id: string) => {
      const found = model.nodes.get(id);
      if (found?.cell_id && host.inLab && model.run?.notebook_path) {
        host.openFile(model.run.notebook_path, found.cell_id);
      } else {
        setNode(id);
        setTab('graph');
      }
    },
    [host, model]
  );
  const cellLink = React.useCallback(
    (prompt: number) => {
      const cell = cellOfPrompt(model, prompt);
      return cell ? () => showNode(cell) : null;
    },
    [model, showNode]
  );

  if (model.gone) {
    return (
      <div className="hr-runview hr-root">
        <Empty title={trans.__('This run does not exist any more')}>
          <p>{trans.__('It was deleted, or belongs to another store.')}</p>
        </Empty>
      </div>
    );
  }
  if (!run) {
    return (
      <div className="hr-runview hr-root">
        <Banner />
        {model.error ? <Problem message={model.error} onRetry={() => model.reload()} /> : <Loading />}
      </div>
    );
  }
  const tabs = [
    { id: 'graph', label: trans.__('Graph') },
    { id: 'timeline', label: trans.__('Timeline') },
    { id: 'logs', label: trans.__('Logs') },
    ...(run.kind === 'notebook' || run.kind === 'cell' ? [{ id: 'outputs', label: trans.__('Outputs') }] : []),
    { id: 'artifacts', label: trans.__('Results & artifacts') },
    { id: 'parameters', label: trans.__('Parameters') },
    { id: 'attempts', label: trans.__('Attempts') },
    { id: 'details', label: trans.__('Details') }
  ];
  const beside = node !== null && model.nodes.has(node) && (tab === 'graph' || tab === 'timeline');
  const failed = run.state_type === 'FAILED' || run.state_type === 'CRASHED';
  return (
    <CellLinks.Provider value={cellLink}>
      <div className="hr-runview hr-root">
        <Banner />
        <RunHeader model={model} run={run} onParameters={() => setTab('parameters')} onDeleted={props.onDeleted} />
        <PauseForm run={run} onDone={() => void model.refresh()} />
        {failed && !beside && (
          <Failure run={run} onCell={cellId => setNode(cellNode(model, cellId))} open={!run.error?.cell_id} />
        )}
        <Tabs label={trans.__('Parts of the run')} tabs={tabs} current={tab} onChange={setTab} idPrefix={id} />
        <div className={`hr-runview-body${beside ? ' hr-mod-beside' : ''}`}>
          <div className="hr-runview-page" role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-tab-${tab}`}>
            <Boundary key={tab}>
              <Page model={model} run={run} tab={tab} node={node} select={select} onSource={showNode} />
            </Boundary>
          </div>
          {beside && <NodePanel model={model} nodeId={node} onClose={() => setNode(null)} />}
        </div>
      </div>
    </CellLinks.Provider>
  );
}

/** The cell that a run's kernel gave a prompt: it counts from 1 as cells begin; known for runs of whole notebooks only. */
export function cellOfPrompt(model: Pick<RunModel, 'run' | 'nodes'>, prompt: number): string | null {
  if (model.run?.kind !== 'notebook' || model.run.resumed_from_id) {
    return null;
  }
  const cells = [...model.nodes.values()].filter(
    run => run.kind === 'cell' && run.parent_id === model.run!.id && run.started_at && !run.cached && run.attempt === 1
  );
  cells.sort((a, b) => a.started_at!.localeCompare(b.started_at!) || (a.cell_index ?? 0) - (b.cell_index ?? 0));
  return cells[prompt - 1]?.id ?? null;
}

function cellNode(model: RunModel, cellId: string): string | null {
  return [...model.nodes.values()].find(run => run.cell_id === cellId)?.id ?? null;
}
