/** A list of runs, newest first: pages from the server, changes from the stream applied in place. */
import type { Manager } from '../manager';
import { equal } from '../pure/equal';
import { sentence } from '../wire/errors';
import type { IChanges, IRun } from '../wire/words';
import { Model } from './base';
import { EVERYTHING, filterQuery, matches, type IRunFilter } from './filter';

const PAGE = 50;

export class RunListModel extends Model {
  constructor(
    private readonly manager: Manager,
    filter: Partial<IRunFilter> = {},
    private readonly page = PAGE
  ) {
    super();
    this._filter = { ...EVERYTHING, ...filter };
    manager.changed.connect(this.onChanged, this);
    manager.reset.connect(this.reload, this);
    this.reload();
  }

  items: readonly IRun[] = [];
  /** True until the first page has come. */
  loading = true;
  error: string | null = null;

  get filter(): IRunFilter {
    return this._filter;
  }

  /** True while older runs are left on the server. */
  get more(): boolean {
    return this.cursor !== null;
  }

  /** Show other runs; the old ones stay until the new ones are there, so that nothing flickers. */
  setFilter(change: Partial<IRunFilter>): void {
    const next = { ...this._filter, ...change };
    if (!equal(next, this._filter)) {
      this._filter = next;
      this.touch();
      this.reload();
    }
  }

  reload(): void {
    this.cursor = null;
    void this.load(true);
  }

  /** Load the next page of older runs. */
  loadMore(): void {
    if (this.cursor && !this.busy) {
      void this.load(false);
    }
  }

  dispose(): void {
    this.request?.abort();
    this.manager.changed.disconnect(this.onChanged, this);
    this.manager.reset.disconnect(this.reload, this);
    super.dispose();
  }

  private async load(fresh: boolean): Promise<void> {
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    this.busy = true;
    try {
      const query = { ...filterQuery(this._filter), limit: this.page, cursor: fresh ? null : this.cursor };
      let answer = await this.manager.api.runs(query, request.signal);
      // A page looks at so many runs only; one that found none says where to look on.
      while (!answer.runs.length && answer.next_cursor && !request.signal.aborted) {
        answer = await this.manager.api.runs({ ...query, cursor: answer.next_cursor }, request.signal);
      }
      if (request.signal.aborted) {
        return;
      }
      const known = new Set(fresh ? [] : this.items.map(run => run.id));
      const added = answer.runs.filter(run => !known.has(run.id));
      this.items = fresh ? this.keepSame(added) : [...this.items, ...added];
      this.cursor = answer.next_cursor;
      this.error = null;
    } catch (error) {
      if (request.signal.aborted) {
        return;
      }
      this.error = sentence(error);
    }
    this.busy = false;
    this.loading = false;
    this.touch();
  }

  /** Keep the old object where a run did not change, so that its row is not drawn again. */
  private keepSame(runs: IRun[]): IRun[] {
    const old = new Map(this.items.map(run => [run.id, run]));
    return runs.map(run => {
      const before = old.get(run.id);
      return before && equal(before, run) ? before : run;
    });
  }

  private onChanged(_: Manager, changes: IChanges): void {
    const gone = new Set(changes.deleted ?? []);
    const fresh = new Map((changes.runs ?? []).map(run => [run.id, run]));
    if (!gone.size && !fresh.size) {
      return;
    }
    let touched = false;
    const kept: IRun[] = [];
    for (const run of this.items) {
      const next = fresh.get(run.id);
      fresh.delete(run.id);
      if (gone.has(run.id) || (next && !matches(next, this._filter))) {
        touched = true;
      } else if (next && !equal(next, run)) {
        touched = true;
        kept.push(next);
      } else {
        kept.push(run);
      }
    }
    const oldest = this.more ? (kept[kept.length - 1]?.created_at ?? '') : '';
    for (const run of fresh.values()) {
      if (this._filter.sort === '-created_at' && matches(run, this._filter) && (run.created_at ?? '') >= oldest) {
        kept.push(run);
        touched = true;
      }
    }
    if (touched) {
      if (this._filter.sort === '-created_at') {
        kept.sort((a, b) => ((a.created_at ?? '') < (b.created_at ?? '') ? 1 : -1));
      }
      this.items = kept;
      this.touch();
    }
  }

  private _filter: IRunFilter;
  private cursor: string | null = null;
  private request: AbortController | null = null;
  private busy = false;
}
