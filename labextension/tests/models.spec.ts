import { afterEach, describe, expect, it, vi } from 'vitest';
import { LogModel } from '../src/model/logs';
import { RunModel } from '../src/model/run';
import { RunListModel } from '../src/model/runlist';
import { SchedulesModel } from '../src/model/schedules';
import { isOlder, troubleWords } from '../src/pure/troubles';
import { untranslated } from '../src/pure/translate';
import { VERSION } from '../src/version';
import { child, closePages, edge, FakeSocket, makePage, makeRun } from './make';

afterEach(closePages);

const settled = (what: () => boolean) => vi.waitFor(() => expect(what()).toBe(true), { interval: 2, timeout: 4000 });
const hello = (store = 's', seq = 1) => FakeSocket.last.receive({ type: 'hello', seq, store, version: '0' });

describe('the manager', () => {
  it('comes back after a lost connection and asks for what it missed', async () => {
    const page = await makePage({});
    hello();
    page.change({ runs: [] });
    const first = FakeSocket.last;
    first.close();
    await settled(() => page.manager.trouble?.kind === 'lost');
    await settled(() => FakeSocket.last !== first);
    expect(FakeSocket.last.url).toContain('since=2');
    hello();
    await settled(() => page.manager.trouble === null);
  });

  it('tells everyone to load again when the store is another one', async () => {
    const page = await makePage({});
    const reset = vi.fn();
    page.manager.reset.connect(reset);
    hello('one');
    hello('one');
    expect(reset).not.toHaveBeenCalled();
    hello('two');
    expect(reset).toHaveBeenCalledOnce();
  });

  it('says that the server has no Headrace', async () => {
    const page = await makePage({
      '/health': () => Response.json({ message: 'Not here.' }, { status: 404 })
    });
    FakeSocket.last.close();
    await settled(() => page.manager.trouble?.kind === 'absent');
  });

  it('says why the store cannot be used', async () => {
    const page = await makePage({ '/health': () => ({ status: 'degraded', message: 'The disk is full.' }) });
    hello();
    await settled(() => page.manager.trouble?.kind === 'degraded');
    expect(page.manager.trouble).toEqual({ kind: 'degraded', message: 'The disk is full.' });
  });

  it('says that page and server are of different installs, and what to load anew', async () => {
    const page = await makePage({ '/health': () => ({ status: 'ok', message: null, version: '0.0.9', workers: 1 }) });
    hello();
    await settled(() => page.manager.trouble?.kind === 'versions');
    expect(troubleWords(page.manager.trouble!, untranslated)).toContain('still runs 0.0.9. Restart the Jupyter server');
    const newer = { kind: 'versions', page: VERSION, server: '10.0' } as const;
    expect(troubleWords(newer, untranslated)).toContain('Reload the page');
  });

  it.each([
    ['0.1.0', '0.1.1', true],
    ['0.9', '0.10', true],
    ['0.1', '0.1.0', true],
    ['1.0', '0.9', false],
    ['0.1.0', '0.1.0', false]
  ])('takes %s for older than %s: %s', (one, other, older) => expect(isOlder(one, other)).toBe(older));

  it('watches a run while someone looks at it, again after a reconnect', async () => {
    const page = await makePage({});
    hello();
    const one = page.manager.watch('r');
    const two = page.manager.watch('r');
    one.dispose();
    expect(FakeSocket.last.sent[FakeSocket.last.sent.length - 1]).toEqual({ type: 'watch', roots: ['r'] });
    hello();
    expect(FakeSocket.last.sent[FakeSocket.last.sent.length - 1]).toEqual({ type: 'watch', roots: ['r'] });
    two.dispose();
    expect(FakeSocket.last.sent[FakeSocket.last.sent.length - 1]).toEqual({ type: 'watch', roots: [] });
  });

  it('passes over messages that it does not know', async () => {
    const page = await makePage({});
    hello();
    const changed = vi.fn();
    page.manager.changed.connect(changed);
    FakeSocket.last.receive({ type: 'novelty', seq: 9 });
    FakeSocket.last.onmessage?.({ data: 'not json' });
    expect(changed).not.toHaveBeenCalled();
  });
});

