/** Small bar charts: results by day, durations by run. Every bar says its numbers in words. */
import * as React from 'react';
import { look } from '../pure/states';
import { duration, exact } from '../pure/time';
import type { IDay, IRun } from '../wire/words';
import { useServices } from './context';

const PARTS = ['failed', 'crashed', 'cancelled', 'completed'] as const;
const TONES = { failed: 'failed', crashed: 'crashed', cancelled: 'stopped', completed: 'done' } as const;

function dayName(day: string): string {
  return new Intl.DateTimeFormat(undefined, { day: 'numeric', timeZone: 'UTC' }).format(Date.parse(`${day}T00:00:00Z`));
}

/** Runs of each day, failures at the foot so that they can be compared. */
export function DayBars({ days }: { days: readonly IDay[] }): JSX.Element {
  const { trans } = useServices().host;
  const most = Math.max(1, ...days.map(day => PARTS.reduce((sum, part) => sum + day[part], 0)));
  return (
    <div className="hr-bars" role="list" aria-label={trans.__('Runs of each day')}>
      {days.map(day => {
        const count = PARTS.reduce((sum, part) => sum + day[part], 0);
        const words = trans.__(
          '%1: %2 completed, %3 failed, %4 crashed, %5 cancelled, median %6',
          day.day,
          day.completed,
          day.failed,
          day.crashed,
          day.cancelled,
          duration(day.median_seconds) || '–'
        );
        return (
          <div key={day.day} className="hr-bar" role="listitem" title={words} aria-label={words}>
            <div className="hr-bar-stack" aria-hidden="true">
              {count > 0 && <span>{count.toLocaleString()}</span>}
              {PARTS.filter(part => day[part] > 0).map(part => (
                <i
                  key={part}
                  className={`hr-barpart hr-tone-${TONES[part]}`}
                  style={{ height: `${(100 * day[part]) / most}%` }}
                />
              ))}
            </div>
            <span aria-hidden="true">{dayName(day.day)}</span>
          </div>
        );
      })}
    </div>
  );
}

/** How long runs took on each day: the median of those that completed. */
export function DayMedians({ days }: { days: readonly IDay[] }): JSX.Element | null {
  const { trans } = useServices().host;
  const most = Math.max(...days.map(day => day.median_seconds ?? 0));
  if (!most) {
    return null;
  }
  return (
    <>
      <h3>{trans.__('Median duration of completed runs')}</h3>
      <div className="hr-bars hr-mod-low" role="list" aria-label={trans.__('Median duration of each day')}>
        {days.map(day => {
          const words = `${day.day}: ${duration(day.median_seconds) || '–'}`;
          return (
            <div key={day.day} className="hr-bar" role="listitem" title={words} aria-label={words}>
              <div className="hr-bar-stack" aria-hidden="true">
                {day.median_seconds !== null && <span>{duration(day.median_seconds)}</span>}
                {day.median_seconds !== null && (
                  <i
                    className="hr-barpart hr-tone-running"
                    style={{ height: `${(100 * day.median_seconds) / most}%` }}
                  />
                )}
              </div>
            </div>
          );
        })}
      </div>
    </>
  );
}

/** The middle of the durations, and the range that most runs keep. */
export function usualRange(seconds: readonly number[]): [number, number, number] | null {
  if (seconds.length < 4) {
    return null;
  }
  const sorted = [...seconds].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.round(part * (sorted.length - 1))];
  return [at(0.1), at(0.5), at(0.9)];
}

/** How long each run took, oldest first, with the usual range behind. */
export function DurationBars({ runs }: { runs: readonly IRun[] }): JSX.Element | null {
  const { host } = useServices();
  const shown = runs.filter(run => run.duration_seconds !== null);
  if (!shown.length) {
    return null;
  }
  const usual = usualRange(shown.filter(run => run.state_type === 'COMPLETED').map(run => run.duration_seconds!));
  const most = Math.max(...shown.map(run => run.duration_seconds!), 0.001);
  const percent = (seconds: number) => `${(100 * seconds) / most}%`;
  return (
    <div className="hr-durations">
      <div className="hr-durations-plane">
        {usual && (
          <div
            className="hr-durations-usual"
            style={{ bottom: percent(usual[0]), height: percent(usual[2] - usual[0]) }}
            title={host.trans.__('Most runs take %1 to %2', duration(usual[0]), duration(usual[2]))}
          />
        )}
        {shown.map(run => {
          const { label, tone } = look(run.state_type, run.state_name);
          const words = `${label}, ${exact(run.started_at)}, ${duration(run.duration_seconds)}`;
          return (
            <button
              key={run.id}
              type="button"
              title={words}
              aria-label={words}
              onClick={() => host.open({ page: 'run', id: run.id })}
            >
              <i className={`hr-barpart hr-tone-${tone}`} style={{ height: percent(run.duration_seconds!) }} />
            </button>
          );
        })}
      </div>
      {usual && (
        <p className="hr-muted">
          {host.trans.__(
            'Usually %1; most runs take %2 to %3.',
            ...usual.map((_, at) => duration(usual[[1, 0, 2][at]]))
          )}
        </p>
      )}
    </div>
  );
}
