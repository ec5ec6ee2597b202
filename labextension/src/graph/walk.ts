/** Going through the graph with the arrow keys: along edges, and to the neighbour beside. */
import type { Direction, IBox, IScene } from './scene';

export type Step = 'forward' | 'back' | 'before' | 'after';

const ACROSS: Record<string, Step> = {
  ArrowRight: 'forward',
  ArrowLeft: 'back',
  ArrowUp: 'before',
  ArrowDown: 'after'
};
const KEYS: Record<Direction, Record<string, Step>> = {
  right: ACROSS,
  time: ACROSS,
  down: { ArrowDown: 'forward', ArrowUp: 'back', ArrowLeft: 'before', ArrowRight: 'after' }
};

export function stepOf(key: string, scene: IScene): Step | undefined {
  return KEYS[scene.direction][key];
}

function centre(box: IBox): [number, number] {
  return [box.x + box.width / 2, box.y + box.height / 2];
}

/** The first node in reading order: where the keyboard starts. */
export function firstItem(scene: IScene): string | null {
  let best: IBox | null = null;
  for (const box of scene.boxes.values()) {
    if (!best || box.x + box.y < best.x + best.y) {
      best = box;
    }
  }
  return best?.item.id ?? null;
}

/** The item one step away, or null at an end. */
export function walk(scene: IScene, from: string, step: Step): string | null {
  const box = scene.boxes.get(from);
  if (!box) {
    return firstItem(scene);
  }
  const [x, y] = centre(box);
  if (step === 'forward' || step === 'back') {
    const ends = (step === 'forward' ? scene.next : scene.previous).get(from) ?? [];
    const nearest = ends
      .map(id => scene.boxes.get(id))
      .filter((end): end is IBox => !!end)
      .sort((a, b) => distance(centre(a), [x, y]) - distance(centre(b), [x, y]))[0];
    return nearest?.item.id ?? null;
  }
  // Beside: the nearest in the same layer of the same parent; where there is none, the nearest on that side.
  const vertical = scene.direction !== 'down';
  const sign = step === 'after' ? 1 : -1;
  let best: IBox | null = null;
  let least = Infinity;
  for (const other of scene.boxes.values()) {
    const [ox, oy] = centre(other);
    const beside = sign * (vertical ? oy - y : ox - x);
    if (other === box || beside <= 0) {
      continue;
    }
    // Along time each has a row of its own, however far to the side it stands.
    const along = scene.direction === 'time' ? 0 : Math.abs(vertical ? ox - x : oy - y);
    const stranger = other.layer === box.layer && other.item.parent === box.item.parent ? 0 : 1e6;
    const cost = stranger + along * 3 + beside;
    if (cost < least) {
      least = cost;
      best = other;
    }
  }
  return best?.item.id ?? null;
}

function distance([ax, ay]: [number, number], [bx, by]: [number, number]): number {
  return Math.hypot(ax - bx, (ay - by) * 2);
}
