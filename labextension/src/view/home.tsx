/** Today's picture: what runs, what failed, what is next, what is late, and how the last days went. */
import * as React from 'react';
import { exact, fromNow, when } from '../pure/time';
import type { IOverview } from '../wire/words';
import { Banner } from './banner';
import { DayBars, DayMedians } from './bars';
import { Empty, Loading, Problem } from './basics';
import { useLoaded, useNow, useServices } from './context';
import { concernsRuns, useReloadOn } from './live';
import { NoRuns } from './recent';
import { RunLines } from './runrow';

const DAYS = 14;

/** Completed runs as a part of those that ended in a result. */
export function successRate(days: IOverview['days']): number | null {
  const good = days.reduce((sum, day) => sum + day.completed, 0);
  const bad = days.reduce((sum, day) => sum + day.failed + day.crashed, 0);
  return good + bad ? good / (good + bad) : null;
}

/** Nothing has run and nothing will: somebody is here for the first time. */
function isEmpty({ running, next, late, days }: IOverview): boolean {
  const ended = days.reduce((sum, day) => sum + day.completed + day.failed + day.crashed + day.cancelled, 0);
  return !ended && ![running, next, late].some(list => list.length);
}

function Next({ overview }: { overview: IOverview }): JSX.Element {
  const { host } = useServices();
  const { trans } = host;
  const now = useNow(false);
  if (!overview.next.length) {
    return <Empty title={trans.__('Nothing is scheduled')} />;
  }
  return (
    <ul className="hr-next">
      {overview.next.map(({ schedule, fire_at: at }) => (
        <li key={schedule.id}>
          <button
            type="button"
            className="hr-link"
            onClick={() => host.open({ page: 'deployment', id: schedule.deployment_id })}
          >
            {schedule.deployment_name}
          </button>
          <span title={exact(at)}>
            {fromNow(at, now)} · {when(at, now)}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Card(props: { title: string; count?: number; wide?: boolean; children: React.ReactNode }): JSX.Element {
  return (
    <section className={`hr-card${props.wide ? ' hr-mod-wide' : ''}`}>
      <h2>
        {props.title}
        {!!props.count && <span className="hr-count">{props.count}</span>}
      </h2>
      {props.children}
    </section>
  );
}

export function HomePage(): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const { value, error, reload } = useLoaded(() => manager.api.overview(DAYS), [manager]);
  useReloadOn(manager, reload, concernsRuns);
  const rate = value && successRate(value.days);
  return (
    <div className="hr-home hr-root">
      <Banner />
      {error && <Problem message={error} onRetry={reload} />}
      {!value && !error && <Loading />}
      {value && isEmpty(value) && <NoRuns />}
      {value && (
        <div className="hr-cards">
          <div className="hr-cards-column">
            <Card title={trans.__('Running now')} count={value.running.length}>
              {value.running.length ? (
                <RunLines runs={value.running} label={trans.__('Running now')} />
              ) : (
                <Empty title={trans.__('Nothing is running')} />
              )}
            </Card>
            <Card title={trans.__('Next')} count={value.next.length}>
              <Next overview={value} />
            </Card>
            {value.late.length > 0 && (
              <Card title={trans.__('Late')} count={value.late.length}>
                <RunLines runs={value.late} label={trans.__('Late')} />
              </Card>
            )}
          </div>
          <Card title={trans.__('Failed lately')} count={value.failed_recently.length}>
            {value.failed_recently.length ? (
              <RunLines runs={value.failed_recently} label={trans.__('Failed lately')} />
            ) : (
              <Empty title={trans.__('No failures')} />
            )}
          </Card>
          <Card title={trans.__('The last %1 days', value.days.length)} wide>
            <p>
              {rate === null
                ? trans.__('No run ended in these days.')
                : trans.__('%1 % of the runs completed.', Math.round(100 * rate!))}
            </p>
            <DayBars days={value.days} />
            <DayMedians days={value.days} />
          </Card>
        </div>
      )}
    </div>
  );
}
