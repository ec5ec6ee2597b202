/** The one websocket of a page: opens, resumes at the last sequence number, comes back by itself. */
import { Poll } from '@lumino/polling';
import { Signal, type ISignal } from '@lumino/signaling';
import type { IConnection } from '../tokens';
import { API_PATH } from './restapi';
import * as check from './validate';
import type { StreamMessage } from './words';

export type Link = 'connecting' | 'open' | 'lost';

/** First wait before a new try; each failure triples it. */
const FIRST_WAIT_MS = 500;
/** A laptop that wakes up should not be told to wait longer than this. */
const LONGEST_WAIT_MS = 8000;

export class Stream {
  constructor(private readonly connection: IConnection) {
    this.poll = new Poll({
      auto: false,
      factory: () => this.session(),
      frequency: { interval: FIRST_WAIT_MS, backoff: true, max: LONGEST_WAIT_MS },
      name: 'headrace:stream',
      // A hidden tab still tells when a run fails.
      standby: 'never'
    });
  }

  get message(): ISignal<this, StreamMessage> {
    return this._message;
  }

  get linkChanged(): ISignal<this, Link> {
    return this._linkChanged;
  }

  get link(): Link {
    return this._link;
  }

  start(): void {
    void this.poll.start();
  }

  /** Try at once instead of waiting for the next try. */
  retry(): void {
    if (this._link === 'lost') {
      void this.poll.refresh();
    }
  }

  /** Say which runs' inner changes are wanted; kept across reconnects. */
  watch(roots: string[]): void {
    this.roots = roots;
    this.send({ type: 'watch', roots });
  }

  dispose(): void {
    this.disposed = true;
    this.poll.dispose();
    this.socket?.close();
    Signal.clearData(this);
  }

  /** One connection's life. Resolves when it closes after it was open, so that the next wait is short again. */
  private session(): Promise<void> {
    return new Promise((resolve, reject) => {
      const query: Record<string, string> = this.seq === null ? {} : { since: String(this.seq) };
      const socket = new WebSocket(this.connection.socketUrl(`${API_PATH}/stream`, query));
      let greeted = false;
      this.socket = socket;
      socket.onmessage = event => {
        const message = check.streamMessage(event.data as string);
        if (!message || this.disposed) {
          return;
        }
        if (message.type === 'hello') {
          greeted = true;
          this.send({ type: 'watch', roots: this.roots });
          this.setLink('open');
        }
        if (message.type !== 'pong') {
          this.seq = message.seq;
          this._message.emit(message);
        }
      };
      socket.onclose = () => {
        this.socket = null;
        if (!this.disposed) {
          this.setLink('lost');
        }
        if (greeted) {
          resolve();
        } else {
          reject(new Error('no connection'));
        }
      };
    });
  }

  private send(message: unknown): void {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify(message));
    }
  }

  private setLink(link: Link): void {
    if (link !== this._link) {
      this._link = link;
      this._linkChanged.emit(link);
    }
  }

  private readonly poll: Poll;
  private readonly _message = new Signal<this, StreamMessage>(this);
  private readonly _linkChanged = new Signal<this, Link>(this);
  private _link: Link = 'connecting';
  private socket: WebSocket | null = null;
  private roots: string[] = [];
  private seq: number | null = null;
  private disposed = false;
}
