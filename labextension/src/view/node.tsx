/** One node of the graph in detail: why it stands as it does, its log, code, inputs and outputs. */
import * as React from 'react';
import { LogView } from '../logs/logview';
import type { RunModel } from '../model/run';
import { runName } from '../pure/runname';
import { isFinal } from '../pure/states';
import { exact, lasted } from '../pure/time';
import type { IFullRun, IRun } from '../wire/words';
import { AttemptsTab } from './attempts';
import { Empty, IconButton, Loading, Tabs } from './basics';
import { useLoaded, useNow, useServices } from './context';
import { Failure } from './failure';
import { StateBadge } from './icons';
import { CellOutputs } from './outputs';
import { CodeBlock, JsonBlock, ValueTable } from './values';

function Why({ run }: { run: IFullRun }): JSX.Element | null {
  const { host } = useServices();
  const { trans } = host;
  const { cache } = run;
  if (!cache) {
    return null;
  }
  const from = cache.from_run_id;
  return (
    <div className="hr-node-why">
      <span>{trans.__('Cache:')} </span>
      <span>{cache.reason ?? (cache.hit ? trans.__('Taken from the cache.') : trans.__('Not in the cache.'))}</span>
      {from && (
        <button type="button" className="hr-link" onClick={() => host.open({ page: 'run', id: from })}>
          {trans.__('computed by this run')}
        </button>
      )}
    </div>
  );
}

function Overview({ model, run, full }: { model: RunModel; run: IRun; full: IFullRun | null }): JSX.Element {
  const { trans } = useServices().host;
  const inputs = model.edges.filter(edge => edge.target === run.id);
  const uses = model.edges.filter(edge => edge.source === run.id);
  const partName = (id: string) => {
    const part = model.nodes.get(id);
    return part ? runName(part) : id.slice(0, 8);
  };
  const names = (list: typeof inputs, end: 'source' | 'target') =>
    list.slice(0, 30).map(edge => [edge.name, partName(edge[end])].filter(Boolean).join(' ← '));
  return (
    <div className="hr-node-overview">
      {full && <Failure run={full} />}
      {full && <Why run={full} />}
      {full?.result && (
        <>
          <h3>{trans.__('Result')}</h3>
          <ValueTable label={trans.__('Result')} values={full.result} />
        </>
      )}
      {full?.parameters && Object.keys(full.parameters).length > 0 && (
        <>
          <h3>{trans.__('Inputs')}</h3>
          <ValueTable label={trans.__('Inputs')} values={full.parameters} />
        </>
      )}
      {inputs.length > 0 && (
        <>
          <h3>{trans.__('Uses')}</h3>
          <ul className="hr-names">
            {names(inputs, 'source').map(name => (
              <li key={name} title={name}>
                {name}
              </li>
            ))}
          </ul>
        </>
      )}
      {uses.length > 0 && (
        <>
          <h3>{trans.__('Used by')}</h3>
          <ul className="hr-names">
            {names(uses, 'target').map(name => (
              <li key={name}>{name}</li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

export function NodePanel(props: { model: RunModel; nodeId: string; onClose: () => void }): JSX.Element {
  const { model, nodeId } = props;
  const services = useServices();
  const { trans } = services.host;
  const [tab, setTab] = React.useState('overview');
  const id = React.useId();
  // The node's own record drives the reload; the stream keeps it current.
  const [, draw] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    const onNodes = (_: RunModel, ids: ReadonlySet<string>) => ids.has(nodeId) && draw();
    model.nodesChanged.connect(onNodes);
    return () => void model.nodesChanged.disconnect(onNodes);
  }, [model, nodeId]);
  const run = model.nodes.get(nodeId);
  const recorded = !nodeId.startsWith('cell:');
  const stamp = run && `${run.state_type} ${run.state_name} ${run.attempt}`;
  const full = useLoaded(
    async () => (recorded ? services.manager.api.run(nodeId) : null),
    [services.manager, nodeId, stamp]
  );
  const source = useLoaded(
    async () => (recorded && tab === 'source' ? services.manager.api.source(nodeId) : null),
    [services.manager, nodeId, tab === 'source']
  );
  const now = useNow(!isFinal(run?.state_type));
  if (!run) {
    return <Empty title={trans.__('This task is gone')} />;
  }
  const value = full.value?.id === nodeId ? full.value : null;
  const tabs = [
    { id: 'overview', label: trans.__('Overview') },
    { id: 'log', label: trans.__('Log') },
    { id: 'source', label: trans.__('Source') },
    ...(run.kind === 'cell' ? [{ id: 'outputs', label: trans.__('Outputs') }] : []),
    ...(recorded ? [{ id: 'attempts', label: trans.__('Attempts') }] : []),
    { id: 'record', label: trans.__('Details') }
  ];
  return (
    <aside className="hr-nodepanel" aria-label={trans.__('Selected task')}>
      <header>
        <h2 title={run.id}>{runName(run)}</h2>
        <IconButton
          icon="forward"
          label={trans.__('Open as a view of its own')}
          disabled={!recorded}
          onClick={() => services.host.open({ page: 'run', id: nodeId })}
        />
        <IconButton icon="close" label={trans.__('Close')} onClick={props.onClose} />
      </header>
      <div className="hr-nodepanel-facts">
        <StateBadge type={run.state_type} name={run.state_name} />
        <span title={exact(run.started_at)}>{lasted(run, now)}</span>
        {run.max_attempts > 1 && <span>{trans.__('attempt %1 of %2', run.attempt, run.max_attempts)}</span>}
      </div>
      <Tabs label={trans.__('Parts of the task')} tabs={tabs} current={tab} onChange={setTab} idPrefix={id} />
      <div
        className="hr-nodepanel-body"
        role="tabpanel"
        tabIndex={0}
        id={`${id}-panel`}
        aria-labelledby={`${id}-tab-${tab}`}
      >
        {tab === 'overview' && <Overview model={model} run={run} full={value} />}
        {tab === 'log' && <LogView run={model} nodeId={nodeId} compact />}
        {tab === 'source' &&
          (source.loading ? (
            <Loading />
          ) : source.value?.source ? (
            <CodeBlock source={source.value.source} />
          ) : (
            <Empty title={trans.__('No source was recorded')} />
          ))}
        {tab === 'outputs' && <CellOutputs model={model} cellRunId={nodeId} />}
        {tab === 'attempts' && (value ? <AttemptsTab run={value} /> : <Loading />)}
        {tab === 'record' && <JsonBlock value={value ?? run} />}
      </div>
    </aside>
  );
}
