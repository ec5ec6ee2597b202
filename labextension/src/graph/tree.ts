/**
 * What of a run's tree is drawn: nodes, groups of mapped tasks, bands of layers where there are too many, and
 * which of them are open. Pure: from records to a tree of items.
 */
import { append } from '../pure/append';
import { pageTranslator } from '../pure/translate';
import type { IEdge, IRun } from '../wire/words';
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

/**
 * What does not change when groups open and close, computed once for a run's structure: who is below whom, which
 * siblings are folded together, where bands are cut, and how the inside of each item is laid out.
 */
export class Plan {
  constructor(
    readonly nodes: ReadonlyMap<string, IRun>,
    readonly edges: readonly IEdge[],
    readonly rootId: string,
    /** More siblings of one definition than this become one node. */
    readonly mapLimit: number
  ) {
    this.children = childrenOf(nodes, rootId);
  }

  readonly children: ReadonlyMap<string, IRun[]>;
  /** Layouts by what they depend on; filled by `scene.ts`. */
  readonly layouts = new Map<string, unknown>();

  /** How many runs are below one. */
  below(id: string): number {
    let count = this.sizes.get(id);
    if (count === undefined) {
      this.sizes.set(id, 0);
      count = (this.children.get(id) ?? []).reduce((sum, run) => sum + 1 + this.below(run.id), 0);
      this.sizes.set(id, count);
    }
    return count;
  }

  /** The children of a run: those folded by definition, and the rest. */
  families(ownerId: string): IFamilies {
    let found = this.folded.get(ownerId);
    if (!found) {
      found = fold(this.children.get(ownerId) ?? [], this.mapLimit);
      this.folded.set(ownerId, found);
    }
    return found;
  }

  bands(ownerId: string, runs: IRun[]): IBand[] {
    let found = this.cuts.get(ownerId);
    if (!found) {
      found = cut(runs, this.edges);
      this.cuts.set(ownerId, found);
    }
    return found;
  }

  private readonly sizes = new Map<string, number>();
  private readonly folded = new Map<string, IFamilies>();
  private readonly cuts = new Map<string, IBand[]>();
}

interface IFamilies {
  mapped: { key: string; title: string; runs: IRun[] }[];
  single: IRun[];
}

interface IBand {
  first: number;
  last: number;
  /** Where in a layer that was too wide it begins, counted from 0; null for whole layers. */
  from: number | null;
  runs: IRun[];
}

function bandTitle({ first, last, from, runs }: IBand, single: boolean): string {
  const trans = pageTranslator();
  if (from !== null) {
    const range = `${(from + 1).toLocaleString()}–${(from + runs.length).toLocaleString()}`;
    return single ? range : trans.__('Layer %1: %2', first + 1, range);
  }
  return first === last ? trans.__('Layer %1', first + 1) : trans.__('Layers %1–%2', first + 1, last + 1);
}

function fold(runs: IRun[], limit: number): IFamilies {
  const families = new Map<string, IRun[]>();
  for (const run of runs) {
    append(families, `${run.kind} ${family(run)}`, run);
  }
  const result: IFamilies = { mapped: [], single: [] };
  for (const [key, members] of families) {
    if (members.length > limit) {
      result.mapped.push({ key, title: familyTitle(members), runs: members });
    } else {
      result.single.push(...members);
    }
  }
  return result;
}

/** Build the tree of what is drawn; `opened` is what a person opened (true) or closed (false). */
export function buildTree(plan: Plan, opened: ReadonlyMap<string, boolean>): Item[] {
  const isOpen = (id: string, byDefault: boolean) => opened.get(id) ?? byDefault;

  const runItem = (run: IRun, parent: Item | null): Item => {
    const below = plan.below(run.id);
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
      item.children = level(run.id, item);
    }
    return item;
  };

  const groupItem = (id: string, kind: 'mapped' | 'band', title: string, runs: IRun[], parent: Item | null): Item => ({
    id,
    kind,
    title,
    members: runs.map(run => run.id),
    size: runs.reduce((sum, run) => sum + 1 + plan.below(run.id), 0),
    children: [],
    parent,
    open: isOpen(id, false),
    expandable: true
  });

  /** The siblings below one parent: mapped tasks folded, the rest banded if there are still too many. */
  const level = (ownerId: string, parent: Item | null): Item[] => {
    const { mapped, single } = plan.families(ownerId);
    const items = mapped.map(({ key, title, runs }) => {
      const item = groupItem(`map ${ownerId} ${key}`, 'mapped', title, runs, parent);
      if (item.open) {
        item.children = banded(runs, item.id, item);
      }
      return item;
    });
    return [...items, ...banded(single, ownerId, parent)];
  };

  const banded = (runs: IRun[], ownerId: string, parent: Item | null): Item[] => {
    if (runs.length <= MOST_DRAWN) {
      return runs.map(run => runItem(run, parent));
    }
    const bands = plan.bands(ownerId, runs);
    const single = bands.every(band => band.last === 0);
    return bands.map((band, at) => {
      const item = groupItem(`band ${ownerId} ${at}`, 'band', bandTitle(band, single), band.runs, parent);
      if (item.open) {
        item.children = band.runs.map(run => runItem(run, item));
      }
      return item;
    });
  };

  return level(plan.rootId, null);
}

/** Cut siblings into bands of neighbouring layers, each of at most MOST_DRAWN runs. */
function cut(runs: IRun[], edges: readonly IEdge[]): IBand[] {
  const index = new Map(runs.map((run, at) => [run.id, at]));
  const sources: number[] = [];
  const targets: number[] = [];
  for (const { source, target } of edges) {
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
  const result: IBand[] = [];
  layers.forEach((members, number) => {
    const open = result[result.length - 1];
    if (open && open.from === null && open.runs.length + members.length <= MOST_DRAWN) {
      open.runs.push(...members);
      open.last = number;
      return;
    }
    const wide = members.length > MOST_DRAWN;
    for (let from = 0; from < members.length; from += MOST_DRAWN) {
      const part = members.slice(from, from + MOST_DRAWN);
      result.push({ first: number, last: number, from: wide ? from : null, runs: part });
    }
  });
  return result;
}