describe('a list of runs', () => {
  const load = async (runs = [makeRun({ id: 'a' }), makeRun({ id: 'b' })].reverse()) => {
    const page = await makePage({ '/runs': () => ({ runs, next_cursor: null }) });
    const list = new RunListModel(page.manager);
    await settled(() => !list.loading);
    return { page, list };
  };

  it('puts a new run first', async () => {
    const { page, list } = await load();
    page.change({ runs: [makeRun({ id: 'c' })] });
    expect(list.items.map(run => run.id)).toEqual(['c', 'b', 'a']);
  });

  it('replaces a changed run and keeps the others as they are', async () => {
    const { page, list } = await load();
    const [b, a] = list.items;
    page.change({ runs: [{ ...a, state_type: 'FAILED' }] });
    expect(list.items[0]).toBe(b);
    expect(list.items[1].state_type).toBe('FAILED');
  });

  it('draws nothing again when a message says the same', async () => {
    const { page, list } = await load();
    const { version } = list;
    page.change({ runs: [{ ...list.items[0] }] });
    expect(list.version).toBe(version);
  });

  it('lets a run go that was deleted or does not fit the filter any more', async () => {
    const { page, list } = await load();
    list.setFilter({ states: ['COMPLETED'] });
    page.change({ deleted: ['a'], runs: [{ ...list.items[0], state_type: 'FAILED' }] });
    expect(list.items).toEqual([]);
  });

  it('leaves out runs that another run started', async () => {
    const { page, list } = await load();
    page.change({ runs: [child(list.items[0], 'task')] });
    expect(list.items.map(run => run.id)).toEqual(['b', 'a']);
  });

  it('asks for the next page with the cursor', async () => {
    const runs = [makeRun({ id: 'p' })];
    const page = await makePage({
      '/runs': ({ query }) =>
        query.get('cursor') ? { runs: [makeRun({ id: 'q' })], next_cursor: null } : { runs, next_cursor: 'next' }
    });
    const list = new RunListModel(page.manager);
    await settled(() => list.more);
    list.loadMore();
    await settled(() => !list.more);
    expect(list.items.map(run => run.id)).toEqual(['p', 'q']);
  });

  it('looks on where a page found nothing', async () => {
    const page = await makePage({
      '/runs': ({ query }) =>
        query.get('cursor') === 'far'
          ? { runs: [makeRun({ id: 'old' })], next_cursor: null }
          : { runs: [], next_cursor: query.get('cursor') ? 'far' : 'near' }
    });
    const list = new RunListModel(page.manager, { text: 'old' });
    await settled(() => !list.loading);
    expect(list.items.map(run => run.id)).toEqual(['old']);
  });

  it('says what went wrong and keeps what it has', async () => {
    let fail = false;
    const page = await makePage({
      '/runs': () =>
        fail
          ? Response.json({ message: 'The store is locked.' }, { status: 503 })
          : { runs: [makeRun()], next_cursor: null }
    });
    const list = new RunListModel(page.manager);
    await settled(() => !list.loading);
    fail = true;
    list.reload();
    await settled(() => list.error !== null);
    expect(list.error).toBe('The store is locked.');
    expect(list.items).toHaveLength(1);
  });

  it('loads again after a reset', async () => {
    const { page, list } = await load();
    const asked = page.server.requests.filter(request => request.startsWith('GET /runs')).length;
    FakeSocket.last.receive({ type: 'reset', seq: 50 });
    await settled(() => page.server.requests.filter(request => request.startsWith('GET /runs')).length > asked);
    expect(list.items).toHaveLength(2);
  });
});

describe('a run with its tree', () => {
  const load = async () => {
    const root = makeRun({ id: 'root', state_type: 'RUNNING' });
    const waiting = child(root, 'cell:c2', { kind: 'cell', cell_id: 'c2', state_type: null });
    const nodes = [child(root, 'one'), waiting];
    const page = await makePage({
      '/runs/root': () => ({ run: root }),
      '/runs/root/graph': ({ query }) =>
        query.get('since_seq')
          ? { run: root, nodes: [], edges: [edge('one', 'two')], seq: 9 }
          : { run: root, nodes, edges: [edge('one', 'cell:c2')], seq: 5 }
    });
    const model = new RunModel(page.manager, 'root');
    await settled(() => model.graphLoaded);
    return { page, model, root };
  };

  it('applies a state in place, without building the graph again', async () => {
    const { page, model, root } = await load();
    const changed = vi.fn();
    model.nodesChanged.connect((_, ids) => changed([...ids]));
    const { structure } = model;
    page.change({ runs: [child(root, 'one', { state_type: 'FAILED' })] });
    expect(changed).toHaveBeenCalledExactlyOnceWith(['one']);
    expect(model.structure).toBe(structure);
    expect(model.nodes.get('one')?.state_type).toBe('FAILED');
  });

  it('puts a cell that begins in the place of the one that waited', async () => {
    const { page, model, root } = await load();
    page.change({ runs: [child(root, 'two', { kind: 'cell', cell_id: 'c2' })] });
    expect([...model.nodes.keys()]).toEqual(['one', 'two']);
    await settled(() => model.edges.some(each => each.target === 'two'));
  });

  it('takes no run of another tree', async () => {
    const { page, model } = await load();
    page.change({ runs: [makeRun({ id: 'else', root_id: 'other' })] });
    expect(model.nodes.has('else')).toBe(false);
  });

  it('reads the whole record again when the run ends', async () => {
    const { page, model, root } = await load();
    const before = page.server.requests.filter(request => request === 'GET /runs/root').length;
    page.change({ runs: [{ ...root, state_type: 'COMPLETED' }] });
    await settled(() => page.server.requests.filter(request => request === 'GET /runs/root').length > before);
    expect(model.run?.id).toBe('root');
  });

  it('says that it is gone', async () => {
    const { page, model } = await load();
    page.change({ deleted: ['root'] });
    expect(model.gone).toBe(true);
  });

  it('says that it does not exist', async () => {
    const page = await makePage({});
    const model = new RunModel(page.manager, 'nothing');
    await settled(() => model.gone);
  });
});

