/** What can be done with a run or a schedule; each asks first where something is lost, and says what went wrong. */
import { MASK } from '../pure/parse';
import { runName } from '../pure/runname';
import type { IServices } from '../tokens';
import { sentence } from '../wire/errors';
import type { IDeployment, IFullRun, IRun, ISchedule } from '../wire/words';

/** Do it, and say it where it is refused; return whether it was done. */
export async function attempt(services: IServices, what: () => Promise<unknown>): Promise<boolean> {
  try {
    await what();
    return true;
  } catch (error) {
    services.host.notify('error', sentence(error));
    return false;
  }
}

export async function cancelRun(services: IServices, run: IRun): Promise<void> {
  const { trans } = services.host;
  const sure = await services.host.confirm({
    title: trans.__('Cancel %1?', runName(run)),
    body: trans.__('What is running is interrupted. Finished parts stay recorded and the run can be continued later.'),
    accept: trans.__('Cancel run'),
    danger: true
  });
  if (sure) {
    await attempt(services, async () => void (await services.manager.api.act(run.id, 'cancel')));
  }
}

export async function deleteRun(services: IServices, run: IRun): Promise<boolean> {
  const { trans } = services.host;
  const sure = await services.host.confirm({
    title: trans.__('Delete %1?', runName(run)),
    body: trans.__('The run is deleted with its logs, outputs and everything below it. Files that it wrote stay.'),
    accept: trans.__('Delete'),
    danger: true
  });
  return sure && (await attempt(services, () => services.manager.api.deleteRun(run.id)));
}

/** Continue a run that did not complete: what finished is kept. */
export async function continueRun(services: IServices, run: IFullRun): Promise<void> {
  const parameters = run.parameters ?? {};
  if (run.notebook_path && Object.values(parameters).includes(MASK)) {
    services.host.dialog({ kind: 'run', path: run.notebook_path, again: { run, verb: 'resume', parameters } });
    return;
  }
  await attempt(services, async () => {
    const next = await services.manager.api.act(run.id, 'resume');
    services.notices.started(next);
    services.host.open({ page: 'run', id: next.id });
  });
}

/** The same again from the start; a notebook's form opens first, so that its parameters can be edited. */
export async function rerun(services: IServices, run: IFullRun): Promise<void> {
  if (run.kind === 'notebook' && run.notebook_path) {
    const parameters = run.parameters ?? {};
    services.host.dialog({ kind: 'run', path: run.notebook_path, again: { run, verb: 'rerun', parameters } });
    return;
  }
  const { trans } = services.host;
  const sure = await services.host.confirm({
    title: trans.__('Run %1 again?', runName(run)),
    body: trans.__('A new run of the same code with the same parameters starts now.'),
    accept: trans.__('Run again')
  });
  if (sure) {
    await attempt(services, async () => {
      const next = await services.manager.api.act(run.id, 'rerun');
      services.notices.started(next);
      services.host.open({ page: 'run', id: next.id });
    });
  }
}

export async function unpause(services: IServices, run: IRun): Promise<void> {
  await attempt(services, async () => void (await services.manager.api.act(run.id, 'unpause')));
}

export async function pauseSchedule(services: IServices, schedule: ISchedule, paused: boolean): Promise<void> {
  await attempt(services, async () => void (await services.manager.api.pauseSchedule(schedule.id, paused)));
}

export async function deleteSchedule(services: IServices, schedule: ISchedule): Promise<void> {
  const { trans } = services.host;
  const sure = await services.host.confirm({
    title: trans.__('Delete the schedule of %1?', schedule.deployment_name),
    body: trans.__('It does not fire any more: %1. Its past runs stay.', schedule.sentence),
    accept: trans.__('Delete'),
    danger: true
  });
  if (sure) {
    await attempt(services, () => services.manager.api.deleteSchedule(schedule.id));
  }
}

export async function runScheduleNow(services: IServices, schedule: ISchedule): Promise<void> {
  await attempt(services, async () => {
    const { deployment_id: id, parameters } = schedule;
    const run = await services.manager.api.runDeployment(id, parameters ?? undefined);
    services.notices.started(run);
    services.host.open({ page: 'run', id: run.id });
  });
}

export async function runDeploymentNow(services: IServices, deployment: IDeployment): Promise<void> {
  await attempt(services, async () => {
    const run = await services.manager.api.runDeployment(deployment.id);
    services.notices.started(run);
    services.host.open({ page: 'run', id: run.id });
  });
}

export async function pauseDeployment(services: IServices, deployment: IDeployment): Promise<void> {
  await attempt(services, async () => {
    await services.manager.api.pauseDeployment(deployment.id, !deployment.paused);
  });
}

export async function deleteDeployment(services: IServices, deployment: IDeployment): Promise<boolean> {
  const { trans } = services.host;
  const sure = await services.host.confirm({
    title: trans.__('Delete %1?', deployment.name),
    body: trans.__('Its schedules are deleted with it. Its past runs stay.'),
    accept: trans.__('Delete'),
    danger: true
  });
  return sure && (await attempt(services, () => services.manager.api.deleteDeployment(deployment.id)));
}
