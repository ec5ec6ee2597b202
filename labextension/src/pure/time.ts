/** Instants and durations in a person's words. Durations come in seconds, instants as ISO text in UTC. */

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

/** A duration in at most two units: `0.4 s`, `12 s`, `3 m 05 s`, `2 h 10 m`, `4 d 3 h`. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) {
    return '';
  }
  const value = Math.max(0, seconds);
  const two = (number: number) => String(number).padStart(2, '0');
  if (value < 0.001) {
    return '< 1 ms';
  }
  if (value < 1) {
    return value < 0.1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;
  }
  if (value < 10) {
    return `${value.toFixed(1)} s`;
  }
  const whole = Math.round(value);
  if (whole < MINUTE) {
    return `${whole} s`;
  }
  if (whole < HOUR) {
    return `${Math.floor(whole / MINUTE)} m ${two(whole % MINUTE)} s`;
  }
  if (whole < DAY) {
    return `${Math.floor(whole / HOUR)} h ${two(Math.floor((whole % HOUR) / MINUTE))} m`;
  }
  return `${Math.floor(whole / DAY)} d ${Math.floor((whole % DAY) / HOUR)} h`;
}

/** A running clock: whole seconds only, so that it ticks evenly. */
export function elapsed(startedAt: string | null, now: number): string {
  if (!startedAt) {
    return '';
  }
  const seconds = Math.max(0, Math.floor((now - Date.parse(startedAt)) / 1000));
  return seconds < 10 ? `${seconds} s` : duration(seconds);
}

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'short' });

/** How far away an instant is: `in 3 min`, `2 hr ago`, `yesterday`. */
export function fromNow(at: string | null | undefined, now: number): string {
  if (!at) {
    return '';
  }
  const seconds = (Date.parse(at) - now) / 1000;
  const size = Math.abs(seconds);
  if (size < 45) {
    return seconds > 0 ? relative.format(Math.round(seconds), 'second') : relative.format(0, 'second');
  }
  if (size < 45 * MINUTE) {
    return relative.format(Math.round(seconds / MINUTE), 'minute');
  }
  if (size < 22 * HOUR) {
    return relative.format(Math.round(seconds / HOUR), 'hour');
  }
  if (size < 26 * DAY) {
    return relative.format(Math.round(seconds / DAY), 'day');
  }
  return relative.format(Math.round(seconds / (30 * DAY)), 'month');
}

/** How long ago an instant of the past is; never in the future, where the page's clock has not ticked since. */
export function ago(at: string | null | undefined, now: number): string {
  return at ? fromNow(at, Math.max(now, Date.parse(at))) : '';
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short', hour: '2-digit', minute: '2-digit' });
const dayMonth = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit'
});
const complete = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** An instant as short as it can be told apart: `14:02`, `Tue 14:02`, `3 Nov, 14:02`. */
export function when(at: string | null | undefined, now: number): string {
  if (!at) {
    return '';
  }
  const date = new Date(at);
  const today = new Date(now);
  if (date.toDateString() === today.toDateString()) {
    return clock.format(date);
  }
  return Math.abs(date.getTime() - now) < 6 * DAY * 1000 ? weekday.format(date) : dayMonth.format(date);
}

/** An instant in full, in the browser's zone. */
export function exact(at: string | null | undefined): string {
  return at ? complete.format(new Date(at)) : '';
}

/** The time of day with milliseconds, as log lines show it. */
export function logTime(at: string): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, '0');
  const milli = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${milli}`;
}

/** How long a run took, or has taken so far. */
export function lasted(
  run: { duration_seconds: number | null; started_at: string | null; ended_at: string | null },
  now: number
): string {
  if (run.ended_at || !run.started_at) {
    return duration(run.duration_seconds);
  }
  return elapsed(run.started_at, now);
}
