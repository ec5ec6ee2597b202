/** Lines that a longer way says already are not drawn: the picture of what comes after what stays readable. */
import { append } from '../pure/append';

/** Above this many lines every one is drawn: looking for longer ways would take longer than drawing. */
export const MOST_REDUCED = 1500;

/** Return the links without those between two items that are also joined by a longer way. */
export function withoutShortcuts<T extends { source: string; target: string }>(links: readonly T[]): T[] {
  if (links.length > MOST_REDUCED) {
    return [...links];
  }
  const next = new Map<string, string[]>();
  links.forEach(({ source, target }) => append(next, source, target));
  const beyond = new Map<string, Set<string>>();
  /** What comes after an item's direct successors; circles end where they began. */
  const reached = (start: string): Set<string> => {
    const known = beyond.get(start);
    if (known) {
      return known;
    }
    const found = new Set<string>();
    const todo = (next.get(start) ?? []).flatMap(direct => next.get(direct) ?? []);
    while (todo.length) {
      const item = todo.pop()!;
      if (!found.has(item) && item !== start) {
        found.add(item);
        todo.push(...(next.get(item) ?? []));
      }
    }
    beyond.set(start, found);
    return found;
  };
  return links.filter(({ source, target }) => !reached(source).has(target));
}
