/** Which groups must be opened so that a run is drawn itself. */
import type { IRun } from '../wire/words';
import { buildTree, type Item, type Plan } from './tree';

function holder(items: readonly Item[], lineage: ReadonlySet<string>): Item | null {
  for (const item of items) {
    if (item.members.some(id => lineage.has(id))) {
      return (item.open && holder(item.children, lineage)) || item;
    }
  }
  return null;
}

/** The choice of open items with those added that hide the run; the same object if nothing hides it. */
export function reveal(plan: Plan, opened: ReadonlyMap<string, boolean>, runId: string): ReadonlyMap<string, boolean> {
  const { nodes } = plan;
  const lineage = new Set<string>();
  for (let at = nodes.get(runId); at && !lineage.has(at.id); at = at.parent_id ? nodes.get(at.parent_id) : undefined) {
    lineage.add(at.id);
  }
  let choice = opened;
  // Each round opens one level; nesting is never as deep as this.
  for (let depth = 0; depth < 64; depth += 1) {
    const item = holder(buildTree(plan, choice), lineage);
    if (!item || item.id === runId || item.open || !item.expandable) {
      return choice;
    }
    choice = new Map(choice).set(item.id, true);
  }
  return choice;
}

/** Runs whose name contains every word, best first: at most `most`. */
export function find(nodes: ReadonlyMap<string, IRun>, text: string, most: number): IRun[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const exact: IRun[] = [];
  const starting: IRun[] = [];
  const inside: IRun[] = [];
  for (const run of nodes.values()) {
    const name = run.name.toLowerCase();
    if (words.every(word => name.includes(word))) {
      (name === words.join(' ') ? exact : name.startsWith(words[0]) ? starting : inside).push(run);
    }
  }
  return [...exact, ...starting, ...inside].slice(0, most);
}
