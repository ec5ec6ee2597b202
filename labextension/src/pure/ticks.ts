/** Marks along a stretch of time. */
import { duration } from './time';

const STEPS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
  14400, 43200, 86400
];

export interface ITick {
  seconds: number;
  label: string;
}

/** Round marks from 0 to the end, at most so many. */
export function ticksOf(seconds: number, most: number): ITick[] {
  const step = STEPS.find(size => seconds / size <= most) ?? Math.ceil(seconds / most / 86400) * 86400;
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, at) => {
    const tick = at * step;
    return { seconds: tick, label: tick ? (step < 0.1 ? `${Math.round(1000 * tick)} ms` : duration(tick)) : '0' };
  });
}
