/** Which cells run when a person asks for one: what it needs and is stale, or what depends on it. */
import type { ICellNode, IEdge } from '../wire/words';

function closure(edges: readonly IEdge[], start: Iterable<string>, up: boolean): Set<string> {
  const next = new Map<string, string[]>();
  for (const { source, target } of edges) {
    const [from, to] = up ? [target, source] : [source, target];
    next.set(from, [...(next.get(from) ?? []), to]);
  }
  const found = new Set(start);
  // A set tells of what is added while it is walked.
  for (const id of found) {
    next.get(id)?.forEach(other => found.add(other));
  }
  return found;
}

/** Of some cells those that must run, and all of them that use what these make; in document order. */
function needed(
  cells: readonly ICellNode[],
  edges: readonly IEdge[],
  within: ReadonlySet<string>,
  needs: (cell: ICellNode) => boolean
): string[] {
  const inside = edges.filter(edge => within.has(edge.source) && within.has(edge.target));
  const first = cells.filter(cell => within.has(cell.cell_id) && needs(cell)).map(cell => cell.cell_id);
  const all = closure(inside, first, false);
  return cells.filter(cell => all.has(cell.cell_id)).map(cell => cell.cell_id);
}

/** What is stale among a cell and all that it needs; empty if nothing is. */
export function upTo(
  cells: readonly ICellNode[],
  edges: readonly IEdge[],
  cellId: string,
  needs: (cell: ICellNode) => boolean
): string[] {
  return needed(cells, edges, closure(edges, [cellId], true), needs);
}

/** A cell and all that depends on it, after what of their needs is stale. */
export function from(
  cells: readonly ICellNode[],
  edges: readonly IEdge[],
  cellId: string,
  needs: (cell: ICellNode) => boolean
): string[] {
  const below = closure(edges, [cellId], false);
  const within = closure(edges, below, true);
  return needed(cells, edges, within, cell => below.has(cell.cell_id) || needs(cell));
}

/** Everything that is stale, with what it needs. */
export function allStale(
  cells: readonly ICellNode[],
  edges: readonly IEdge[],
  needs: (cell: ICellNode) => boolean
): string[] {
  const stale = cells.filter(cell => cell.is_task && cell.stale).map(cell => cell.cell_id);
  return needed(cells, edges, closure(edges, stale, true), needs);
}
