/** Items along time instead of along edges: each in a row of its own, from its start to its end. */
import { ticksOf } from '../pure/ticks';
import { isFinal } from '../pure/states';
import type { IRun } from '../wire/words';
import type { IBox, ILine, IMark } from './scene';
import { HEADER, NODE_GAP, NODE_HEIGHT, NODE_WIDTH, PADDING } from './sizes';
import { membersOf } from './tones';
import type { Item } from './tree';

/** From the first start to the last end: a page's width. */
const SPAN_WIDTH = 1100;
/** What takes no time still shows its state. */
const LEAST_WIDTH = 40;
const MOST_MARKS = 8;

type Span = readonly [from: number, to: number];

/** When an item ran, milliseconds; null where nothing of it has begun. */
function spanOf(item: Item, nodes: ReadonlyMap<string, IRun>, now: number): Span | null {
  let [from, to] = [Infinity, -Infinity];
  for (const run of membersOf(item, nodes)) {
    if (run.started_at) {
      from = Math.min(from, Date.parse(run.started_at));
      to = Math.max(to, run.ended_at ? Date.parse(run.ended_at) : isFinal(run.state_type) ? from : now);
    }
  }
  return from === Infinity ? null : [from, Math.max(from, to)];
}

export class TimeArrangement {
  constructor(
    private readonly nodes: ReadonlyMap<string, IRun>,
    /** Where what still runs has come to, milliseconds. */
    private readonly now: number,
    private readonly boxes: Map<string, IBox>
  ) {}

  /** Place all items; the answer is the size they need, and the marks of the time. */
  arrange(items: Item[]): { width: number; height: number; marks: IMark[] } {
    const spans = [...this.all(items)];
    spans.forEach(item => this.spans.set(item, spanOf(item, this.nodes, this.now)));
    const known = spans.map(item => this.spans.get(item)).filter((span): span is Span => !!span);
    const begin = known.reduce((least, [from]) => Math.min(least, from), Infinity);
    const end = known.reduce((most, [, to]) => Math.max(most, to), -Infinity);
    const seconds = Math.max(0.001, (end - begin) / 1000);
    this.place = at => ((at - begin) / 1000 / seconds) * SPAN_WIDTH;
    const { left, right, height } = this.rows(items, 0, 0);
    // Frames reach out to the left of what they hold.
    const shift = Math.max(0, -left);
    this.boxes.forEach(box => (box.x += shift));
    const marks = known.length
      ? ticksOf(seconds, MOST_MARKS).map(({ seconds: at, label }) => ({
          x: this.place(begin + 1000 * at) + shift,
          label
        }))
      : [];
    return { width: right + shift, height, marks };
  }

  /** Edges go from where one ends to where the other begins. */
  route(lines: readonly ILine[]): void {
    for (const line of lines) {
      const source = this.boxes.get(line.source)!;
      const target = this.boxes.get(line.target)!;
      line.points = [source.x + source.width, middle(source), target.x, middle(target)];
    }
  }

  private *all(items: Item[]): Iterable<Item> {
    for (const item of items) {
      yield item;
      yield* this.all(item.children);
    }
  }

  /** Put items below each other in the order of their start. */
  private rows(items: Item[], top: number, depth: number): { left: number; right: number; height: number } {
    const start = (item: Item) => this.spans.get(item)?.[0] ?? Infinity;
    const sorted = items.map((item, at) => ({ item, at })).sort((a, b) => start(a.item) - start(b.item) || a.at - b.at);
    let [left, right, y] = [Infinity, 0, top];
    for (const { item } of sorted) {
      const span = this.spans.get(item);
      // What has not begun will begin after all that has.
      let x = span ? this.place(span[0]) : SPAN_WIDTH + NODE_GAP;
      let width = span ? Math.max(LEAST_WIDTH, this.place(span[1]) - x) : NODE_WIDTH;
      let height = NODE_HEIGHT;
      const box: IBox = { item, x, y, width, height, depth, layer: 0 };
      this.boxes.set(item.id, box);
      if (item.open) {
        const inside = this.rows(item.children, y + HEADER + PADDING, depth + 1);
        x = Math.min(x, inside.left) - PADDING;
        width = Math.max(box.x + width, inside.right) + PADDING - x;
        height = inside.height + HEADER + 2 * PADDING;
      }
      Object.assign(box, { x, width, height });
      left = Math.min(left, x);
      // A name is longer than a short time.
      right = Math.max(right, x + Math.max(width, NODE_WIDTH));
      y += height + NODE_GAP;
    }
    return { left, right, height: y - NODE_GAP - top };
  }

  private readonly spans = new Map<Item, Span | null>();
  private place: (at: number) => number = () => 0;
}

function middle(box: IBox): number {
  return box.y + Math.min(box.height, NODE_HEIGHT) / 2;
}
