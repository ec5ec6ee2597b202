/** The left panel: running now, recent runs, schedules. */
import '../../style/views.css';
import * as React from 'react';
import { RunListModel } from '../model/runlist';
import { SchedulesModel } from '../model/schedules';
import { ACTIVE } from '../pure/states';
import { Banner } from './banner';
import { Empty, Problem, Section } from './basics';
import { useLoaded, useOwned, useServices } from './context';
import { Icon } from './icons';
import { useReloadOn } from './live';
import { RecentRuns } from './recent';
import { RunLines } from './runrow';
import { Schedules } from './schedules';

const MOST_RUNNING = 100;

function Running({ model }: { model: RunListModel }): JSX.Element {
  const { trans } = useServices().host;
  if (model.error && !model.items.length) {
    return <Problem message={model.error} onRetry={() => model.reload()} />;
  }
  if (!model.items.length) {
    return <Empty title={model.loading ? trans.__('Loading…') : trans.__('Nothing is running')} />;
  }
  return <RunLines runs={model.items} label={trans.__('Running now')} />;
}

/** Who carries runs out, in one line; the rest is a page of its own. */
function WorkersLine(): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const { value, reload } = useLoaded(
    async () => ({ ...(await manager.api.workers()), limits: await manager.api.limits() }),
    [manager]
  );
  useReloadOn(manager, reload, changes => !!(changes.workers || changes.limits));
  const alive = value?.workers.filter(worker => worker.alive) ?? [];
  const full = value?.limits.filter(limit => limit.limit > 0 && limit.active >= limit.limit).length ?? 0;
  return (
    <button
      type="button"
      className="hr-workersline"
      title={value?.why ?? undefined}
      onClick={() => host.open({ page: 'workers' })}
    >
      <Icon name="server" />
      <span>
        {value
          ? trans._n('%1 worker', '%1 workers', alive.length, alive.length) +
            ' · ' +
            trans._n('%1 limit', '%1 limits', value.limits.length, value.limits.length)
          : trans.__('Workers and limits')}
      </span>
      {full > 0 && <span className="hr-tag">{trans.__('%1 full', full)}</span>}
      <span className="hr-grow" />
      <Icon name="right" />
    </button>
  );
}

export function Sidebar(): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const running = useOwned(() => new RunListModel(manager, { states: [...ACTIVE] }, MOST_RUNNING), [manager]);
  const recent = useOwned(() => new RunListModel(manager), [manager]);
  const schedules = useOwned(() => new SchedulesModel(manager), [manager]);
  const [closed, setClosed] = React.useState<readonly string[]>([]);
  const section = (id: string) => ({
    open: !closed.includes(id),
    onToggle: () => setClosed(closed.includes(id) ? closed.filter(other => other !== id) : [...closed, id])
  });
  return (
    <div className="hr-sidebar hr-root">
      <Banner />
      <Section
        title={trans.__('Running now')}
        count={running.items.length || undefined}
        className="hr-mod-running"
        {...section('running')}
      >
        <Running model={running} />
      </Section>
      <Section title={trans.__('Recent runs')} className="hr-mod-recent" {...section('recent')}>
        <RecentRuns model={recent} />
      </Section>
      <Section
        title={trans.__('Schedules')}
        count={schedules.schedules.length || undefined}
        className="hr-mod-schedules"
        {...section('schedules')}
      >
        <Schedules model={schedules} />
      </Section>
      <WorkersLine />
    </div>
  );
}
