/** Which runs of a list are chosen, for what is done to many at once. */
import { Model } from './base';
import { isFinal } from '../pure/states';
import type { IRun } from '../wire/words';

export class Selection extends Model {
  /** True while the list shows boxes to tick. */
  choosing = false;

  get ids(): ReadonlySet<string> {
    return this.chosen;
  }

  setChoosing(choosing: boolean): void {
    this.choosing = choosing;
    this.chosen = new Set();
    this.last = null;
    this.touch();
  }

  /** Choose a run or not; `range` takes all from the one chosen before. */
  toggle(id: string, shown: readonly IRun[], range = false): void {
    const next = new Set(this.chosen);
    const from = range && this.last ? shown.findIndex(run => run.id === this.last) : -1;
    const to = shown.findIndex(run => run.id === id);
    if (from >= 0 && to >= 0) {
      shown.slice(Math.min(from, to), Math.max(from, to) + 1).forEach(run => next.add(run.id));
    } else if (!next.delete(id)) {
      next.add(id);
    }
    this.chosen = next;
    this.last = id;
    this.choosing = true;
    this.touch();
  }

  all(shown: readonly IRun[]): void {
    this.chosen = new Set(shown.map(run => run.id));
    this.touch();
  }

  /** The chosen runs that are shown; what left the list is not acted on. */
  runs(shown: readonly IRun[]): IRun[] {
    return shown.filter(run => this.chosen.has(run.id));
  }

  private chosen: ReadonlySet<string> = new Set();
  private last: string | null = null;
}

export type BulkAction = 'cancel' | 'delete' | 'rerun';

/** Whether an action makes sense for a run. */
export function allows(action: BulkAction, run: IRun): boolean {
  switch (action) {
    case 'cancel':
      return !isFinal(run.state_type) && run.state_type !== 'CANCELLING';
    case 'delete':
      return isFinal(run.state_type);
    case 'rerun':
      return isFinal(run.state_type) && !run.parent_id && run.kind !== 'cell';
  }
}
