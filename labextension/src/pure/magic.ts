/** What makes a cell a task, read and written: its `%%task` line, else its metadata, else the tag. */

export interface ITaskSettings {
  name: string;
  retries: string;
  retry_delay_seconds: string;
  timeout_seconds: string;
  cache_policy: string;
  cache_expiration: string;
}

export type TaskOrigin = 'magic' | 'metadata' | 'tag';

export interface ITaskCell {
  source: string;
  metadata: Record<string, unknown>;
}

interface IMagic {
  kind: string;
  words: string[];
  /** What follows the magic line, its line break included. */
  body: string;
}

export const OPTIONS = [
  'retries',
  'retry_delay_seconds',
  'timeout_seconds',
  'cache_policy',
  'cache_expiration'
] as const;

const MAGIC = /^\s*%%(task|flow)(?![\w-])([^\n]*)/;
/** A word as a shell reads it: quoted parts belong to it. */
const WORD = /(?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'])+/g;
const FLAGS = new Set(['refresh_cache', 'persist_result', 'log_prints', 'background']);
const NUMBERS = new Set(['retries', 'timeout_seconds', 'cache_expiration']);
const TAG = 'task';

function plain(word: string): string {
  return word.replace(/"((?:\\.|[^"\\])*)"|'([^']*)'/g, (_, double?: string, single?: string) =>
    double === undefined ? (single ?? '') : double.replace(/\\(["\\])/g, '$1')
  );
}

function quoted(value: string): string {
  return /^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replace(/'/g, `'"'"'`)}'`;
}

function split(source: string): IMagic | null {
  const match = MAGIC.exec(source);
  return match && { kind: match[1], words: match[2].match(WORD) ?? [], body: source.slice(match[0].length) };
}

/** The words of a magic line, option by option; a flag has no value. */
function pairs(words: string[]): { option: string; value: string; words: string[] }[] {
  const found: { option: string; value: string; words: string[] }[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at];
    if (!word.startsWith('--')) {
      found.push({ option: 'name', value: plain(word), words: [word] });
      continue;
    }
    const [name, ...rest] = word.slice(2).split('=');
    const option = name.replace(/-/g, '_');
    if (rest.length || FLAGS.has(option) || FLAGS.has(option.replace(/^no_/, ''))) {
      found.push({ option, value: plain(rest.join('=')), words: [word] });
    } else {
      at += 1;
      found.push({ option, value: plain(words[at] ?? ''), words: [word, ...words.slice(at, at + 1)] });
    }
  }
  return found;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function tags(metadata: Record<string, unknown>): string[] {
  return Array.isArray(metadata.tags) ? metadata.tags.map(String) : [];
}

/** Where a cell says that it is a task; null for a plain cell. */
export function taskOrigin({ source, metadata }: ITaskCell): TaskOrigin | null {
  if (MAGIC.test(source)) {
    return 'magic';
  }
  const task = record(metadata.headrace).task;
  if (task !== undefined && task !== null && task !== false) {
    return 'metadata';
  }
  return tags(metadata).includes(TAG) ? 'tag' : null;
}

/** What a cell says of itself; empty texts where it says nothing. */
export function readSettings(cell: ITaskCell): ITaskSettings {
  const found: Record<string, string> = { name: '' };
  OPTIONS.forEach(option => (found[option] = ''));
  const magic = split(cell.source);
  if (magic) {
    pairs(magic.words).forEach(({ option, value }) => {
      if (option in found) {
        found[option] = value;
      }
    });
  } else {
    const { task } = record(cell.metadata.headrace);
    const options = typeof task === 'string' ? { name: task } : record(task);
    for (const [option, value] of Object.entries(options)) {
      if (option in found && value !== null && value !== undefined) {
        found[option] = Array.isArray(value) ? value.join(',') : String(value);
      }
    }
  }
  return found as unknown as ITaskSettings;
}

/** The cell with these settings: in its magic line where it has one, else in its metadata. What else stands there stays. */
export function writeSettings(cell: ITaskCell, settings: ITaskSettings): ITaskCell {
  const values = settings as unknown as Record<string, string>;
  const magic = split(cell.source);
  if (magic) {
    const known = new Set<string>(['name', ...OPTIONS]);
    const others = pairs(magic.words).filter(({ option }) => !known.has(option));
    const words = [
      `%%${magic.kind}`,
      ...(settings.name.trim() ? [settings.name.trim()] : []),
      ...OPTIONS.flatMap(option =>
        values[option].trim() ? [`--${option.replace(/_/g, '-')}`, quoted(values[option].trim())] : []
      ),
      ...others.flatMap(other => other.words)
    ];
    return { ...cell, source: words.join(' ') + magic.body };
  }
  const ours = record(cell.metadata.headrace);
  const task: Record<string, unknown> = { ...record(ours.task) };
  for (const option of ['name', ...OPTIONS]) {
    const value = values[option].trim();
    if (!value) {
      delete task[option];
    } else {
      task[option] = NUMBERS.has(option) && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value;
    }
  }
  const short = Object.keys(task).length ? task : true;
  return { ...cell, metadata: { ...cell.metadata, headrace: { ...ours, task: short } } };
}

/** The cell as a plain one again: its code is what it was. */
export function withoutTask(cell: ITaskCell): ITaskCell {
  const metadata = { ...cell.metadata };
  const ours = { ...record(metadata.headrace) };
  delete ours.task;
  delete metadata.headrace;
  if (Object.keys(ours).length) {
    metadata.headrace = ours;
  }
  const left = tags(metadata).filter(tag => tag !== TAG);
  delete metadata.tags;
  if (left.length) {
    metadata.tags = left;
  }
  return { source: cell.source.replace(MAGIC, '').replace(/^\n/, ''), metadata };
}

export type SettingsProblem = 'name' | 'whole' | 'seconds' | 'positive' | 'policy';

const SECONDS = /^\d+(\.\d+)?\s*[smhdw]?$/;
const POLICY = /^(INPUTS|TASK_SOURCE|RUN_ID|FLOW_PARAMETERS|DEFAULT|NO_CACHE|NONE|[+-]|"[^"]*"|\w+|\s)+$/i;

/** What is wrong with each setting, as the kernel would see it. */
export function checkSettings(settings: ITaskSettings): Partial<Record<keyof ITaskSettings, SettingsProblem>> {
  const wrong: Partial<Record<keyof ITaskSettings, SettingsProblem>> = {};
  const text = (option: keyof ITaskSettings) => settings[option].trim();
  if (text('name') && !/^[^\W\d][\w.-]*$/u.test(text('name')) && !/^[\p{L}_][\p{L}\p{N}_.-]*$/u.test(text('name'))) {
    wrong.name = 'name';
  }
  if (text('retries') && !(/^\d{1,5}$/.test(text('retries')) && Number(text('retries')) <= 10_000)) {
    wrong.retries = 'whole';
  }
  if (
    text('retry_delay_seconds') &&
    !text('retry_delay_seconds')
      .split(',')
      .every(part => SECONDS.test(part.trim()))
  ) {
    wrong.retry_delay_seconds = 'seconds';
  }
  for (const option of ['timeout_seconds', 'cache_expiration'] as const) {
    if (text(option) && !(SECONDS.test(text(option)) && parseFloat(text(option)) > 0)) {
      wrong[option] = 'positive';
    }
  }
  if (text('cache_policy') && !POLICY.test(text('cache_policy'))) {
    wrong.cache_policy = 'policy';
  }
  return wrong;
}
