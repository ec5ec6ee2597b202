import { describe, expect, it } from 'vitest';
import { clean, plain, spans } from '../src/pure/ansi';
import { equal } from '../src/pure/equal';
import { pieces, safeUrl } from '../src/pure/links';
import { changedValues } from '../src/dialogs/notebookform';
import { askedAgain, fieldKind, MASK, parse, written } from '../src/pure/parse';
import { look, tally } from '../src/pure/states';
import { duration, elapsed, fromNow, lasted } from '../src/pure/time';
import { instantOf, isZone } from '../src/pure/zone';
import { fromHash, toHash } from '../src/app/router';
import { offsetOf, LIMIT, ROW_HEIGHT, scale, scrollOf } from '../src/logs/scale';
import { cronOf, newSchedule, scheduleBody } from '../src/model/scheduleform';
import { makeRun } from './make';
import type { IParameter } from '../src/wire/words';

const ESC = '\u001b';

describe('terminal text', () => {
  it.each([
    ['colour', `${ESC}[31mred${ESC}[0m plain`, ['hr-ansi-red', '']],
    ['bold and bright', `${ESC}[1;92mok`, ['hr-ansi-green hr-ansi-bold']],
    ['background', `${ESC}[44mx`, ['hr-ansi-bg-blue']],
    ['256 colours', `${ESC}[38;5;196mx`, ['hr-ansi-red']],
    ['full colour', `${ESC}[38;2;10;200;10mx`, ['hr-ansi-green']],
    ['inverse', `${ESC}[7;31mx`, ['hr-ansi-invert hr-ansi-bg-red']],
    ['a code nobody knows', `${ESC}[77mx`, ['']]
  ])('turns %s into classes', (_, text, classes) => {
    expect(spans(text).map(span => span.classes)).toEqual(classes);
  });

  it.each([
    ['a link of OSC 8', `${ESC}]8;;http://evil\u0007x`],
    ['the clipboard of OSC 52', `${ESC}]52;c;aGk=\u0007`],
    ['a moved cursor', `a${ESC}[2Jb${ESC}[1A`],
    ['a carriage return', '100%\rdone'],
    ['turned text', 'abc\u202egpj.exe'],
    ['one-byte controls', '\u009b31mx\u0090'],
    ['a null', 'a\u0000b'],
    ['a broken sequence', `${ESC}[31`]
  ])('leaves no control character of %s', (_, text) => {
    const shown = spans(text)
      .map(span => span.text)
      .join('');

    expect(shown).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    expect(plain(text)).toBe(shown);
  });

  it('keeps newline and tab, and shows the rest', () => {
    expect(clean('a\r\n\tb\u0007')).toBe('a\n\tb\u2407');
  });
});

describe('links', () => {
  it.each([
    ['https://a.org/x', 'https://a.org/x'],
    ['mailto:a@b.org', 'mailto:a@b.org'],
    ['javascript:alert(1)', null],
    ['data:text/html,x', null],
    ['file:///etc/passwd', null],
    ['//a.org', null]
  ])('lets %s be %s', (text, url) => expect(safeUrl(text)).toBe(url));

  it('leaves the full stop to the sentence', () => {
    expect(pieces('see https://a.org/x). Done')).toEqual([
      { text: 'see ', url: null },
      { text: 'https://a.org/x', url: 'https://a.org/x' },
      { text: '). Done', url: null }
    ]);
  });
});

describe('time in words', () => {
  it.each([
    [null, ''],
    [0.0004, '< 1 ms'],
    [0.034, '34 ms'],
    [0.4, '0.4 s'],
    [9.96, '10.0 s'],
    [59.4, '59 s'],
    [185, '3 m 05 s'],
    [7800, '2 h 10 m'],
    [358000, '4 d 3 h']
  ])('%s s is %s', (seconds, words) => expect(duration(seconds)).toBe(words));

  it('counts whole seconds while it runs', () => {
    expect(elapsed('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:00:07.900Z'))).toBe('7 s');
  });

  it('says how long a run took, and has taken so far', () => {
    const now = Date.parse('2026-01-01T00:01:05Z');
    const run = { started_at: '2026-01-01T00:00:00Z', ended_at: null, duration_seconds: null };
    expect(lasted(run, now)).toBe('1 m 05 s');
    expect(lasted({ ...run, ended_at: '2026-01-01T00:00:02Z', duration_seconds: 2 }, now)).toBe('2.0 s');
  });

  it('says how far an instant is', () => {
    const now = Date.parse('2026-01-01T12:00:00Z');
    expect(fromNow('2026-01-01T12:03:00Z', now)).toMatch(/3/);
    expect(fromNow('2025-12-30T12:00:00Z', now)).toMatch(/2|before/);
  });
});

