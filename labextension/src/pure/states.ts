/** How each state looks and is called: the panel's one table of them. A shape and a word beside every colour. */
import type { IRun, StateType } from '../wire/words';

/** Drawn by `view/icons.tsx` and `graph/exportSvg.ts`; each differs from the others in outline, not only in colour. */
export type Shape =
  | 'check'
  | 'cross'
  | 'bang'
  | 'spinner'
  | 'dots'
  | 'clock'
  | 'pause'
  | 'stop'
  | 'slash'
  | 'bolt'
  | 'skip'
  | 'hollow'
  | 'undo'
  | 'hourglass';

/** A CSS class suffix: `hr-mod-<tone>` sets the colour. */
export type Tone = 'done' | 'cached' | 'failed' | 'crashed' | 'running' | 'waiting' | 'paused' | 'stopped' | 'none';

export interface ILook {
  label: string;
  shape: Shape;
  tone: Tone;
}

export const FINAL: readonly StateType[] = ['COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED'];
/** What "running now" lists. */
export const ACTIVE: readonly StateType[] = ['RUNNING', 'PENDING', 'CANCELLING', 'PAUSED'];
export const ALL: readonly StateType[] = [
  'RUNNING',
  'PENDING',
  'SCHEDULED',
  'PAUSED',
  'CANCELLING',
  'COMPLETED',
  'FAILED',
  'CRASHED',
  'CANCELLED'
];

const BY_TYPE: Record<StateType, ILook> = {
  SCHEDULED: { label: 'Scheduled', shape: 'clock', tone: 'waiting' },
  PENDING: { label: 'Pending', shape: 'dots', tone: 'waiting' },
  RUNNING: { label: 'Running', shape: 'spinner', tone: 'running' },
  PAUSED: { label: 'Paused', shape: 'pause', tone: 'paused' },
  CANCELLING: { label: 'Cancelling', shape: 'stop', tone: 'stopped' },
  COMPLETED: { label: 'Completed', shape: 'check', tone: 'done' },
  FAILED: { label: 'Failed', shape: 'cross', tone: 'failed' },
  CANCELLED: { label: 'Cancelled', shape: 'slash', tone: 'stopped' },
  CRASHED: { label: 'Crashed', shape: 'bang', tone: 'crashed' }
};

/** Names that people should tell apart at a glance; user code may return states with names of its own. */
const BY_NAME: Record<string, ILook> = {
  Late: { label: 'Late', shape: 'hourglass', tone: 'paused' },
  AwaitingRetry: { label: 'Awaiting retry', shape: 'undo', tone: 'paused' },
  AwaitingConcurrencySlot: { label: 'Awaiting a slot', shape: 'hourglass', tone: 'waiting' },
  Retrying: { label: 'Retrying', shape: 'spinner', tone: 'running' },
  Resuming: { label: 'Resuming', shape: 'clock', tone: 'waiting' },
  Suspended: { label: 'Suspended', shape: 'pause', tone: 'paused' },
  Cached: { label: 'Cached', shape: 'bolt', tone: 'cached' },
  Skipped: { label: 'Skipped', shape: 'skip', tone: 'none' },
  RolledBack: { label: 'Rolled back', shape: 'undo', tone: 'stopped' },
  TimedOut: { label: 'Timed out', shape: 'hourglass', tone: 'failed' },
  UpstreamFailed: { label: 'Upstream failed', shape: 'hollow', tone: 'failed' },
  NotRun: { label: 'Not run', shape: 'hollow', tone: 'none' },
  PlainCell: { label: 'Plain cell', shape: 'hollow', tone: 'none' }
};

const NOTHING: ILook = { label: 'Not run yet', shape: 'hollow', tone: 'none' };

export const TYPE_LABELS = Object.fromEntries(ALL.map(type => [type, BY_TYPE[type].label])) as Record<
  StateType,
  string
>;

/** How a state looks. */
export function look(type: StateType | null | undefined, name?: string | null): ILook {
  if (!type) {
    return (name && BY_NAME[name]) || NOTHING;
  }
  const known = name ? BY_NAME[name] : undefined;
  if (known) {
    return known;
  }
  const plain = BY_TYPE[type] ?? NOTHING;
  const own = name && name.toLowerCase() !== type.toLowerCase() ? name : plain.label;
  return { ...plain, label: own };
}

export function isFinal(type: StateType | null | undefined): boolean {
  return !!type && FINAL.includes(type);
}

export function isActive(type: StateType | null | undefined): boolean {
  return !!type && ACTIVE.includes(type);
}

/** The state that stands for many: what needs a person's eye first wins. */
const WORST: readonly (StateType | null)[] = [
  'CRASHED',
  'FAILED',
  'CANCELLING',
  'RUNNING',
  'PAUSED',
  'PENDING',
  'SCHEDULED',
  'CANCELLED',
  'COMPLETED',
  null
];

export interface ITally {
  total: number;
  done: number;
  failed: number;
  running: number;
  cached: number;
  /** The type that stands for all of them. */
  type: StateType | null;
  name: string | null;
}

/** Count the states of many runs. */
export function tally(runs: Iterable<Pick<IRun, 'state_type' | 'state_name' | 'cached'>>): ITally {
  const result: ITally = { total: 0, done: 0, failed: 0, running: 0, cached: 0, type: null, name: null };
  let rank = WORST.length;
  let waiting = 0;
  for (const run of runs) {
    result.total += 1;
    result.done += isFinal(run.state_type) ? 1 : 0;
    result.failed += run.state_type === 'FAILED' || run.state_type === 'CRASHED' ? 1 : 0;
    result.running += run.state_type === 'RUNNING' || run.state_type === 'CANCELLING' ? 1 : 0;
    result.cached += run.cached ? 1 : 0;
    waiting += isFinal(run.state_type) ? 0 : 1;
    const place = WORST.indexOf(run.state_type);
    if (place < rank) {
      rank = place;
      result.type = run.state_type;
      result.name = run.state_name;
    }
  }
  // Some are done and others have yet to start: the group is under way.
  if (result.done && waiting && (result.type === null || ['PENDING', 'SCHEDULED'].includes(result.type))) {
    result.type = 'RUNNING';
    result.name = null;
  }
  return result;
}
