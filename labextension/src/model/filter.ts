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
  since: null,
  until: null,
  roots: true,
  sort: '-created_at'
};

/** The filter as the server's query. */
export function filterQuery(filter: IRunFilter): Query {
  return {
    state_type: filter.states,
    text: filter.text.trim() || null,
    kind: filter.kinds,
    tag: filter.tags,
    deployment_id: filter.deploymentId,
    document_id: filter.documentId,
    cell_id: filter.cellId,
    since: filter.since,
    until: filter.until,
    roots: filter.roots ? 'true' : null,
    sort: filter.sort
  };
}

/** Whether a run belongs to the list. */
export function matches(run: IRun, filter: IRunFilter): boolean {
  const text = filter.text.trim().toLowerCase();
  const at = run.created_at ?? '';
  return (
    (!filter.roots || !run.parent_id) &&
    (!filter.states.length || (run.state_type !== null && filter.states.includes(run.state_type))) &&
    (!filter.kinds.length || filter.kinds.includes(run.kind)) &&
    filter.tags.every(tag => run.tags.includes(tag)) &&
    (!filter.deploymentId || run.deployment_id === filter.deploymentId) &&
    (!filter.documentId || run.document_id === filter.documentId) &&
    (!filter.cellId || run.cell_id === filter.cellId) &&
    (!filter.since || at >= filter.since) &&
    (!filter.until || at < filter.until) &&
    (!text || [run.name, run.notebook_path ?? '', ...run.tags].some(word => word.toLowerCase().includes(text)))
  );
}

/** How many conditions narrow the list. */
export function narrowed(filter: IRunFilter): boolean {
  return !!(
    filter.states.length ||
    filter.text.trim() ||
    filter.kinds.length ||
    filter.tags.length ||
    filter.deploymentId ||
    filter.since ||
    filter.until
  );
}
