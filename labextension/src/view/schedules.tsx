/** The schedules: what fires next, in words and in time. */
import * as React from 'react';
import type { SchedulesModel } from '../model/schedules';
import { fileName } from '../pure/runname';
import { look } from '../pure/states';
import { ownZone } from '../pure/zone';
import { duration, exact, fromNow, when } from '../pure/time';
import type { IDeployment, IRunSummary, ISchedule } from '../wire/words';
import { deleteSchedule, pauseSchedule, runDeploymentNow, runScheduleNow } from './actions';
import { Empty, IconButton, Loading, Problem } from './basics';
import { useModel, useNow, useServices } from './context';
import { StateIcon } from './icons';
import { ScheduleEdit } from './scheduleedit';

/** The last results as a strip, newest at the right. */
export function Strip({ runs }: { runs: readonly IRunSummary[] }): JSX.Element {
  const { host } = useServices();
  return (
    <span className="hr-strip">
      {[...runs]
        .sort((a, b) => (a.started_at ?? '').localeCompare(b.started_at ?? ''))
        .map(run => (
          <button
            key={run.id}
            type="button"
            title={`${look(run.state_type, run.state_name).label} · ${exact(run.started_at)} · ${duration(run.duration_seconds)}`}
            aria-label={`${look(run.state_type, run.state_name).label}, ${exact(run.started_at)}`}
            onClick={() => host.open({ page: 'run', id: run.id })}
          >
            <StateIcon type={run.state_type} name={run.state_name} size={12} silent />
          </button>
        ))}
    </span>
  );
}

export function ScheduleLine({ schedule, runs }: { schedule: ISchedule; runs: readonly IRunSummary[] }): JSX.Element {
  const services = useServices();
  const { trans } = services.host;
  const now = useNow(false);
  const [editing, setEditing] = React.useState(false);
  const name = schedule.deployment_name || fileName(schedule.notebook_path ?? '');
  return (
    <li className={`hr-schedule${schedule.active ? '' : ' hr-mod-paused'}`}>
      <div className="hr-schedule-text">
        <button
          type="button"
          className="hr-schedule-name"
          title={schedule.notebook_path ?? name}
          onClick={() => services.host.open({ page: 'deployment', id: schedule.deployment_id })}
        >
          {name}
        </button>
        <span className="hr-schedule-sentence">
          {schedule.sentence}
          {schedule.timezone !== ownZone() && ` · ${schedule.timezone}`}
        </span>
        <span className="hr-schedule-next" title={exact(schedule.next_fire_at)}>
          {schedule.active
            ? schedule.next_fire_at
              ? trans.__('next %1 · %2', fromNow(schedule.next_fire_at, now), when(schedule.next_fire_at, now))
              : trans.__('does not fire any more')
            : trans.__('paused')}
        </span>
        {schedule.error && <span className="hr-schedule-error">{schedule.error}</span>}
        {runs.length > 0 && <Strip runs={runs} />}
      </div>
      {editing && <ScheduleEdit schedule={schedule} onClose={() => setEditing(false)} />}
      <div className="hr-schedule-actions">
        <IconButton
          icon="play"
          label={trans.__('Run %1 now', name)}
          onClick={() => void runScheduleNow(services, schedule)}
        />
        <IconButton icon="edit" label={trans.__('Change the schedule of %1', name)} onClick={() => setEditing(true)} />
        <IconButton
          icon={schedule.active ? 'pause' : 'forward'}
          label={schedule.active ? trans.__('Pause %1', name) : trans.__('Unpause %1', name)}
          onClick={() => void pauseSchedule(services, schedule, schedule.active)}
        />
        <IconButton
          icon="trash"
          label={trans.__('Delete the schedule of %1', name)}
          onClick={() => void deleteSchedule(services, schedule)}
        />
      </div>
    </li>
  );
}

/** A deployment that only runs when it is asked to. */
function DeploymentLine({ deployment }: { deployment: IDeployment }): JSX.Element {
  const services = useServices();
  const { trans } = services.host;
  const { name } = deployment;
  return (
    <li className="hr-schedule">
      <div className="hr-schedule-text">
        <button
          type="button"
          className="hr-schedule-name"
          title={deployment.notebook_path ?? deployment.entrypoint ?? name}
          onClick={() => services.host.open({ page: 'deployment', id: deployment.id })}
        >
          {name}
        </button>
        <span className="hr-schedule-sentence">{trans.__('runs when asked: it has no schedule')}</span>
        {deployment.error && <span className="hr-schedule-error">{deployment.error}</span>}
        {deployment.last_runs.length > 0 && <Strip runs={deployment.last_runs} />}
      </div>
      <div className="hr-schedule-actions">
        <IconButton
          icon="play"
          label={trans.__('Run %1 now', name)}
          onClick={() => void runDeploymentNow(services, deployment)}
        />
      </div>
    </li>
  );
}

export function Schedules({ model }: { model: SchedulesModel }): JSX.Element {
  useModel(model);
  const { trans, inLab } = useServices().host;
  if (model.error) {
    return <Problem message={model.error} onRetry={() => model.reload()} />;
  }
  if (model.loading) {
    return <Loading />;
  }
  const scheduled = new Set(model.schedules.map(schedule => schedule.deployment_id));
  const others = [...model.deployments.values()].filter(each => !scheduled.has(each.id));
  if (!model.schedules.length && !others.length) {
    return (
      <Empty title={trans.__('No schedules')}>
        <p>
          {inLab
            ? trans.__(
                'Right-click a notebook in the file browser and choose “Schedule…” to run it every morning, each hour or on any cron rule.'
              )
            : trans.__('Make one in JupyterLab, or with “headrace deploy notebook.ipynb --cron "0 6 * * *"”.')}
        </p>
      </Empty>
    );
  }
  return (
    <ul className="hr-schedules" aria-label={trans.__('Schedules')}>
      {model.schedules.map(schedule => (
        <ScheduleLine
          key={schedule.id}
          schedule={schedule}
          runs={model.deployments.get(schedule.deployment_id)?.last_runs ?? []}
        />
      ))}
      {others.map(deployment => (
        <DeploymentLine key={deployment.id} deployment={deployment} />
      ))}
    </ul>
  );
}
