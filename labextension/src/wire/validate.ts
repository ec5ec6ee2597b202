/** Look at answers where they enter: a shape that the views do not expect becomes an error, not a blank panel. */
import { Unreadable } from './errors';
import type { IGraph, ILogPage, IRun, StreamMessage } from './words';

type Shape = Record<string, unknown>;

function isShape(value: unknown): value is Shape {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fail(what: string): never {
  throw new Unreadable(`The server's answer has no ${what}. Panel and server may be of different versions.`);
}

/** The object under `key`. */
export function object<T>(answer: unknown, key: string): T {
  if (!isShape(answer) || !isShape(answer[key])) {
    fail(`"${key}"`);
  }
  return answer[key] as T;
}

/** The list under `key`. */
export function list<T>(answer: unknown, key: string): T[] {
  if (!isShape(answer) || !Array.isArray(answer[key])) {
    fail(`list "${key}"`);
  }
  return answer[key] as T[];
}

/** A whole answer that must have these keys. */
export function having<T>(answer: unknown, ...keys: string[]): T {
  for (const key of keys) {
    if (!isShape(answer) || !(key in answer)) {
      fail(`"${key}"`);
    }
  }
  return answer as T;
}

/** One run: its ids, name and state are there; tags are a list. */
export function run<T extends IRun = IRun>(value: unknown): T {
  if (!isShape(value) || typeof value.id !== 'string' || typeof value.root_id !== 'string') {
    fail('run with an id');
  }
  if (typeof value.name !== 'string') {
    value.name = '';
  }
  if (!Array.isArray(value.tags)) {
    value.tags = [];
  }
  return value as unknown as T;
}

/** A page of runs. */
export function runs(answer: unknown): { runs: IRun[]; next_cursor: string | null } {
  const cursor = isShape(answer) && typeof answer.next_cursor === 'string' ? answer.next_cursor : null;
  return { runs: list<unknown>(answer, 'runs').map(value => run(value)), next_cursor: cursor };
}

/** A run's graph: edges that name unknown nodes are dropped. */
export function graph(answer: unknown): IGraph {
  const found = having<IGraph>(answer, 'nodes', 'edges');
  return { ...found, nodes: list<unknown>(answer, 'nodes').map(value => run(value)), edges: list(answer, 'edges') };
}

/** Log lines, with the number of the first one and how many there are. */
export function logPage(answer: unknown): ILogPage {
  const page = having<ILogPage>(answer, 'lines', 'offset', 'total');
  if (!Array.isArray(page.lines)) {
    fail('list "lines"');
  }
  return page;
}

/** A message of the stream; what this panel does not know is null and skipped, for the server may be newer. */
export function streamMessage(text: string): StreamMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isShape(value) || !['hello', 'changes', 'reset', 'pong'].includes(value.type as string)) {
    return null;
  }
  return value as unknown as StreamMessage;
}
