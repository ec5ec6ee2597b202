/** From the tree of items to a picture: every visible item's box and every edge's path, in one plane. */
import { append } from '../pure/append';
import type { IEdge, IRun } from '../wire/words';
import { layout, type ILayout } from './layout';
import { TimeArrangement } from './gantt';
import { withoutShortcuts } from './shortcuts';
import { HEADER, LAYER_GAP, NODE_GAP, NODE_HEIGHT, NODE_WIDTH, PADDING } from './sizes';
import { buildTree, type Item, type Plan } from './tree';

/** Along the edges, to the right or downwards; or along time. */
export type Direction = 'right' | 'down' | 'time';

export interface IBox {
  item: Item;
  x: number;
  y: number;
  width: number;
  height: number;
  depth: number;
  /** Place in its row or column, for the arrow keys. */
  layer: number;
}

export interface ILine {
  source: string;
  target: string;
  /** Every edge that it stands for is an order without data. */
  orderOnly: boolean;
  names: string[];
  /** Where it passes, both ends included: x, y, x, y … */
  points: number[];
}

/** A mark of the time, seconds since the first start. */
export interface IMark {
  x: number;
  label: string;
}

export interface IScene {
  boxes: Map<string, IBox>;
  lines: ILine[];
  /** The item that shows a run: its own, or the closed group around it. */
  shownBy: Map<string, string>;
  next: Map<string, string[]>;
  previous: Map<string, string[]>;
  width: number;
  height: number;
  direction: Direction;
  /** Only along time. */
  marks: IMark[];
}

interface IPending {
  from: Item;
  to: Item;
  line: ILine;
}

/**
 * Build the picture of a run's nodes and edges.
 *
 * `now`, milliseconds, is where what still runs has come to; it counts only along time.
 */
export function buildScene(plan: Plan, opened: ReadonlyMap<string, boolean>, direction: Direction, now = 0): IScene {
  const items = buildTree(plan, opened);
  const shown = visible(plan.nodes, items, plan.rootId);
  const boxes = new Map<string, IBox>();
  const all = joinLines(plan.edges, shown);
  const kept = new Set(withoutShortcuts([...all.values()].map(({ line }) => line)));
  const ends = [...all.values()].filter(({ line }) => kept.has(line));
  let size: Pick<IScene, 'width' | 'height' | 'marks'>;
  if (direction === 'time') {
    const arrangement = new TimeArrangement(plan.nodes, now, boxes);
    size = arrangement.arrange(items);
    arrangement.route(ends.map(({ line }) => line));
  } else {
    size = arrangeByEdges(plan, items, ends, direction, boxes);
  }
  const drawn = ends.map(({ line }) => line).filter(line => line.points.length > 0);
  const next = new Map<string, string[]>();
  const previous = new Map<string, string[]>();
  for (const { source, target } of drawn) {
    append(next, source, target);
    append(previous, target, source);
  }
  const shownBy = new Map([...shown].map(([id, item]) => [id, item.id]));
  return { boxes, lines: drawn, shownBy, next, previous, direction, ...size };
}

function arrangeByEdges(
  plan: Plan,
  items: Item[],
  ends: readonly IPending[],
  direction: Direction,
  boxes: Map<string, IBox>
): Pick<IScene, 'width' | 'height' | 'marks'> {
  // Each line is laid out where its ends' boxes meet: among the children of their nearest common parent.
  const within = new Map<Item | null, IPending[]>();
  for (const { from: source, to: target, line } of ends) {
    const [from, to, owner] = meet(source, target);
    if (from && to && from !== to) {
      append(within, owner, { from, to, line });
    }
  }
  const arrangement = new Arrangement(plan, within, direction, boxes);
  const [width, height] = arrangement.arrange(null, items, 0);
  arrangement.settle(items, 0, 0);
  arrangement.route();
  return { width, height, marks: [] };
}

