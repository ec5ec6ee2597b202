/** Which runs a list shows: as a query for the server, and as a test for runs that the stream brings. */
import type { Query } from '../wire/restapi';
import type { IRun, RunKind, StateType } from '../wire/words';

export interface IRunFilter {
  states: StateType[];
  text: string;
  kinds: RunKind[];
  tags: string[];
  deploymentId: string | null;
  documentId: string | null;
  cellId: string | null;
  /** Only the last so many days, counted from now; a saved filter means the same tomorrow. */
  days: number | null;
  /** ISO instants. */
  since: string | null;
  until: string | null;
  /** Only runs that no other run started. */
  roots: boolean;
  sort: string;
}

export const EVERYTHING: IRunFilter = {
  states: [],
  text: '',
  kinds: [],
  tags: [],
  deploymentId: null,
  documentId: null,
  cellId: null,
  days: null,
  since: null,
  until: null,
  roots: true,
  sort: '-created_at'
};

const DAY_MS = 86_400_000;

/** The earliest instant that the filter lets through, null for any. */
export function earliest(filter: IRunFilter, now = Date.now()): string | null {
  const begin = filter.days === null ? null : new Date(now - filter.days * DAY_MS).toISOString();
  return [begin, filter.since].reduce((a, b) => (a && b ? (a > b ? a : b) : (a ?? b)), null);
}

/** The filter as the server's query. */
export function filterQuery(filter: IRunFilter, now = Date.now()): Query {
  return {
    state_type: filter.states,
    text: filter.text.trim() || null,
    kind: filter.kinds,
    tag: filter.tags,
    deployment_id: filter.deploymentId,
    document_id: filter.documentId,
    cell_id: filter.cellId,
    since: earliest(filter, now),
    until: filter.until,
    roots: String(filter.roots),
    sort: filter.sort
  };
}

/** Whether a run belongs to the list. */
export function matches(run: IRun, filter: IRunFilter, now = Date.now()): boolean {
  const text = filter.text.trim().toLowerCase();
  const at = Date.parse(run.created_at ?? '') || 0;
  const begin = earliest(filter, now);
  return (
    (!filter.roots || !run.parent_id) &&
    (!filter.states.length || (run.state_type !== null && filter.states.includes(run.state_type))) &&
    (!filter.kinds.length || filter.kinds.includes(run.kind)) &&
    filter.tags.every(tag => run.tags.includes(tag)) &&
    (!filter.deploymentId || run.deployment_id === filter.deploymentId) &&
    (!filter.documentId || run.document_id === filter.documentId) &&
    (!filter.cellId || run.cell_id === filter.cellId) &&
    (!begin || at >= Date.parse(begin)) &&
    (!filter.until || at < Date.parse(filter.until)) &&
    (!text || [run.name, run.notebook_path ?? '', ...run.tags].some(word => word.toLowerCase().includes(text)))
  );
}

/** How many conditions narrow the list, what is typed into the search field aside; `fixed` is always there. */
export function conditions(filter: IRunFilter, fixed: Partial<IRunFilter> = {}): number {
  return [
    filter.states.length > 0,
    filter.kinds.length > 0,
    filter.tags.length > 0,
    filter.deploymentId !== (fixed.deploymentId ?? null),
    filter.days !== null || filter.since !== null || filter.until !== null,
    !filter.roots
  ].filter(Boolean).length;
}

/** Whether anything narrows the list. */
export function narrowed(filter: IRunFilter, fixed: Partial<IRunFilter> = {}): boolean {
  return conditions(filter, fixed) > 0 || filter.text.trim() !== '';
}

const KINDS: readonly RunKind[] = ['flow', 'task', 'notebook', 'cell'];
const STATES: readonly StateType[] = [
  'SCHEDULED',
  'PENDING',
  'RUNNING',
  'PAUSED',
  'CANCELLING',
  'COMPLETED',
  'FAILED',
  'CANCELLED',
  'CRASHED'
];

/** A filter out of what was stored, perhaps by another version: whatever does not fit is left out. */
export function readFilter(value: unknown): IRunFilter {
  const from = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const list = (name: string) =>
    Array.isArray(from[name])
      ? (from[name] as unknown[]).filter((each): each is string => typeof each === 'string')
      : [];
  const text = (name: string) => (typeof from[name] === 'string' ? (from[name] as string) : null);
  const instant = (name: string) => (Number.isFinite(Date.parse(text(name) ?? '')) ? text(name) : null);
  return {
    ...EVERYTHING,
    states: STATES.filter(state => list('states').includes(state)),
    kinds: KINDS.filter(kind => list('kinds').includes(kind)),
    tags: list('tags'),
    text: text('text') ?? '',
    deploymentId: text('deploymentId'),
    days: typeof from.days === 'number' && from.days > 0 ? from.days : null,
    since: instant('since'),
    until: instant('until'),
    roots: from.roots !== false
  };
}
