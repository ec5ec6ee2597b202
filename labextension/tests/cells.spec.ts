import { describe, expect, it } from 'vitest';
import { allStale, from, upTo } from '../src/pure/cellplan';
import { checkSettings, readSettings, taskOrigin, withoutTask, writeSettings, type ITaskCell } from '../src/pure/magic';
import type { ICellNode } from '../src/wire/words';
import { edge } from './make';

const NOTHING = {
  name: '',
  retries: '',
  retry_delay_seconds: '',
  timeout_seconds: '',
  cache_policy: '',
  cache_expiration: ''
};

describe('what makes a cell a task', () => {
  it.each<[string, ITaskCell, string | null]>([
    ['a magic line', { source: '%%task load\nx = 1', metadata: {} }, 'magic'],
    ['a flow', { source: '%%flow\nx = 1', metadata: {} }, 'magic'],
    ['metadata', { source: 'x', metadata: { headrace: { task: true } } }, 'metadata'],
    ['a name in metadata', { source: 'x', metadata: { headrace: { task: 'load' } } }, 'metadata'],
    ['a tag', { source: 'x', metadata: { tags: ['task'] } }, 'tag'],
    ['nothing', { source: 'x = "%%task"', metadata: { tags: ['other'], headrace: { task: false } } }, null],
    ['another magic', { source: '%%tasks\nx', metadata: {} }, null]
  ])('%s', (_, cell, origin) => {
    expect(taskOrigin(cell)).toBe(origin);
  });

  it('is written into the magic line where there is one, and leaves what else stands there', () => {
    const cell = {
      source: `%%task load --tags "a b" --retries=1 --background --skip-if 'n > 1'\nx = 1\n`,
      metadata: {}
    };
    const settings = readSettings(cell);
    expect(settings).toEqual({ ...NOTHING, name: 'load', retries: '1' });
    const written = writeSettings(cell, { ...settings, retries: '3', cache_policy: 'INPUTS + TASK_SOURCE' });
    expect(written.source).toBe(
      `%%task load --retries 3 --cache-policy 'INPUTS + TASK_SOURCE' --tags "a b" --background --skip-if 'n > 1'\nx = 1\n`
    );
    expect(readSettings(written).cache_policy).toBe('INPUTS + TASK_SOURCE');
  });

  it('is written into metadata elsewhere', () => {
    const cell = { source: 'x = 1', metadata: { headrace: { other: 1, task: { tags: ['t'] } } } };
    const written = writeSettings(cell, { ...NOTHING, name: 'load', retries: '2', timeout_seconds: '90' });
    expect(written).toEqual({
      source: 'x = 1',
      metadata: { headrace: { other: 1, task: { tags: ['t'], name: 'load', retries: 2, timeout_seconds: 90 } } }
    });
    expect(writeSettings({ source: 'x', metadata: {} }, NOTHING).metadata).toEqual({ headrace: { task: true } });
  });

  it('can be taken away again, and the code stays', () => {
    expect(withoutTask({ source: '%%task load --retries 2\nx = 1', metadata: { tags: ['task', 'keep'] } })).toEqual({
      source: 'x = 1',
      metadata: { tags: ['keep'] }
    });
    expect(withoutTask({ source: 'x', metadata: { headrace: { task: 'a' } } })).toEqual({ source: 'x', metadata: {} });
  });

  it('is checked as the kernel would', () => {
    expect(
      checkSettings({ ...NOTHING, name: 'daily-total.1', retry_delay_seconds: '1, 2m', timeout_seconds: '1.5h' })
    ).toEqual({});
    expect(
      checkSettings({
        name: '1x',
        retries: '-1',
        retry_delay_seconds: 'x',
        timeout_seconds: '0',
        cache_policy: '?',
        cache_expiration: 'y'
      })
    ).toEqual({
      name: 'name',
      retries: 'whole',
      retry_delay_seconds: 'seconds',
      timeout_seconds: 'positive',
      cache_policy: 'policy',
      cache_expiration: 'positive'
    });
  });
});

describe('which cells run', () => {
  const cell = (id: string, stale: boolean, is_task = true) => ({ cell_id: id, stale, is_task }) as ICellNode;
  // imports → load → clean → fit, and load → plot
  const edges = [edge('imports', 'load'), edge('load', 'clean'), edge('clean', 'fit'), edge('load', 'plot')];
  const cells = (...stale: string[]) =>
    ['imports', 'load', 'clean', 'fit', 'plot'].map(id => cell(id, stale.includes(id), id !== 'imports'));
  const needs = (one: ICellNode) => one.stale;

  it('up to a cell: what is stale above it and what uses that, nothing beside', () => {
    expect(upTo(cells('clean', 'plot'), edges, 'fit', needs)).toEqual(['clean', 'fit']);
    expect(upTo(cells('plot'), edges, 'fit', needs)).toEqual([]);
    expect(upTo(cells('imports'), edges, 'clean', needs)).toEqual(['imports', 'load', 'clean']);
  });

  it('from a cell: it and what depends on it, after what they need', () => {
    expect(from(cells(), edges, 'clean', needs)).toEqual(['clean', 'fit']);
    expect(from(cells('imports'), edges, 'clean', needs)).toEqual(['imports', 'load', 'clean', 'fit']);
  });

  it('all that is stale', () => {
    expect(allStale(cells('plot', 'fit'), edges, needs)).toEqual(['fit', 'plot']);
  });
});
