/** Records and stand-ins for tests: real models on a fake server. */
import type { IConnection, IHost, IServices } from '../src/tokens';
import { Manager } from '../src/manager';
import { Notices } from '../src/model/notices';
import { untranslated } from '../src/pure/translate';
import { VERSION } from '../src/version';
import type { IChanges, IEdge, IFullRun, IRun } from '../src/wire/words';
import { expect, vi } from 'vitest';

let count = 0;

export function makeRun(fields: Partial<IFullRun> = {}): IFullRun {
  count += 1;
  const id = fields.id ?? `run-${count}`;
  return {
    id,
    root_id: id,
    parent_id: null,
    kind: 'flow',
    name: `flow ${count}`,
    definition: null,
    definition_key: null,
    owner: 'me',
    host: null,
    attempt: 1,
    max_attempts: 1,
    state_type: 'COMPLETED',
    state_name: 'Completed',
    state_message: null,
    state_at: null,
    created_at: new Date(Date.UTC(2026, 0, 1, 0, 0, count)).toISOString(),
    scheduled_at: null,
    started_at: null,
    ended_at: null,
    duration_seconds: null,
    tags: [],
    progress: null,
    cached: false,
    error_summary: null,
    deployment_id: null,
    schedule_id: null,
    slot_at: null,
    trigger: 'user',
    resumed_from_id: null,
    notebook_path: null,
    document_id: null,
    cell_id: null,
    cell_index: null,
    kernel_id: null,
    pool: null,
    parameters: {},
    error: null,
    result: null,
    cache: null,
    details: {},
    ...fields
  };
}

export function child(parent: IRun, name: string, fields: Partial<IFullRun> = {}): IFullRun {
  return makeRun({
    kind: 'task',
    name,
    id: name,
    definition_key: name,
    parent_id: parent.id,
    root_id: parent.root_id,
    ...fields
  });
}

export function edge(source: string, target: string): IEdge {
  return { source, target, kind: 'data', name: null };
}

export type Answer = (request: { path: string; query: URLSearchParams; method: string; body: unknown }) => unknown;

/** A server that answers by path; an Error with a status is refused with it. */
export class FakeServer implements IConnection {
  constructor(private readonly answers: Record<string, Answer>) {}

  readonly baseUrl = 'http://test/';
  readonly requests: string[] = [];
  readonly bodies: unknown[] = [];

  async fetch(address: string, init: RequestInit): Promise<Response> {
    const url = new URL(address);
    const path = url.pathname.replace('/headrace/api', '');
    const method = init.method ?? 'GET';
    const body = init.body ? JSON.parse(init.body as string) : undefined;
    this.requests.push(`${method} ${path}${url.search}`);
    this.bodies.push(body);
    const answer = this.answers[`${method} ${path}`] ?? this.answers[path];
    if (!answer) {
      return Response.json({ message: `No ${path} here.`, reason: 'not_found', errors: [] }, { status: 404 });
    }
    const value = answer({ path, query: url.searchParams, method, body });
    return value instanceof Response ? value : Response.json(value);
  }

  socketUrl(path: string, query: Record<string, string>): string {
    return `ws://test/${path}?${new URLSearchParams(query)}`;
  }
}

/** A websocket that the test drives. */
export class FakeSocket {
  static all: FakeSocket[] = [];
  static readonly OPEN = 1;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }

  static get last(): FakeSocket {
    return FakeSocket.all[FakeSocket.all.length - 1];
  }

  readonly sent: unknown[] = [];
  readyState = 1;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.readyState = 3;
    this.onclose?.();
  }

  receive(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

export interface IPage extends IServices {
  server: FakeServer;
  host: IHost & { notify: ReturnType<typeof vi.fn>; open: ReturnType<typeof vi.fn>; confirm: ReturnType<typeof vi.fn> };
  /** Let the stream bring changes. */
  change: (changes: Partial<IChanges>) => void;
}

const pages: Manager[] = [];

/** End every page's connection: a test must not be heard in the next. */
export function closePages(): void {
  pages.splice(0).forEach(manager => manager.dispose());
}

/** A page on a fake server, its stream under the test's control. */
export async function makePage(answers: Record<string, Answer>): Promise<IPage> {
  globalThis.WebSocket = FakeSocket as unknown as typeof WebSocket;
  FakeSocket.all = [];
  const server = new FakeServer({
    '/health': () => ({ status: 'ok', message: null, version: VERSION, workers: 1 }),
    '/counts': () => ({ running: 0, scheduled: 0, failed_24h: 0, crashed_24h: 0, late: 0 }),
    ...answers
  });
  const manager = new Manager(server);
  const host = {
    trans: untranslated,
    inLab: false,
    open: vi.fn(),
    address: () => 'http://test/headrace/',
    openFile: vi.fn(),
    confirm: vi.fn(async () => true),
    notify: vi.fn(),
    dialog: vi.fn(),
    renderOutput: async () => () => undefined
  };
  let seq = 1;
  const change = (changes: Partial<IChanges>) => {
    seq += 1;
    FakeSocket.last.receive({ type: 'changes', seq, ...changes });
  };
  manager.start();
  pages.push(manager);
  await vi.waitFor(() => expect(FakeSocket.all).toHaveLength(1), { interval: 1 });
  return { server, manager, host, notices: new Notices(manager, host), change };
}
