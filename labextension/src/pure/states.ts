/** How each state looks and is called: the panel's one table of them. A shape and a word beside every colour. */
import type { ITranslator } from '../tokens';
import type { IRun, StateType } from '../wire/words';
import { pageTranslator } from './translate';

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

interface ILooks {
  trans: ITranslator;
  types: Record<StateType, ILook>;
  /** Names that people should tell apart at a glance; user code may return states with names of its own. */
  names: Record<string, ILook>;
  nothing: ILook;
}

function looksIn(trans: ITranslator): ILooks {
  const types: ILooks['types'] = {
    SCHEDULED: { label: trans.__('Scheduled'), shape: 'clock', tone: 'waiting' },
    PENDING: { label: trans.__('Pending'), shape: 'dots', tone: 'waiting' },
    RUNNING: { label: trans.__('Running'), shape: 'spinner', tone: 'running' },
    PAUSED: { label: trans.__('Paused'), shape: 'pause', tone: 'paused' },
    CANCELLING: { label: trans.__('Cancelling'), shape: 'stop', tone: 'stopped' },
    COMPLETED: { label: trans.__('Completed'), shape: 'check', tone: 'done' },
    FAILED: { label: trans.__('Failed'), shape: 'cross', tone: 'failed' },
    CANCELLED: { label: trans.__('Cancelled'), shape: 'slash', tone: 'stopped' },
    CRASHED: { label: trans.__('Crashed'), shape: 'bang', tone: 'crashed' }
  };
  const names: ILooks['names'] = {
    Late: { label: trans.__('Late'), shape: 'hourglass', tone: 'paused' },
    AwaitingRetry: { label: trans.__('Awaiting retry'), shape: 'undo', tone: 'paused' },
    AwaitingConcurrencySlot: { label: trans.__('Awaiting a slot'), shape: 'hourglass', tone: 'waiting' },
    Retrying: { label: trans.__('Retrying'), shape: 'spinner', tone: 'running' },
    Resuming: { label: trans.__('Resuming'), shape: 'clock', tone: 'waiting' },
    Suspended: { label: trans.__('Suspended'), shape: 'pause', tone: 'paused' },
    Cached: { label: trans.__('Cached'), shape: 'bolt', tone: 'cached' },
    Skipped: { label: trans.__('Skipped'), shape: 'skip', tone: 'none' },
    RolledBack: { label: trans.__('Rolled back'), shape: 'undo', tone: 'stopped' },
    TimedOut: { label: trans.__('Timed out'), shape: 'hourglass', tone: 'failed' },
    UpstreamFailed: { label: trans.__('Upstream failed'), shape: 'hollow', tone: 'failed' },
    NotRun: { label: trans.__('Not run'), shape: 'hollow', tone: 'none' },
    PlainCell: { label: trans.__('Plain cell'), shape: 'hollow', tone: 'none' }
  };
  return { trans, types, names, nothing: { label: trans.__('Not run yet'), shape: 'hollow', tone: 'none' } };
}

let made: ILooks | null = null;

function looks(): ILooks {
  const trans = pageTranslator();
  if (made?.trans !== trans) {
    made = looksIn(trans);
  }
  return made!;
}

/** What people call a type of state. */
export function typeLabel(type: StateType): string {
  return looks().types[type].label;
}

/** How a state looks. */
export function look(type: StateType | null | undefined, name?: string | null): ILook {
  const { types, names, nothing } = looks();
  const known = name ? names[name] : undefined;
  if (!type) {
    return known ?? nothing;
  }
  if (known) {
    return known;
  }
  const plain = types[type] ?? nothing;
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
