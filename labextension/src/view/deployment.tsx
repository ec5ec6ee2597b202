/** What runs by itself: its schedules, its history as a matrix, how long it takes, all its runs. */
import * as React from 'react';
import { RunListModel } from '../model/runlist';
import { SchedulesModel } from '../model/schedules';
import { fileName } from '../pure/runname';
import { fromNow, when } from '../pure/time';
import type { IDeployment } from '../wire/words';
import { deleteDeployment, pauseDeployment, runDeploymentNow } from './actions';
import { Banner } from './banner';
import { DurationBars } from './bars';
import { Empty, IconButton, Loading, Problem, Tabs } from './basics';
import { useLoaded, useNow, useOwned, useServices } from './context';
import { concernsRuns, useReloadOn } from './live';
import { DeploymentForm } from './deploymentform';
import { Matrix } from './matrix';
import { Upcoming } from './upcoming';
import { RecentRuns } from './recent';
import { ScheduleLine } from './schedules';
import { JsonBlock } from './values';

const MATRIX_RUNS = 20;

function Header({ deployment, onGone }: { deployment: IDeployment; onGone: () => void }): JSX.Element {
  const services = useServices();
  const { host } = services;
  const { trans } = host;
  const now = useNow(false);
  const path = deployment.notebook_path;
  return (
    <div className="hr-header">
      <div className="hr-header-first">
        <h1 title={deployment.id}>{deployment.name}</h1>
        {deployment.paused && <span className="hr-tag">{trans.__('paused')}</span>}
        <span className="hr-grow" />
        <div className="hr-header-actions">
          <IconButton
            icon="play"
            wordy
            label={trans.__('Run now')}
            onClick={() => void runDeploymentNow(services, deployment)}
          />
          <IconButton
            icon={deployment.paused ? 'forward' : 'pause'}
            wordy
            label={deployment.paused ? trans.__('Unpause') : trans.__('Pause')}
            onClick={() => void pauseDeployment(services, deployment)}
          />
          {path && (
            <IconButton
              icon="calendar"
              wordy
              label={trans.__('Add a schedule…')}
              onClick={() => host.dialog({ kind: 'schedule', path, deploymentId: deployment.id })}
            />
          )}
          <IconButton
            icon="trash"
            label={trans.__('Delete')}
            onClick={() => void deleteDeployment(services, deployment).then(done => done && onGone())}
          />
        </div>
      </div>
      <div className="hr-header-facts">
        {path &&
          (host.inLab ? (
            <button type="button" className="hr-link" title={path} onClick={() => host.openFile(path)}>
              {fileName(path)}
            </button>
          ) : (
            <span>{path}</span>
          ))}
        {deployment.entrypoint && <span>{deployment.entrypoint}</span>}
        {deployment.next_fire_at && !deployment.paused && (
          <span>
            {trans.__('next %1 · %2', fromNow(deployment.next_fire_at, now), when(deployment.next_fire_at, now))}
          </span>
        )}
        {deployment.moved_on && <span>{trans.__('The file has changed since it was pinned.')}</span>}
        {deployment.tags?.map(tag => (
          <span key={tag} className="hr-tag">
            {tag}
          </span>
        ))}
      </div>
      {deployment.error && <Problem message={deployment.error} />}
      {deployment.description && <p>{deployment.description}</p>}
    </div>
  );
}

function History({ id }: { id: string }): JSX.Element {
  const { manager, host } = useServices();
  const { value, error, reload } = useLoaded(() => manager.api.matrix(id, MATRIX_RUNS), [manager, id]);
  useReloadOn(manager, reload, changes => !!changes.runs?.some(run => run.deployment_id === id || run.parent_id));
  if (error) {
    return <Problem message={error} onRetry={reload} />;
  }
  if (!value) {
    return <Loading />;
  }
  if (!value.runs.length) {
    return <Empty title={host.trans.__('It has not run yet')} />;
  }
  return (
    <div className="hr-scroll hr-page hr-history-page">
      <DurationBars runs={value.runs} />
      <Matrix matrix={value} />
    </div>
  );
}

function ScheduleList({ id }: { id: string }): JSX.Element {
  const { manager, host } = useServices();
  const model = useOwned(() => new SchedulesModel(manager), [manager]);
  const own = model.schedules.filter(schedule => schedule.deployment_id === id);
  if (model.loading) {
    return <Loading />;
  }
  if (!own.length) {
    return <Empty title={host.trans.__('No schedules')} />;
  }
  return (
    <div className="hr-scroll">
      <ul className="hr-schedules">
        {own.map(schedule => (
          <ScheduleLine key={schedule.id} schedule={schedule} runs={[]} />
        ))}
      </ul>
      <Upcoming schedules={own} />
    </div>
  );
}

export function DeploymentView(props: {
  id: string;
  onTitle: (label: string, caption: string) => void;
  onClose: () => void;
}): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const { id, onTitle } = props;
  const [tab, setTab] = React.useState('history');
  const prefix = React.useId();
  const { value, error, reload } = useLoaded(() => manager.api.deployment(id), [manager, id]);
  useReloadOn(manager, reload, concernsRuns);
  const ofThis = React.useMemo(() => ({ deploymentId: id }), [id]);
  const runs = useOwned(() => new RunListModel(manager, ofThis), [manager, ofThis]);
  React.useEffect(() => {
    if (value) {
      onTitle(value.name, trans.__('History of %1', value.name));
    }
  }, [onTitle, trans, value]);
  if (error && !value) {
    return (
      <div className="hr-runview hr-root">
        <Banner />
        <Problem message={error} onRetry={reload} />
      </div>
    );
  }
  if (!value) {
    return <Loading />;
  }
  const tabs = [
    { id: 'history', label: trans.__('History') },
    { id: 'runs', label: trans.__('Runs') },
    { id: 'schedules', label: trans.__('Schedules'), count: value.schedules?.length },
    { id: 'settings', label: trans.__('Settings') },
    { id: 'details', label: trans.__('Details') }
  ];
  return (
    <div className="hr-runview hr-root">
      <Banner />
      <Header deployment={value} onGone={props.onClose} />
      <Tabs label={trans.__('Parts')} tabs={tabs} current={tab} onChange={setTab} idPrefix={prefix} />
      <div className="hr-runview-page" role="tabpanel" id={`${prefix}-panel`} aria-labelledby={`${prefix}-tab-${tab}`}>
        {tab === 'history' && <History id={id} />}
        {tab === 'runs' && (
          <div className="hr-scroll">
            <RecentRuns model={runs} fixed={ofThis} />
          </div>
        )}
        {tab === 'schedules' && <ScheduleList id={id} />}
        {tab === 'settings' && <DeploymentForm key={value.id} deployment={value} onSaved={reload} />}
        {tab === 'details' && (
          <div className="hr-scroll hr-page" tabIndex={0}>
            <JsonBlock value={value} />
          </div>
        )}
      </div>
    </div>
  );
}
