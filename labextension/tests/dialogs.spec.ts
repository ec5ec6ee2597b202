import { describe, expect, it } from 'vitest';
import { optionsBody, wrongOptions, type IOptions } from '../src/dialogs/notebookform';
import { questionFields } from '../src/pure/questions';

const NOTHING: IOptions = {
  kernelName: '',
  outputPath: '',
  name: '',
  retries: '',
  retryDelay: '',
  timeoutMinutes: '',
  cellTimeoutMinutes: '',
  tags: '',
  source: 'live',
  overlap: 'skip',
  catchUp: 'latest',
  graceMinutes: '',
  concurrency: '',
  envFile: '',
  notify: []
};

describe('the options of a run or a schedule', () => {
  it('say nothing where they are left alone', () => {
    expect(optionsBody(NOTHING)).toEqual({});
    expect(wrongOptions(NOTHING)).toEqual({});
  });

  it('are said in the server’s words and units', () => {
    const options = {
      ...NOTHING,
      kernelName: 'python3',
      retries: '2',
      retryDelay: '1.5',
      timeoutMinutes: '90',
      graceMinutes: '0',
      concurrency: '1',
      tags: 'a, ,b ',
      source: 'pinned',
      overlap: 'queue',
      notify: [{ events: ['failed' as const], to: ' me@example.org ' }]
    };
    expect(optionsBody(options)).toEqual({
      kernel_name: 'python3',
      retries: 2,
      retry_delay_seconds: 1.5,
      timeout_seconds: 5400,
      grace_seconds: 0,
      concurrency_limit: 1,
      tags: ['a', 'b'],
      source: 'pinned',
      overlap: 'queue',
      notify: [{ events: ['failed'], to: 'me@example.org' }]
    });
  });

  it('are checked as they are typed', () => {
    expect(wrongOptions({ ...NOTHING, retries: '1.5', timeoutMinutes: 'soon', retryDelay: '2' })).toEqual({
      retries: 'whole',
      timeoutMinutes: 'number'
    });
  });
});

describe('what a paused run asks', () => {
  it('becomes fields', () => {
    const schema = {
      properties: {
        approved: { type: 'boolean', title: 'Approved' },
        month: { type: 'integer', default: 3, description: 'Which month' },
        colour: { $ref: '#/$defs/Colour' },
        note: { anyOf: [{ type: 'string' }, { type: 'null' }], default: null },
        either: { anyOf: [{ type: 'string' }, { type: 'integer' }] },
        key: { type: 'string', format: 'password', writeOnly: true }
      },
      $defs: { Colour: { enum: ['red', 'blue'], type: 'string' } },
      required: ['approved', 'colour', 'note']
    };
    const fields = questionFields(schema).map(each => [each.name, each.type, each.required, each.choices, each.secret]);
    expect(fields).toEqual([
      ['approved', 'boolean', true, null, false],
      ['month', 'integer', false, null, false],
      ['colour', 'string', true, ['red', 'blue'], false],
      ['note', 'string', false, null, false],
      ['either', 'object', false, null, false],
      ['key', 'string', false, null, true]
    ]);
    expect(questionFields(schema)[1].help).toBe('Which month');
  });

  it.each([[{}], [null], ['text'], [{ properties: [] }]])('is nothing for %j', schema => {
    expect(questionFields(schema)).toEqual([]);
  });
});