describe('states', () => {
  it('show a name of user code beside the plain shape', () => {
    expect(look('COMPLETED', 'Published')).toEqual({ label: 'Published', shape: 'check', tone: 'done' });
  });

  it('give every type a shape of its own', () => {
    const types = ['SCHEDULED', 'PENDING', 'RUNNING', 'PAUSED', 'CANCELLING', 'COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED'] as const; // prettier-ignore
    expect(new Set(types.map(type => look(type).shape)).size).toBe(types.length);
  });

  it.each([
    ['a failure wins', ['COMPLETED', 'FAILED', 'RUNNING'], 'FAILED'],
    ['some done, some waiting: under way', ['COMPLETED', 'PENDING'], 'RUNNING'],
    ['all done', ['COMPLETED', 'COMPLETED'], 'COMPLETED'],
    ['none begun', ['PENDING', 'PENDING'], 'PENDING']
  ] as const)('together: %s', (_, types, type) => {
    expect(tally(types.map(state_type => makeRun({ state_type }))).type).toBe(type);
  });
});

describe('parameters', () => {
  const parameter = (fields: Partial<IParameter>): IParameter => ({
    name: 'x',
    type: '',
    annotation: null,
    default: null,
    required: false,
    choices: null,
    help: null,
    secret: false,
    ...fields
  });

  it.each([
    ['int', parameter({ type: 'int' }), 'integer'],
    ['a default that is a number', parameter({ default: 1.5 }), 'number'],
    ['choices', parameter({ type: 'str', choices: ['a'] }), 'choice'],
    ['a list', parameter({ type: 'list[int]' }), 'json'],
    ['a secret', parameter({ type: 'str', secret: true }), 'secret'],
    ['nothing known', parameter({}), 'text']
  ] as const)('%s: field %s', (_, given, kind) => expect(fieldKind(given)).toBe(kind));

  it.each([
    ['12', 'integer', { ok: true, value: 12 }],
    ['1.5', 'integer', { ok: false, error: 'integer' }],
    ['99999999999999999999', 'integer', { ok: false, error: 'integer' }],
    ['1e-3', 'number', { ok: true, value: 0.001 }],
    ['x', 'number', { ok: false, error: 'number' }],
    ['[1, 2]', 'json', { ok: true, value: [1, 2] }],
    ['[1,', 'json', { ok: false, error: 'json' }],
    ['"b"', 'choice', { ok: true, value: 'b' }],
    ['', 'integer', { ok: true, value: null }],
    [' a ', 'text', { ok: true, value: ' a ' }]
  ] as const)('%s as %s', (text, kind, result) => expect(parse(text, kind, parameter({}))).toEqual(result));

  it('needs a value where one is required', () => {
    expect(parse('', 'text', parameter({ required: true }))).toEqual({ ok: false, error: 'required' });
  });

  it('begins with the values of a run that is made again, and asks for its secrets anew', () => {
    const declared = [
      parameter({ name: 'month', type: 'int', default: 1 }),
      parameter({ name: 'token', secret: true, default: '' }),
      parameter({ name: 'other', default: 2 })
    ];
    const [month, token, other] = askedAgain(declared, { month: 5, token: MASK });
    expect([month.default, month.required]).toEqual([5, false]);
    expect([token.default, token.required]).toEqual([null, true]);
    expect(other).toBe(declared[2]);
    // The notebook's own default is a change where the run had another value.
    expect(changedValues([month, other], { month: { ok: true, value: 1 }, other: { ok: true, value: 2 } })).toEqual({
      month: 1
    });
  });

  it.each([
    [['a', 1], 'json'],
    [0.5, 'number'],
    ['two words', 'text'],
    [true, 'boolean']
  ] as const)('%j written and read back is the same', (value, kind) => {
    expect(parse(written(value, kind), kind, parameter({}))).toEqual({ ok: true, value });
  });
});

