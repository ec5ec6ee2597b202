/** A log of any length: ranges of lines from the server, a bounded number of them kept. */
import type { Manager } from '../manager';
import { sentence } from '../wire/errors';
import type { ILogLine } from '../wire/words';
import { Model } from './base';

/** Lines in one request: the contract's most. */
const CHUNK = 200;
/** Chunks kept: 16,000 lines, whatever the log's length. */
const KEPT = 80;
/** A live log is asked for at most this often. */
const TAIL_EVERY_MS = 200;

export interface ILogFilter {
  /** Lowest level shown; 0 for all. */
  level: number;
  search: string;
  /** One node's lines only. */
  runId: string | null;
}

export class LogModel extends Model {
  constructor(
    private readonly manager: Manager,
    readonly runId: string,
    filter: Partial<ILogFilter> = {}
  ) {
    super();
    this._filter = { level: 0, search: '', runId: null, ...filter };
    this.restart();
  }

  /** Lines to show: all, or those that the filter leaves. */
  total = 0;
  /** Lines of the log, whatever the filter. */
  unfiltered = 0;
  /** Lines that match the search, while there is one. */
  matches: number | null = null;
  loading = true;
  error: string | null = null;

  get filter(): ILogFilter {
    return this._filter;
  }

  setFilter(change: Partial<ILogFilter>): void {
    this._filter = { ...this._filter, ...change };
    this.restart();
  }

  /** The line, or undefined while it is on its way. */
  line(index: number): ILogLine | undefined {
    return this.chunks.get(Math.floor(index / CHUNK))?.[index % CHUNK];
  }

  /** Make sure that these lines are there, or on their way. */
  ensure(first: number, last: number): void {
    const from = Math.floor(Math.max(0, first) / CHUNK);
    const to = Math.floor(Math.max(0, Math.min(last, this.total - 1)) / CHUNK);
    for (let chunk = from; chunk <= to; chunk += 1) {
      const lines = this.chunks.get(chunk);
      const wanted = Math.min(CHUNK, this.total - chunk * CHUNK);
      if (lines) {
        // Most recently used last: the first key is the one to drop.
        this.chunks.delete(chunk);
        this.chunks.set(chunk, lines);
      }
      if ((!lines || lines.length < wanted) && !this.asked.has(chunk)) {
        void this.fetch(chunk);
      }
    }
  }

  /** There may be more lines: ask for the end of the log. */
  grow(): void {
    if (!this.timer) {
      this.timer = window.setTimeout(() => {
        this.timer = 0;
        void this.fetch(Math.floor(this.total / CHUNK));
      }, TAIL_EVERY_MS);
    }
  }

  /** The whole log as the server writes it to a file. */
  downloadUrl(format: 'text' | 'jsonl'): string {
    return this.manager.api.url(`/runs/${this._filter.runId ?? this.runId}/logs/download`, { format });
  }

  dispose(): void {
    window.clearTimeout(this.timer);
    this.requests.abort();
    super.dispose();
  }

  private restart(): void {
    this.requests.abort();
    this.requests = new AbortController();
    this.chunks.clear();
    this.asked.clear();
    this.total = 0;
    this.matches = null;
    this.loading = true;
    this.touch();
    void this.fetch(0);
  }

  private async fetch(chunk: number): Promise<void> {
    if (this.asked.has(chunk)) {
      return;
    }
    this.asked.add(chunk);
    const { signal } = this.requests;
    const { level, search, runId } = this._filter;
    try {
      const page = await this.manager.api.logs(
        this.runId,
        { offset: chunk * CHUNK, limit: CHUNK, level: level || null, search: search || null, run_id: runId },
        signal
      );
      if (signal.aborted) {
        return;
      }
      this.chunks.delete(chunk);
      this.chunks.set(chunk, page.lines);
      this.trim();
      this.unfiltered = page.total;
      this.total = page.matches ?? page.total;
      this.matches = search ? this.total : null;
      this.error = null;
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      this.error = sentence(error);
    }
    this.asked.delete(chunk);
    this.loading = false;
    this.touch();
  }

  private trim(): void {
    while (this.chunks.size > KEPT) {
      this.chunks.delete(this.chunks.keys().next().value as number);
    }
  }

  private _filter: ILogFilter;
  private readonly chunks = new Map<number, ILogLine[]>();
  private readonly asked = new Set<number>();
  private requests = new AbortController();
  private timer = 0;
}
