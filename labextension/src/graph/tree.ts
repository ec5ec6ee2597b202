/**
 * What of a run's tree is drawn: nodes, groups of mapped tasks, bands of layers where there are too many, and
 * which of them are open. Pure: from records to a tree of items.
 */
import { append } from '../pure/append';
import type { IRun } from '../wire/words';
import { assignLayers } from './layout';

export interface IItem {
  id: string;
  kind: 'run' | 'mapped' | 'band';
  title: string;
  /** The runs that it stands for: itself, or the group's members. */
  members: string[];
  /** All runs below, the members' own children included. */
  size: number;
  children: Item[];
  parent: Item | null;
  /** Open items are drawn as boxes around their children. */
  open: boolean;
  expandable: boolean;
}
export type Item = IItem;

export interface ITreeOptions {
  rootId: string;
  /** Items that a person opened (true) or closed (false). */
  opened: ReadonlyMap<string, boolean>;
  /** More siblings of one definition than this become one node. */
  mapLimit: number;
}

/** Beyond this many siblings, layers are banded: React Flow stays fluid below it. */
export const MOST_DRAWN = 1000;
/** Subflows and cells with this many runs or fewer are open from the start. */
const OPEN_BELOW = 24;

/** The name that a definition's mapped runs share: what stands before a number at the end. */
export function family(run: Pick<IRun, 'name' | 'definition' | 'definition_key'>): string {
  return run.definition_key || run.definition || run.name.replace(/[-_ ]?(\d+|[0-9a-f]{3,8})$/, '') || run.name;
}

function familyTitle(runs: IRun[]): string {
  const name = runs[0].name;
  const stem = name.replace(/[-_ ]?(\d+|[0-9a-f]{3,8})$/, '') || name;
  return runs.every(run => run.name.startsWith(stem)) ? stem : (runs[0].definition ?? stem);
}

/** Children of each run, in the order given; runs whose parent is not there hang below the root. */
export function childrenOf(nodes: ReadonlyMap<string, IRun>, rootId: string): Map<string, IRun[]> {
  const children = new Map<string, IRun[]>();
  for (const run of nodes.values()) {
    const parent = run.parent_id && nodes.has(run.parent_id) ? run.parent_id : rootId;
    append(children, parent, run);
  }
  return children;
}

/** Build the tree of what is drawn. `links` are the edges between runs as pairs of ids. */
export function buildTree(
  nodes: ReadonlyMap<string, IRun>,
  links: readonly (readonly [string, string])[],
  options: ITreeOptions
): Item[] {
  const children = childrenOf(nodes, options.rootId);
  const size = new Map<string, number>();
  const countBelow = (id: string): number => {
    let count = size.get(id);
    if (count === undefined) {
      size.set(id, 0);
      count = (children.get(id) ?? []).reduce((sum, run) => sum + 1 + countBelow(run.id), 0);
      size.set(id, count);
    }
    return count;
  };
  const isOpen = (id: string, byDefault: boolean) => options.opened.get(id) ?? byDefault;

  const runItem = (run: IRun, parent: Item | null): Item => {
    const below = countBelow(run.id);
    const item: Item = {
      id: run.id,
      kind: 'run',
      title: run.name,
      members: [run.id],
      size: 1 + below,
      children: [],
      parent,
      open: below > 0 && isOpen(run.id, below <= OPEN_BELOW),
      expandable: below > 0
    };
    if (item.open) {
      item.children = level(children.get(run.id) ?? [], run.id, item);
    }
    return item;
  };

  const groupItem = (id: string, kind: 'mapped' | 'band', title: string, runs: IRun[], parent: Item | null): Item => ({
    id,
    kind,
    title,
    members: runs.map(run => run.id),
    size: runs.reduce((sum, run) => sum + 1 + countBelow(run.id), 0),
    children: [],
    parent,
    open: isOpen(id, false),
    expandable: true
  });

  /** The siblings below one parent: mapped tasks folded, the rest banded if there are still too many. */
  const level = (runs: IRun[], ownerId: string, parent: Item | null): Item[] => {
    const families = new Map<string, IRun[]>();
    for (const run of runs) {
      const key = `${run.kind} ${family(run)}`;
      append(families, key, run);
    }
    const folded: { key: string; runs: IRun[] }[] = [];
    const single: IRun[] = [];
    for (const [key, members] of families) {
      if (members.length > options.mapLimit) {
        folded.push({ key, runs: members });
      } else {
        single.push(...members);
      }
    }
    const items = folded.map(({ key, runs: members }) => {
      const item = groupItem(`map ${ownerId} ${key}`, 'mapped', familyTitle(members), members, parent);
      if (item.open) {
        item.children = bands(members, item.id, item);
      }
      return item;
    });
    return [...items, ...bands(single, ownerId, parent)];
  };

  const bands = (runs: IRun[], ownerId: string, parent: Item | null): Item[] => {
    if (runs.length <= MOST_DRAWN) {
      return runs.map(run => runItem(run, parent));
    }
    return cut(runs, links).map(({ first, last, runs: members }, at) => {
      const title = first === last ? `Layer ${first + 1}` : `Layers ${first + 1}–${last + 1}`;
      const item = groupItem(`band ${ownerId} ${at}`, 'band', title, members, parent);
      if (item.open) {
        item.children = members.map(run => runItem(run, item));
      }
      return item;
    });
  };

  return level(children.get(options.rootId) ?? [], options.rootId, null);
}

/** Cut siblings into bands of neighbouring layers, each of at most MOST_DRAWN runs. */
function cut(
  runs: IRun[],
  links: readonly (readonly [string, string])[]
): { first: number; last: number; runs: IRun[] }[] {
  const index = new Map(runs.map((run, at) => [run.id, at]));
  const sources: number[] = [];
  const targets: number[] = [];
  for (const [source, target] of links) {
    const from = index.get(source);
    const to = index.get(target);
    if (from !== undefined && to !== undefined && from !== to) {
      sources.push(from);
      targets.push(to);
    }
  }
  const { layer } = assignLayers(runs.length, sources, targets);
  const layers: IRun[][] = [];
  runs.forEach((run, at) => (layers[layer[at]] ??= []).push(run));
  const result: { first: number; last: number; runs: IRun[] }[] = [];
  layers.forEach((members, number) => {
    const open = result[result.length - 1];
    if (open && open.runs.length + members.length <= MOST_DRAWN) {
      open.runs.push(...members);
      open.last = number;
      return;
    }
    for (let from = 0; from < members.length; from += MOST_DRAWN) {
      result.push({ first: number, last: number, runs: members.slice(from, from + MOST_DRAWN) });
    }
  });
  return result;
}
