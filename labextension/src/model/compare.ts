/** Two runs side by side: which of their parts belong together, and what differs. Pure. */
import { append } from '../pure/append';
import { equal } from '../pure/equal';
import type { ICellOutputs, IRun, StateType } from '../wire/words';

export interface IValueRow {
  name: string;
  left: unknown;
  right: unknown;
  same: boolean;
}

/** Names of both sides, what differs first. */
export function compareValues(
  left: Readonly<Record<string, unknown>> | null,
  right: Readonly<Record<string, unknown>> | null
): IValueRow[] {
  const names = [...new Set([...Object.keys(left ?? {}), ...Object.keys(right ?? {})])];
  const rows = names.map(name => {
    const [a, b] = [left?.[name], right?.[name]];
    return { name, left: a, right: b, same: equal(a, b) };
  });
  return [...rows.filter(row => !row.same), ...rows.filter(row => row.same)];
}

/** One part of a run, or many of one definition folded together. */
export interface IPart {
  count: number;
  state_type: StateType | null;
  state_name: string | null;
  /** Of one part its duration; of many the median. */
  seconds: number | null;
}

export interface IPartRow {
  key: string;
  name: string;
  left: IPart | null;
  right: IPart | null;
}

/** More parts of one definition than this are one row. */
const FOLDED = 8;
const WORST: (StateType | null)[] = ['CRASHED', 'FAILED', 'RUNNING', 'CANCELLING', 'PAUSED', 'CANCELLED'];

function median(values: number[]): number | null {
  const sorted = values.sort((a, b) => a - b);
  return sorted.length ? sorted[Math.floor((sorted.length - 1) / 2)] : null;
}

function part(runs: readonly IRun[]): IPart {
  const rank = (run: IRun) => (WORST.indexOf(run.state_type) + WORST.length + 1) % (WORST.length + 1);
  const worst = [...runs].sort((a, b) => rank(a) - rank(b))[0];
  return {
    count: runs.length,
    state_type: worst.state_type,
    state_name: worst.state_name,
    seconds: median(runs.map(run => run.duration_seconds).filter((value): value is number => value !== null))
  };
}

/** What a part is in every run of the same code; a cell's id counts if both runs have it, for injected cells get new ones. */
function identity(run: IRun, shared: ReadonlySet<string>): string {
  const cell = run.cell_id && shared.has(run.cell_id) ? run.cell_id : null;
  return `${run.kind} ${cell ?? (run.kind === 'cell' ? null : run.definition_key) ?? run.definition ?? run.name.replace(/[-_ ]?\d+$/, '')}`;
}

function parts(runs: readonly IRun[], shared: ReadonlySet<string>): Map<string, { name: string; part: IPart }> {
  const families = new Map<string, IRun[]>();
  runs.forEach(run => append(families, identity(run, shared), run));
  const found = new Map<string, { name: string; part: IPart }>();
  for (const [key, members] of families) {
    if (members.length > FOLDED) {
      const name = members[0].name.replace(/[-_ ]?(\d+|[0-9a-f]{3,8})$/, '') || members[0].name;
      found.set(key, { name: `${name} × ${members.length}`, part: part(members) });
    } else {
      members.forEach((run, at) => found.set(`${key} ${at}`, { name: run.name, part: part([run]) }));
    }
  }
  return found;
}

/** The parts of both runs, those that belong together in one row, in the order of the right one. */
export function pairParts(left: readonly IRun[], right: readonly IRun[]): IPartRow[] {
  const known = new Set(left.map(run => run.cell_id));
  const shared = new Set(right.map(run => run.cell_id).filter((id): id is string => !!id && known.has(id)));
  const [a, b] = [parts(left, shared), parts(right, shared)];
  return [...new Set([...b.keys(), ...a.keys()])].map(key => ({
    key,
    name: (b.get(key) ?? a.get(key))!.name,
    left: a.get(key)?.part ?? null,
    right: b.get(key)?.part ?? null
  }));
}

export interface ICellPair {
  key: string;
  index: number;
  left: ICellOutputs | null;
  right: ICellOutputs | null;
  sameSource: boolean;
  sameOutputs: boolean;
}

/** The cell that a run put its parameters into has a new id each time; what it says stands with the parameters. */
const INJECTED = /^# Parameters\n/;

/** The cells of two notebook runs: by their id, else by their place. */
export function pairCells(left: readonly ICellOutputs[], right: readonly ICellOutputs[]): ICellPair[] {
  const key = (cell: ICellOutputs) =>
    INJECTED.test(cell.source) ? 'parameters' : (cell.cell_id ?? `#${cell.cell_index}`);
  const [a, b] = [left, right].map(cells => new Map(cells.map(cell => [key(cell), cell])));
  return [...new Set([...b.keys(), ...a.keys()])]
    .map(each => {
      const [one, two] = [a.get(each) ?? null, b.get(each) ?? null];
      return {
        key: each,
        index: (two ?? one)!.cell_index ?? 0,
        left: one,
        right: two,
        sameSource: each === 'parameters' || (one?.source ?? '') === (two?.source ?? ''),
        sameOutputs: equal(one?.outputs ?? [], two?.outputs ?? [])
      };
    })
    .sort((x, y) => x.index - y.index);
}
