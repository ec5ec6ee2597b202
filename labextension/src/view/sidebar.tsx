/** The left panel: running now, recent runs, schedules. */
import '../../style/views.css';
import * as React from 'react';
import { RunListModel } from '../model/runlist';
import { SchedulesModel } from '../model/schedules';
import { ACTIVE } from '../pure/states';
import { Banner } from './banner';
import { Empty, Problem, Section } from './basics';
import { useOwned, useServices } from './context';
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
    </div>
  );
}
