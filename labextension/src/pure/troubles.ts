/** What stands between panel and server, in words. */
import type { ITranslator } from '../tokens';

export type Trouble =
  | { kind: 'lost' }
  | { kind: 'absent' }
  | { kind: 'forbidden' }
  | { kind: 'degraded'; message: string }
  /** Page and server come from different installs: one of them was not loaded anew. */
  | { kind: 'versions'; page: string; server: string };

/** Whether a version comes before another, by its numbers. */
export function isOlder(version: string, other: string): boolean {
  const [left, right] = [version, other].map(text => (text.match(/\d+/g) ?? []).map(Number));
  const at = left.findIndex((number, index) => number !== right[index]);
  return at >= 0 ? left[at] < (right[at] ?? 0) : left.length < right.length;
}

export function troubleWords(trouble: Trouble, trans: ITranslator): string {
  switch (trouble.kind) {
    case 'lost':
      return trans.__('Connection lost. What you see may be out of date; runs go on.');
    case 'absent':
      return trans.__(
        'Headrace is installed, but this Jupyter server has not loaded it. Restart the Jupyter server to use it.'
      );
    case 'forbidden':
      return trans.__('You are not allowed to use Headrace on this server.');
    case 'degraded':
      return trouble.message || trans.__('Headrace cannot use its store at the moment.');
    case 'versions': {
      const { page, server } = trouble;
      return isOlder(page, server)
        ? trans.__('The server runs Headrace %1, this page is still of %2. Reload the page.', server, page)
        : trans.__(
            'This page is of Headrace %1, the Jupyter server still runs %2. Restart the Jupyter server.',
            page,
            server
          );
    }
  }
}