describe('a log', () => {
  const load = async (total: number, matches?: number) => {
    let length = total;
    const page = await makePage({
      '/runs/r/logs': ({ query }) => {
        const offset = Number(query.get('offset'));
        const shown = query.get('search') ? (matches ?? 0) : length;
        const lines = Array.from({ length: Math.min(200, Math.max(0, shown - offset)) }, (_, at) => ({
          number: offset + at,
          seq: offset + at,
          run_id: 'r',
          at: '2026-01-01T00:00:00Z',
          level: 20,
          logger: null,
          message: `line ${offset + at}`
        }));
        return { lines, offset, total: length, ...(query.get('search') ? { matches } : {}) };
      }
    });
    const log = new LogModel(page.manager, 'r');
    await settled(() => !log.loading);
    return { page, log, grow: (more: number) => (length += more) };
  };

  it('asks only for the lines that are looked at', async () => {
    const { page, log } = await load(1_000_000);
    log.ensure(999_980, 1_000_000);
    await settled(() => log.line(999_999) !== undefined);
    expect(log.line(999_999)?.message).toBe('line 999999');
    expect(page.server.requests.filter(request => request.includes('/logs'))).toHaveLength(2);
  });

  it('keeps a bounded number of lines', async () => {
    const { log } = await load(1_000_000);
    for (let at = 0; at < 100; at += 1) {
      log.ensure(at * 200, at * 200 + 10);
      await settled(() => log.line(at * 200) !== undefined);
    }
    expect(log.line(0)).toBeUndefined();
    expect(log.line(99 * 200)).toBeDefined();
  });

  it('brings the lines that were added', async () => {
    const { log, grow } = await load(150);
    grow(60);
    log.grow();
    await settled(() => log.total === 210);
    log.ensure(140, 210);
    await settled(() => log.line(205) !== undefined && log.line(160) !== undefined);
  });

  it('searches on the server and counts the matches', async () => {
    const { page, log } = await load(5000, 3);
    log.setFilter({ search: 'line 4' });
    await settled(() => log.matches === 3);
    expect(log.total).toBe(3);
    expect(log.unfiltered).toBe(5000);
    expect(page.server.requests[page.server.requests.length - 1]).toContain('search=line+4');
  });
});

describe('the schedules', () => {
  it('are asked for again when the stream names one, and stay what they are if nothing changed', async () => {
    const schedule = { id: 's', deployment_id: 'd', next_fire_at: null, sentence: 'Daily' };
    const page = await makePage({
      '/schedules': () => ({ schedules: [schedule] }),
      '/deployments': () => ({ deployments: [] })
    });
    const model = new SchedulesModel(page.manager);
    await settled(() => !model.loading);
    const { version } = model;
    page.change({ schedules: ['s'] });
    await settled(() => page.server.requests.filter(request => request.startsWith('GET /schedules')).length === 2);
    await Promise.resolve();
    expect(model.version).toBe(version);
  });
});

describe('notices', () => {
  it('tell of a run that failed under the person’s eyes', async () => {
    const page = await makePage({});
    const run = makeRun({ state_type: 'RUNNING', trigger: 'schedule' });
    page.change({ runs: [run] });
    page.change({ runs: [{ ...run, state_type: 'FAILED', error_summary: 'ValueError: x' }] });
    expect(page.host.notify).toHaveBeenCalledWith('error', expect.stringContaining('ValueError: x'), expect.anything());
  });

  it('tell of a completed run only to who started it, once', async () => {
    const page = await makePage({});
    const mine = makeRun({ state_type: 'RUNNING' });
    page.notices.started(mine);
    page.change({ runs: [makeRun({ state_type: 'COMPLETED' }), { ...mine, state_type: 'COMPLETED' }] });
    page.change({ runs: [{ ...mine, state_type: 'COMPLETED' }] });
    expect(page.host.notify).toHaveBeenCalledOnce();
  });

  it.each([
    ['a run that had ended before', makeRun({ state_type: 'FAILED' }), false],
    ['an interactive cell', makeRun({ state_type: 'RUNNING', kind: 'cell', trigger: 'cell' }), true]
  ])('say nothing of %s', async (_, run, end) => {
    const page = await makePage({});
    page.change({ runs: [run] });
    if (end) {
      page.change({ runs: [{ ...run, state_type: 'FAILED' }] });
    }
    expect(page.host.notify).not.toHaveBeenCalled();
  });

  it('can be quiet about what others started', async () => {
    const page = await makePage({});
    page.notices.quiet(true);
    const run = makeRun({ state_type: 'RUNNING', trigger: 'schedule' });
    page.change({ runs: [run] });
    page.change({ runs: [{ ...run, state_type: 'FAILED' }] });
    expect(page.host.notify).not.toHaveBeenCalled();
  });
});