/** Which visible item stands for each run. */
function visible(nodes: ReadonlyMap<string, IRun>, items: Item[], rootId: string): Map<string, Item> {
  const shown = new Map<string, Item>();
  const walk = (list: Item[]) => {
    for (const item of list) {
      if (item.kind === 'run' || !item.open) {
        item.members.forEach(id => shown.set(id, item));
      }
      walk(item.children);
    }
  };
  walk(items);
  // Runs deep inside a closed item are shown by the nearest parent that is.
  for (const run of nodes.values()) {
    const path: string[] = [];
    let at: IRun | undefined = run;
    while (at && !shown.has(at.id) && at.id !== rootId && path.length < 1000) {
      path.push(at.id);
      at = at.parent_id ? nodes.get(at.parent_id) : undefined;
    }
    const item = at && shown.get(at.id);
    if (item) {
      path.forEach(id => shown.set(id, item));
    }
  }
  return shown;
}

/** One line for all edges between the same two items. */
function joinLines(edges: readonly IEdge[], shown: Map<string, Item>): Map<string, IPending> {
  const lines = new Map<string, IPending>();
  for (const edge of edges) {
    const from = shown.get(edge.source);
    const to = shown.get(edge.target);
    if (!from || !to || from === to) {
      continue;
    }
    const key = `${from.id}\n${to.id}`;
    let entry = lines.get(key);
    if (!entry) {
      entry = { from, to, line: { source: from.id, target: to.id, orderOnly: true, names: [], points: [] } };
      lines.set(key, entry);
    }
    entry.line.orderOnly &&= edge.kind === 'order';
    if (edge.name && entry.line.names.length < 12 && !entry.line.names.includes(edge.name)) {
      entry.line.names.push(edge.name);
    }
  }
  return lines;
}

function ancestors(item: Item): Item[] {
  const path = [item];
  while (path[0].parent) {
    path.unshift(path[0].parent);
  }
  return path;
}

/** The two items below the nearest common parent that hold the ends; none if one end holds the other. */
function meet(a: Item, b: Item): [Item | null, Item | null, Item | null] {
  const left = ancestors(a);
  const right = ancestors(b);
  let depth = 0;
  while (depth < left.length && depth < right.length && left[depth] === right[depth]) {
    depth += 1;
  }
  return [left[depth] ?? null, right[depth] ?? null, depth ? left[depth - 1] : null];
}

interface ICached {
  layout: ILayout;
  bends: Map<string, [number, number][]>;
}

class Arrangement {
  constructor(
    private readonly plan: Plan,
    private readonly within: Map<Item | null, IPending[]>,
    private readonly direction: Direction,
    private readonly boxes: Map<string, IBox>
  ) {}

  /** Lay out the children of one item, theirs first; the answer is the size they need. */
  arrange(owner: Item | null, children: Item[], depth: number): [number, number] {
    const right = this.direction === 'right';
    for (const item of children) {
      const [width, height] = item.open
        ? this.frame(this.arrange(item, item.children, depth + 1))
        : [NODE_WIDTH, NODE_HEIGHT];
      this.boxes.set(item.id, { item, x: 0, y: 0, width, height, depth, layer: 0 });
    }
    const pending = this.within.get(owner) ?? [];
    if (!pending.length && children.length > 12) {
      return this.grid(children);
    }
    const { layout: result, bends } = this.layoutOf(owner, children, pending);
    for (const item of children) {
      const box = this.boxes.get(item.id)!;
      const { along, across, layer } = result.places.get(item.id)!;
      [box.x, box.y] = right ? [along, across] : [across, along];
      box.layer = layer;
    }
    for (const { from, to, line } of pending) {
      const points = bends.get(`${from.id}\n${to.id}`) ?? [];
      this.bends.set(
        line,
        points.map(([along, across]) => (right ? [along, across] : [across, along]))
      );
      this.owner.set(line, owner);
    }
    return right ? [result.along, result.across] : [result.across, result.along];
  }

