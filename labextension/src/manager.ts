/** The panel's one door to the server: requests, the stream, and who listens to what. */
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';
import { equal } from './pure/equal';
import type { Trouble } from './pure/troubles';
import type { IConnection } from './tokens';
import { Refused, sentence } from './wire/errors';
import { VERSION } from './version';
import { RestApi } from './wire/restapi';
import { Stream, type Link } from './wire/stream';
import type { IChanges, ICounts, IHealth, StreamMessage } from './wire/words';

/** How often the server is asked how it is while something changes, milliseconds. */
const LOOK_EVERY = 30_000;

/** A page load shows its first frame before the socket opens; only a longer silence is trouble. */
const PATIENCE_MS = 1500;

export class Manager {
  constructor(connection: IConnection) {
    this.api = new RestApi(connection);
    this.stream = new Stream(connection);
    this.stream.message.connect((_, message) => this.take(message));
    this.stream.linkChanged.connect((_, link) => this.onLink(link));
  }

  readonly api: RestApi;

  /** Changes as the server sends them: at most one message each 50 ms. */
  get changed(): ISignal<this, IChanges> {
    return this._changed;
  }

  /** What was loaded may be out of date: load it again. */
  get reset(): ISignal<this, void> {
    return this._reset;
  }

  get countsChanged(): ISignal<this, ICounts> {
    return this._countsChanged;
  }

  get counts(): ICounts | null {
    return this._counts;
  }

  get troubleChanged(): ISignal<this, Trouble | null> {
    return this._troubleChanged;
  }

  get trouble(): Trouble | null {
    return this._trouble;
  }

  get health(): IHealth | null {
    return this._health;
  }

  start(): void {
    this.stream.start();
    window.setTimeout(() => {
      if (this.stream.link === 'connecting') {
        this.onLink('lost');
      }
    }, PATIENCE_MS);
    void this.loadCounts();
    void this.diagnose();
  }

  /** Try to reach the server now. */
  retry(): void {
    this.stream.retry();
    void this.diagnose();
  }

  /** Ask for changes below this root run until the answer is disposed. */
  watch(rootId: string): IDisposable {
    this.watched.set(rootId, (this.watched.get(rootId) ?? 0) + 1);
    this.stream.watch([...this.watched.keys()]);
    return new DisposableDelegate(() => {
      const left = (this.watched.get(rootId) ?? 1) - 1;
      if (left > 0) {
        this.watched.set(rootId, left);
      } else {
        this.watched.delete(rootId);
        this.stream.watch([...this.watched.keys()]);
      }
    });
  }

  dispose(): void {
    this.stream.dispose();
    Signal.clearData(this);
  }

  private take(message: StreamMessage): void {
    if (message.type === 'hello') {
      const other = this.store !== null && this.store !== message.store;
      this.store = message.store;
      if (other) {
        this._reset.emit();
      }
    } else if (message.type === 'reset') {
      this._reset.emit();
    } else if (message.type === 'changes') {
      if (Date.now() - this.lookedAt > LOOK_EVERY) {
        // A kernel that records elsewhere, or a store in trouble, is said soon; an idle page asks nothing.
        this.lookedAt = Date.now();
        void this.diagnose();
      }
      if (message.counts) {
        this.setCounts(message.counts);
      }
      this._changed.emit(message);
    }
  }

  private onLink(link: Link): void {
    if (link === 'open') {
      this.setTrouble(this._health && this.troubleOf(this._health));
      void this.loadCounts();
      void this.diagnose();
    } else if (link === 'lost') {
      void this.diagnose();
    }
  }

  /** Find out why there is no stream; a server that does not know Headrace is another story than one that is gone. */
  private async diagnose(): Promise<void> {
    this.lookedAt = Date.now();
    try {
      this._health = await this.api.health();
      this.setTrouble(this.troubleOf(this._health));
    } catch (error) {
      if (error instanceof Refused && error.status === 404) {
        this.setTrouble({ kind: 'absent' });
      } else if (error instanceof Refused && error.status === 403) {
        this.setTrouble({ kind: 'forbidden' });
      } else if (error instanceof Refused) {
        this.setTrouble({ kind: 'degraded', message: sentence(error) });
      } else {
        this.setTrouble({ kind: 'lost' });
      }
    }
  }

  /** What a server that answers says is wrong. */
  private troubleOf({ status, message, version }: IHealth): Trouble | null {
    if (status === 'degraded') {
      return { kind: 'degraded', message: message ?? '' };
    }
    if (this.stream.link === 'lost') {
      return { kind: 'lost' };
    }
    return version === VERSION ? null : { kind: 'versions', page: VERSION, server: version };
  }

  private async loadCounts(): Promise<void> {
    try {
      this.setCounts(await this.api.counts());
    } catch {
      // The banner says why; the stream brings the counts once it is back.
    }
  }

  private setCounts(counts: ICounts): void {
    if (!equal(counts, this._counts)) {
      this._counts = counts;
      this._countsChanged.emit(counts);
    }
  }

  private setTrouble(trouble: Trouble | null): void {
    if (!equal(trouble, this._trouble)) {
      this._trouble = trouble;
      this._troubleChanged.emit(trouble);
    }
  }

  private readonly stream: Stream;
  private readonly watched = new Map<string, number>();
  private readonly _changed = new Signal<this, IChanges>(this);
  private readonly _reset = new Signal<this, void>(this);
  private readonly _countsChanged = new Signal<this, ICounts>(this);
  private readonly _troubleChanged = new Signal<this, Trouble | null>(this);
  private _counts: ICounts | null = null;
  private _trouble: Trouble | null = null;
  private _health: IHealth | null = null;
  private lookedAt = 0;
  private store: string | null = null;
}
