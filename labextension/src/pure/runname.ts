/** Words about a run that several views need. */
import { plain } from './ansi';
import type { ITranslator } from '../tokens';
import type { IRun } from '../wire/words';

/** The file's name without its folders. */
export function fileName(path: string): string {
  return path.split('/').pop() ?? path;
}

/** What a run is called; never empty. */
export function runName(run: Pick<IRun, 'name' | 'notebook_path' | 'id'>): string {
  return plain(run.name) || (run.notebook_path ? fileName(run.notebook_path) : run.id.slice(0, 8));
}

/** Who or what started it. */
export function triggerWords(trigger: string | null, trans: ITranslator): string {
  switch (trigger) {
    case 'user':
    case 'api': // the panel's own requests are a person's, too
      return trans.__('started by hand');
    case 'cell':
      return trans.__('from a cell');
    case 'cli':
      return trans.__('command line');
    case 'schedule':
      return trans.__('schedule');
    case 'deployment':
      return trans.__('deployment');
    case 'retry':
      return trans.__('retry');
    case 'flow':
      return trans.__('another flow');
    default:
      return trigger ?? '';
  }
}
