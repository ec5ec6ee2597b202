/** When a deployment fires next, all of its schedules together. */
import * as React from 'react';
import { formOfSchedule, scheduleBody } from '../model/scheduleform';
import { exact, fromNow, when } from '../pure/time';
import type { ISchedule } from '../wire/words';
import { useLoaded, useNow, useServices } from './context';

const SHOWN = 10;

export function Upcoming({ schedules }: { schedules: readonly ISchedule[] }): JSX.Element | null {
  const { manager, host } = useServices();
  const { trans } = host;
  const now = useNow(false);
  const active = schedules.filter(schedule => schedule.active && schedule.next_fire_at);
  const { value } = useLoaded(async () => {
    const previews = await Promise.all(
      active.map(async schedule => {
        const body = scheduleBody(formOfSchedule(schedule));
        // The interval's own beat: without its anchor the next times would begin now.
        const anchored = schedule.interval_seconds ? { ...body, anchor_at: schedule.next_fire_at } : body;
        const ends = { start_at: schedule.start_at, end_at: schedule.end_at };
        const { fires } = await manager.api.previewSchedule({ ...anchored, ...ends }).catch(() => ({
          fires: [schedule.next_fire_at!]
        }));
        return fires.map(at => ({ at, id: schedule.id, sentence: schedule.sentence }));
      })
    );
    return previews
      .flat()
      .sort((a, b) => a.at.localeCompare(b.at))
      .slice(0, SHOWN);
  }, [manager, active.map(schedule => `${schedule.id} ${schedule.revision} ${schedule.next_fire_at}`).join()]);
  if (!value?.length) {
    return null;
  }
  return (
    <section className="hr-page">
      <h2>{trans.__('Next')}</h2>
      <ol className="hr-upcoming">
        {value.map(({ at, id, sentence }) => (
          <li key={`${id} ${at}`}>
            <span title={exact(at)}>{when(at, now)}</span>
            <span className="hr-muted">{fromNow(at, now)}</span>
            <span className="hr-muted">{sentence}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