describe('wall times', () => {
  it.each([
    ['2026-07-01T09:00', 'Europe/Paris', '2026-07-01T07:00:00.000Z'],
    ['2026-01-01T09:00', 'Europe/Paris', '2026-01-01T08:00:00.000Z'],
    ['2026-03-08T03:30', 'America/New_York', '2026-03-08T07:30:00.000Z'],
    ['nonsense', 'UTC', null],
    ['2026-01-01T09:00', 'Mars/Olympus', null]
  ])('%s in %s is %s', (wall, zone, instant) => expect(instantOf(wall, zone)).toBe(instant));

  it('knows zones', () => {
    expect([isZone('UTC'), isZone('Nowhere')]).toEqual([true, false]);
  });
});

describe('the schedule builder', () => {
  const form = { ...newSchedule(new Date(2026, 0, 1)), timezone: 'UTC', time: '07:05' };
  it.each([
    ['hourly', '0 * * * *'],
    ['daily', '5 7 * * *'],
    ['weekdays', '5 7 * * 1-5'],
    ['weekly', '5 7 * * 1'],
    ['monthly', '5 7 1 * *'],
    ['interval', null]
  ] as const)('%s is %s', (mode, cron) => expect(cronOf({ ...form, mode })).toBe(cron));

  it('says an interval in seconds and once as an instant', () => {
    expect(scheduleBody({ ...form, mode: 'interval', every: 2, unit: 'hours' })).toEqual({
      interval_seconds: 7200,
      timezone: 'UTC'
    });
    expect(scheduleBody({ ...form, mode: 'once', at: '2026-01-02T09:00' })).toEqual({
      at: '2026-01-02T09:00:00.000Z',
      timezone: 'UTC'
    });
  });

  it.each([
    ['no minute', { mode: 'hourly', minute: NaN }],
    ['no time', { mode: 'daily', time: '' }],
    ['no interval', { mode: 'interval', every: NaN }],
    ['no zone', { mode: 'daily', timezone: '' }]
  ] as const)('says nothing with %s', (_, change) => expect(scheduleBody({ ...form, ...change })).toBeNull());
});

describe('addresses', () => {
  it.each([
    { page: 'home' },
    { page: 'runs' },
    { page: 'workers' },
    { page: 'run', id: 'a', tab: 'logs', node: 'cell:x y' },
    { page: 'deployment', id: 'd' }
  ] as const)('%j comes back from its address', place => {
    expect(fromHash(toHash(place))).toEqual(place);
  });

  it('of unknown places lead home', () => expect(fromHash('#/what/ever')).toEqual({ page: 'home' }));
});

describe('a log of a million lines', () => {
  const view = 500;
  const sizes = scale(1_000_000, view);

  it('fits into an element that every browser can draw', () => expect(sizes.drawn).toBe(LIMIT));

  it('is reached from the first line to the last', () => {
    expect(offsetOf(0, sizes, view)).toBe(0);
    expect(offsetOf(sizes.drawn - view, sizes, view)).toBe(1_000_000 * ROW_HEIGHT - view);
  });

  it('comes back from the scroll bar to the same offset', () => {
    expect(offsetOf(scrollOf(9_000_000, sizes), sizes, view)).toBeCloseTo(9_000_000, 3);
  });

  it('is exact while it is short', () => expect(scale(1000, view).ratio).toBe(1));
});

describe('equality', () => {
  it.each([
    [{ a: [1, { b: null }] }, { a: [1, { b: null }] }, true],
    [{ a: 1 }, { a: 1, b: undefined }, false],
    [[1], { 0: 1 }, false],
    [null, {}, false]
  ])('of %j and %j is %s', (a, b, same) => expect(equal(a, b)).toBe(same));
});
