/** Lists of runs, two runs side by side, a deployment's fields, links from tracebacks. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fromHash, toHash } from '../src/app/router';
import { compareValues, pairCells, pairParts } from '../src/model/compare';
import { changesOf, formOf } from '../src/model/deploymentform';
import { conditions, earliest, EVERYTHING, filterQuery, matches, readFilter } from '../src/model/filter';
import { RunListModel } from '../src/model/runlist';
import { SavedFilters } from '../src/model/savedfilters';
import { formOfSchedule, scheduleBody } from '../src/model/scheduleform';
import { allows, Selection } from '../src/model/selection';
import { diffLines, folded } from '../src/pure/diff';
import { cellFile, prompts, safePicture } from '../src/pure/links';
import { actOnMany } from '../src/view/bulk';
import { cellOfPrompt } from '../src/view/run';
import { dateField, dayStart } from '../src/view/runfilter';
import { frames } from '../src/view/traceback';
import type { ICellOutputs, IDeployment, ISchedule } from '../src/wire/words';
import { child, closePages, makePage, makeRun } from './make';

afterEach(closePages);

const NOW = Date.UTC(2026, 10, 24, 12);

describe('filters of runs', () => {
  const run = makeRun({
    kind: 'notebook',
    tags: ['a', 'b'],
    deployment_id: 'd',
    created_at: '2026-11-20T00:00:00.000000Z'
  });

  it.each([
    ['nothing', {}, true],
    ['its kind', { kinds: ['notebook' as const] }, true],
    ['another kind', { kinds: ['flow' as const] }, false],
    ['all of its tags', { tags: ['a', 'b'] }, true],
    ['one more tag', { tags: ['a', 'c'] }, false],
    ['its deployment', { deploymentId: 'd' }, true],
    ['another deployment', { deploymentId: 'e' }, false],
    ['days that reach it', { days: 7 }, true],
    ['days that do not', { days: 3 }, false],
    ['dates around it', { since: '2026-11-19T00:00:00.000Z', until: '2026-11-21T00:00:00.000Z' }, true],
    ['dates before it', { until: '2026-11-20T00:00:00.000Z' }, false]
  ])('take a run by %s', (_, filter, taken) => {
    expect(matches(run, { ...EVERYTHING, ...filter }, NOW)).toBe(taken);
  });

  it('ask the server with the later of both bounds, for parts of runs too', () => {
    const filter = { ...EVERYTHING, days: 1, since: '2026-11-01T00:00:00.000Z', roots: false };
    expect(earliest(filter, NOW)).toBe('2026-11-23T12:00:00.000Z');
    expect(filterQuery(filter, NOW)).toMatchObject({ since: '2026-11-23T12:00:00.000Z', roots: 'false' });
  });

  it('count what narrows the list beyond what it always has', () => {
    const fixed = { deploymentId: 'd' };
    expect(conditions({ ...EVERYTHING, ...fixed }, fixed)).toBe(0);
    expect(conditions({ ...EVERYTHING, states: ['FAILED'], tags: ['x'], days: 1 })).toBe(3);
  });

  it('are read from what was stored whatever it is', () => {
    expect(readFilter('{')).toEqual(EVERYTHING);
    const strange = { states: ['FAILED', 'GONE', 3], kinds: 'flow', since: 'yesterday', days: -1, tags: ['t', null] };
    expect(readFilter(strange)).toEqual({ ...EVERYTHING, states: ['FAILED'], tags: ['t'] });
  });

  it('turn days of the calendar into instants and back', () => {
    expect(dateField(dayStart('2026-03-29'))).toBe('2026-03-29');
    expect(dateField(dayStart('2026-03-29', 1), -1)).toBe('2026-03-29');
    expect(dayStart('')).toBeNull();
  });
});

describe('saved filters', () => {
  beforeEach(() => window.localStorage.clear());

  it('stay in the browser, one of each name, each server its own', () => {
    const saved = new SavedFilters('http://a/');
    saved.save('failed', { ...EVERYTHING, states: ['FAILED'] });
    saved.save('failed', { ...EVERYTHING, states: ['CRASHED'] });
    saved.save('nightly', { ...EVERYTHING, tags: ['nightly'] });
    const again = new SavedFilters('http://a/');
    expect(again.items.map(item => item.name)).toEqual(['failed', 'nightly']);
    expect(again.nameOf({ ...EVERYTHING, states: ['CRASHED'] })).toBe('failed');
    expect(new SavedFilters('http://b/').items).toEqual([]);
    again.remove('failed');
    expect(new SavedFilters('http://a/').items).toHaveLength(1);
  });

  it('live as long as the page where nothing can be stored', () => {
    const forbidden = {
      getItem: () => {
        throw new Error('forbidden');
      },
      setItem: () => {
        throw new Error('full');
      }
    };
    const saved = new SavedFilters('x', forbidden);
    saved.save('one', EVERYTHING);
    expect(saved.items).toHaveLength(1);
  });
});

describe('what is done to many runs', () => {
  const runs = [makeRun({ id: 'a' }), makeRun({ id: 'b', state_type: 'RUNNING' }), makeRun({ id: 'c', kind: 'cell' })];

  it('is chosen one by one, in a range, or all', () => {
    const selection = new Selection();
    selection.toggle('a', runs);
    selection.toggle('c', runs, true);
    expect([...selection.ids]).toEqual(['a', 'b', 'c']);
    selection.toggle('b', runs);
    expect(selection.runs(runs).map(run => run.id)).toEqual(['a', 'c']);
    expect(selection.runs(runs.slice(1)).map(run => run.id)).toEqual(['c']);
    selection.setChoosing(false);
    expect(selection.ids.size).toBe(0);
  });

  it.each([
    ['cancel' as const, ['b']],
    ['delete' as const, ['a', 'c']],
    ['rerun' as const, ['a']]
  ])('%s acts on those that allow it', (action, ids) => {
    expect(runs.filter(run => allows(action, run)).map(run => run.id)).toEqual(ids);
  });

  it('asks first, sends only what fits, and tells what was refused', async () => {
    const results = [
      { id: 'a', ok: false, message: 'It is <b>kept</b>.' },
      { id: 'c', ok: true }
    ];
    const page = await makePage({ 'POST /runs/bulk': () => ({ results }) });
    expect(await actOnMany(page, 'delete', runs)).toBe(true);
    expect(page.server.bodies[page.server.bodies.length - 1]).toEqual({ action: 'delete', ids: ['a', 'c'] });
    expect(page.host.notify.mock.calls[0][1]).toContain('1 of 2');
    page.host.confirm.mockResolvedValueOnce(false);
    expect(await actOnMany(page, 'delete', runs)).toBe(false);
  });

  it('shows a list of one deployment with its filter', async () => {
    const page = await makePage({ '/runs': () => ({ runs: [], next_cursor: null }) });
    const model = new RunListModel(page.manager, { deploymentId: 'd' });
    model.setFilter({ kinds: ['flow'] });
    await vi.waitFor(() =>
      expect(page.server.requests.some(each => each.includes('deployment_id=d') && each.includes('kind=flow'))).toBe(
        true
      )
    );
    model.dispose();
  });
});

describe('two runs side by side', () => {
  it('have the lines of both texts in order', () => {
    const lines = diffLines('a\nb\nc\nd', 'a\nx\nc\nd\ne');
    expect(lines.map(line => `${line.kind} ${line.text}`)).toEqual([
      'same a',
      'out b',
      'in x',
      'same c',
      'same d',
      'in e'
    ]);
    expect(diffLines('', 'a')).toEqual([{ kind: 'in', text: 'a', left: null, right: 1 }]);
    expect(diffLines('a\r\nb', 'a\nb').every(line => line.kind === 'same')).toBe(true);
  });

  it('hide equal lines far from a change', () => {
    const text = Array.from({ length: 40 }, (_, at) => `line ${at}`);
    const changed = [...text];
    changed[20] = 'other';
    const shown = folded(diffLines(text.join('\n'), changed.join('\n')));
    expect(shown.filter(line => line.kind === 'gap').map(line => line.count)).toEqual([17, 16]);
    expect(shown).toHaveLength(10);
  });

  it('stay quick where everything differs', () => {
    const text = (word: string) => Array.from({ length: 5000 }, (_, at) => `${word} ${at}`).join('\n');
    expect(diffLines(text('a'), text('b'))).toHaveLength(10_000);
  });

  it('have parameters that differ first', () => {
    const rows = compareValues({ a: 1, b: [1], c: 3 }, { a: 1, b: [2], d: null });
    expect(rows.map(row => [row.name, row.same])).toEqual([
      ['b', false],
      ['c', false],
      ['d', false],
      ['a', true]
    ]);
  });

  it('pair cells by id, injected ones by name, and fold mapped tasks', () => {
    const root = makeRun();
    const cell = (id: string, name: string) => child(root, name, { id: `${id}-${name}`, kind: 'cell', cell_id: id });
    const mapped = Array.from({ length: 12 }, (_, at) =>
      child(root, `page-${at}`, { definition_key: 'page', duration_seconds: at })
    );
    const rows = pairParts(
      [cell('x', 'load'), cell('i1', 'Parameters')],
      [cell('x', 'load'), cell('i2', 'Parameters'), ...mapped]
    );
    expect(rows.map(row => [row.name, !!row.left, !!row.right])).toEqual([
      ['load', true, true],
      ['Parameters', true, true],
      ['page × 12', false, true]
    ]);
    expect(rows[2].right?.seconds).toBe(5);
  });

  it('say which cells have other code or other outputs', () => {
    const cell = (id: string, source: string, text: string): ICellOutputs => ({
      run_id: id,
      cell_id: id,
      cell_index: Number(id.slice(1)),
      source,
      cell_type: 'code',
      state_type: 'COMPLETED',
      state_name: null,
      outputs: text ? [{ output_type: 'stream', text }] : [],
      truncated: false
    });
    const pairs = pairCells([cell('c0', 'a', '1'), cell('c1', 'b', '')], [cell('c1', 'B', ''), cell('c0', 'a', '2')]);
    const injected = pairCells([cell('c9', '# Parameters\na = 1', '')], [cell('c8', '# Parameters\na = 2', '')]);
    expect(injected.map(pair => pair.sameSource)).toEqual([true]);
    expect(pairs.map(pair => [pair.key, pair.sameSource, pair.sameOutputs])).toEqual([
      ['c0', true, false],
      ['c1', false, true]
    ]);
  });

  it('have an address', () => {
    const place = { page: 'compare', id: 'a b', other: 'c' } as const;
    expect(toHash(place)).toBe('#/compare/a%20b/c');
    expect(fromHash(toHash(place))).toEqual(place);
    expect(fromHash('#/compare/a')).toEqual({ page: 'compare', id: 'a', other: undefined });
    expect(fromHash(toHash({ page: 'workers' }))).toEqual({ page: 'workers' });
  });
});

describe("a deployment's fields", () => {
  const told = (...addresses: string[]) => addresses.map(to => ({ events: ['failed'], to }));
  const rules = (...addresses: string[]) => JSON.stringify(told(...addresses));
  const deployment = {
    id: 'd',
    name: 'report',
    notebook_path: 'r.ipynb',
    entrypoint: null,
    parameters: { month: 3 },
    description: null,
    tags: ['a'],
    retries: 0,
    retry_delay_seconds: null,
    timeout_seconds: 60,
    overlap: 'skip',
    paused: false,
    notify: told('me@a.org'),
    revision: 4
  } as unknown as IDeployment;
  const changed = (change: Record<string, string>) => changesOf(deployment, { ...formOf(deployment), ...change });

  it.each([
    ['nothing', {}, {}],
    ['a name', { name: ' daily ' }, { name: 'daily' }],
    ['tags', { tags: 'a, b,,b' }, { tags: ['a', 'b'] }],
    ['no limit any more', { timeout_seconds: '' }, { timeout_seconds: null }],
    ['several delays', { retry_delay_seconds: '10, 60' }, { retry_delay_seconds: [10, 60] }],
    ['parameters', { parameters: '{"month": 4}' }, { parameters: { month: 4 } }],
    ['the same parameters written otherwise', { parameters: '{"month":3}' }, {}],
    ['a pause', { paused: 'true' }, { paused: true }],
    [
      'one more to be told',
      { notify: rules('me@a.org', ' https://b.org/hook ') },
      { notify: told('me@a.org', 'https://b.org/hook') }
    ],
    ['nobody to be told', { notify: '[]' }, { notify: [] }]
  ])('send %s', (_, change, body) => {
    expect(changed(change)).toEqual({ body, errors: {} });
  });

  it.each([
    ['name', '', 'required'],
    ['retries', '1.5', 'whole'],
    ['retries', '-1', 'whole'],
    ['timeout_seconds', 'long', 'number'],
    ['parameters', '[1]', 'json'],
    ['retry_delay_seconds', '1, x', 'number'],
    ['notify', rules('me@a.org', ''), 'rules'],
    ['notify', '[{"events": [], "to": "me@a.org"}]', 'rules']
  ])('refuse %s = %j', (name, value, error) => {
    expect(changed({ [name]: value })).toEqual({ body: {}, errors: { [name]: error } });
  });
});

describe('a schedule that is changed', () => {
  const schedule = (fields: Partial<ISchedule>) =>
    ({ cron: null, rrule: null, at: null, interval_seconds: null, timezone: 'Europe/Oslo', ...fields }) as ISchedule;

  it.each([
    ['cron', { cron: '30 6 * * 1' }, { cron: '30 6 * * 1' }],
    ['rrule', { rrule: 'FREQ=DAILY' }, { rrule: 'FREQ=DAILY' }],
    ['interval', { interval_seconds: 7200 }, { interval_seconds: 7200 }],
    ['once', { at: '2026-12-01T08:30:00.000000Z' }, { at: '2026-12-01T08:30:00.000Z' }]
  ])('says again what it said: %s', (_, fields, body) => {
    expect(scheduleBody(formOfSchedule(schedule(fields)))).toEqual({ timezone: 'Europe/Oslo', ...body });
  });
});

describe('links from tracebacks', () => {
  const text =
    'Traceback (most recent call last):\n  File "/lib/IPython/x.py", line 9, in run\n' +
    '  File "/tmp/ipykernel_1/12.py", line 4, in <module>\n    f()\n  File "/tmp/ipykernel_1/12.py", line 2, in f\nE: x';

  it("lead from a cell's own frames to it, and from no other", () => {
    expect(cellFile(text)).toBe('/tmp/ipykernel_1/12.py');
    const found = frames(text, '/tmp/ipykernel_1/12.py').filter(piece => piece.frame);
    expect(found.map(piece => piece.text.slice(-6))).toEqual(['line 4', 'line 2']);
    expect(cellFile('File "/home/me/x.py", line 1, in <module>')).toBeNull();
    expect(
      frames(text, 'x')
        .map(piece => piece.text)
        .join('')
    ).toBe(text);
  });

  it('know cells by their prompts', () => {
    expect(
      prompts('Cell In[3], line 2 and In [12]')
        .filter(each => each.prompt)
        .map(each => each.prompt)
    ).toEqual([3, 12]);
    const root = makeRun({ kind: 'notebook' });
    const cells = ['b', 'a', 'c'].map((id, at) =>
      child(root, id, { kind: 'cell', started_at: `2026-01-01T00:00:0${at}Z` })
    );
    const nodes = new Map(cells.map(cell => [cell.id, cell]));
    expect(cellOfPrompt({ run: root, nodes }, 2)).toBe('a');
    expect(cellOfPrompt({ run: root, nodes }, 9)).toBeNull();
    expect(cellOfPrompt({ run: makeRun(), nodes }, 1)).toBeNull();
  });

  it.each([
    ['https://example.org/a.png', true],
    ['data:image/png;base64,AAAA', true],
    ['data:image/svg+xml;base64,AAAA', false],
    ['data:text/html,<script>', false],
    ['javascript:alert(1)', false],
    ['mailto:a@b', false]
  ])('show %s as a picture: %s', (address, shown) => {
    expect(safePicture(address) !== null).toBe(shown);
  });
});