  /** A layout depends on the sizes of what is open inside and on the lines drawn, and on nothing else that opens. */
  private layoutOf(owner: Item | null, children: Item[], pending: IPending[]): ICached {
    const right = this.direction === 'right';
    const sizes = children
      .filter(item => item.open)
      .map(item => `${item.id} ${this.boxes.get(item.id)!.width} ${this.boxes.get(item.id)!.height}`);
    const key = [owner?.id ?? '', this.direction, pending.length, ...sizes].join('\n');
    let found = this.plan.layouts.get(key) as ICached | undefined;
    if (!found) {
      const pairs = new Map(
        pending.map(({ from, to }) => [`${from.id}\n${to.id}`, [from.id, to.id] as [string, string]])
      );
      const start = performance.now();
      const result = layout(
        children.map(item => {
          const { width, height } = this.boxes.get(item.id)!;
          return { id: item.id, along: right ? width : height, across: right ? height : width };
        }),
        [...pairs.values()],
        { layerGap: LAYER_GAP, nodeGap: NODE_GAP }
      );
      // Seen in a browser's timeline, and by the benchmark.
      performance.measure('headrace:layout', { start, detail: children.length });
      found = { layout: result, bends: new Map([...pairs.keys()].map((pair, at) => [pair, result.bends[at]])) };
      this.plan.layouts.set(key, found);
    }
    return found;
  }

  /** Many items that no edge joins stand in a block instead of one endless column. */
  private grid(children: Item[]): [number, number] {
    const columns = Math.ceil(Math.sqrt(children.length / 2.4));
    let x = 0;
    let y = 0;
    let rowHeight = 0;
    let width = 0;
    children.forEach((item, at) => {
      const box = this.boxes.get(item.id)!;
      if (at % columns === 0 && at) {
        x = 0;
        y += rowHeight + NODE_GAP;
        rowHeight = 0;
      }
      [box.x, box.y, box.layer] = [x, y, at % columns];
      x += box.width + NODE_GAP * 2;
      rowHeight = Math.max(rowHeight, box.height);
      width = Math.max(width, x - NODE_GAP * 2);
    });
    return [width, y + rowHeight];
  }

  private frame([width, height]: [number, number]): [number, number] {
    return [Math.max(NODE_WIDTH, width + 2 * PADDING), height + 2 * PADDING + HEADER];
  }

  /** Move children from their parent's plane to the common one. */
  settle(children: Item[], dx: number, dy: number): void {
    for (const item of children) {
      const box = this.boxes.get(item.id)!;
      box.x += dx;
      box.y += dy;
      this.settle(item.children, box.x + PADDING, box.y + PADDING + HEADER);
    }
  }

  /** Give every line its points, now that all boxes are where they stay. */
  route(): void {
    const right = this.direction === 'right';
    for (const pending of this.within.values()) {
      for (const { from, to, line } of pending) {
        const source = this.boxes.get(line.source)!;
        const target = this.boxes.get(line.target)!;
        const owner = this.owner.get(line);
        const box = owner ? this.boxes.get(owner.id)! : null;
        const dx = box ? box.x + PADDING : 0;
        const dy = box ? box.y + PADDING + HEADER : 0;
        const direct = from.id === line.source && to.id === line.target;
        const bends = direct ? (this.bends.get(line) ?? []) : [];
        const start = right
          ? [source.x + source.width, source.y + source.height / 2]
          : [source.x + source.width / 2, source.y + source.height];
        const end = right ? [target.x, target.y + target.height / 2] : [target.x + target.width / 2, target.y];
        line.points = [...start, ...bends.flatMap(([x, y]) => [x + dx, y + dy]), ...end];
      }
    }
  }

  private readonly bends = new Map<ILine, number[][]>();
  private readonly owner = new Map<ILine, Item | null>();
}
