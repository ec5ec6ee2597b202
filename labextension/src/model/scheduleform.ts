/** The schedule builder: what a person chose, and the body that says it to the server. */
import { instantOf, isZone, ownZone, wallOf } from '../pure/zone';
import type { ISchedule } from '../wire/words';

export type ScheduleMode =
  'hourly' | 'daily' | 'weekdays' | 'weekly' | 'monthly' | 'interval' | 'cron' | 'rrule' | 'once';

export interface IScheduleForm {
  mode: ScheduleMode;
  /** Minute past the hour. */
  minute: number;
  /** `HH:MM`, wall time of the zone. */
  time: string;
  /** 0 is Sunday, as in cron. */
  weekday: number;
  day: number;
  every: number;
  unit: 'minutes' | 'hours' | 'days';
  cron: string;
  rrule: string;
  /** `YYYY-MM-DDTHH:MM`, wall time of the zone. */
  at: string;
  timezone: string;
}

const UNIT_SECONDS = { minutes: 60, hours: 3600, days: 86400 };

/** Where a new schedule starts: every day at nine, in the browser's zone. */
export function newSchedule(now: Date = new Date()): IScheduleForm {
  const tomorrow = new Date(now.getTime() + 86400_000);
  const two = (value: number) => String(value).padStart(2, '0');
  return {
    mode: 'daily',
    minute: 0,
    time: '09:00',
    weekday: 1,
    day: 1,
    every: 30,
    unit: 'minutes',
    cron: '0 9 * * 1-5',
    rrule: 'FREQ=MONTHLY;BYDAY=-1FR',
    at: `${tomorrow.getFullYear()}-${two(tomorrow.getMonth() + 1)}-${two(tomorrow.getDate())}T09:00`,
    timezone: ownZone()
  };
}

/** The form that says what a schedule says already. */
export function formOfSchedule(schedule: ISchedule): IScheduleForm {
  const timezone = schedule.timezone && isZone(schedule.timezone) ? schedule.timezone : 'UTC';
  const form = { ...newSchedule(), timezone };
  if (schedule.cron) {
    return { ...form, mode: 'cron', cron: schedule.cron };
  }
  if (schedule.rrule) {
    return { ...form, mode: 'rrule', rrule: schedule.rrule };
  }
  if (schedule.at) {
    return { ...form, mode: 'once', at: wallOf(schedule.at, timezone) };
  }
  const seconds = schedule.interval_seconds ?? 3600;
  const unit = (['days', 'hours', 'minutes'] as const).find(each => seconds % UNIT_SECONDS[each] === 0) ?? 'minutes';
  return { ...form, mode: 'interval', every: seconds / UNIT_SECONDS[unit], unit };
}

/** The cron rule of a preset, null for modes that are none. */
export function cronOf(form: IScheduleForm): string | null {
  const [hour, minute] = form.time.split(':').map(Number);
  switch (form.mode) {
    case 'hourly':
      return `${form.minute} * * * *`;
    case 'daily':
      return `${minute} ${hour} * * *`;
    case 'weekdays':
      return `${minute} ${hour} * * 1-5`;
    case 'weekly':
      return `${minute} ${hour} * * ${form.weekday}`;
    case 'monthly':
      return `${minute} ${hour} ${form.day} * *`;
    case 'cron':
      return form.cron.trim();
    default:
      return null;
  }
}

/** The schedule's part of a request's body; null while something is missing. */
export function scheduleBody(form: IScheduleForm): Record<string, unknown> | null {
  const { timezone } = form;
  if (!timezone) {
    return null;
  }
  if (form.mode === 'interval') {
    return form.every > 0 ? { interval_seconds: form.every * UNIT_SECONDS[form.unit], timezone } : null;
  }
  if (form.mode === 'rrule') {
    return form.rrule.trim() ? { rrule: form.rrule.trim(), timezone } : null;
  }
  if (form.mode === 'once') {
    const at = instantOf(form.at, timezone);
    return at ? { at, timezone } : null;
  }
  const cron = cronOf(form);
  return cron && !/NaN|undefined/.test(cron) ? { cron, timezone } : null;
}
