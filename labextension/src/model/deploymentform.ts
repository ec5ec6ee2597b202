/** A deployment's fields as a person edits them, and what is sent of them. Pure. */
import { equal } from '../pure/equal';
import type { IDeployment, INotifyRule } from '../wire/words';

export type FieldKind =
  'text' | 'long' | 'words' | 'whole' | 'number' | 'delays' | 'choice' | 'flag' | 'json' | 'kernel' | 'rules';

export interface IFieldSpec {
  name: string;
  kind: FieldKind;
  choices?: readonly string[];
  /** An empty field is sent as null (nothing set); else it is an error or the empty text. */
  nullable?: boolean;
  least?: number;
}

/** Every field of a deployment that can be changed, in the order of the form. */
export const FIELDS: readonly IFieldSpec[] = [
  { name: 'name', kind: 'text' },
  { name: 'notebook', kind: 'text' },
  { name: 'entrypoint', kind: 'text' },
  { name: 'description', kind: 'long' },
  { name: 'tags', kind: 'words' },
  { name: 'source', kind: 'choice', choices: ['live', 'pinned'] },
  { name: 'parameters', kind: 'json' },
  { name: 'kernel_name', kind: 'kernel', nullable: true },
  { name: 'cwd', kind: 'text' },
  { name: 'output_path', kind: 'text', nullable: true },
  { name: 'env_file', kind: 'text', nullable: true },
  { name: 'pool', kind: 'text' },
  { name: 'priority', kind: 'whole', least: -1000 },
  { name: 'retries', kind: 'whole', least: 0 },
  { name: 'retry_delay_seconds', kind: 'delays', nullable: true },
  { name: 'timeout_seconds', kind: 'number', nullable: true },
  { name: 'cell_timeout_seconds', kind: 'number', nullable: true },
  { name: 'concurrency_limit', kind: 'whole', nullable: true, least: 1 },
  { name: 'overlap', kind: 'choice', choices: ['skip', 'queue', 'allow', 'cancel_running'] },
  { name: 'catch_up', kind: 'choice', choices: ['latest', 'skip', 'all'] },
  { name: 'catch_up_limit', kind: 'whole', least: 1 },
  { name: 'grace_seconds', kind: 'number', nullable: true },
  { name: 'retention', kind: 'json', nullable: true },
  { name: 'paused', kind: 'flag' },
  { name: 'notify', kind: 'rules' }
];

export type FormValues = Record<string, string>;

function valueOf(deployment: IDeployment, name: string): unknown {
  const record = deployment as unknown as Record<string, unknown>;
  return name === 'notebook' ? deployment.notebook_path : record[name];
}

/** Whether a field exists for this deployment: a notebook has a kernel, a flow an entrypoint. */
export function applies(deployment: IDeployment, name: string): boolean {
  const notebook = deployment.notebook_path !== null;
  if (name === 'entrypoint') {
    return !notebook && deployment.entrypoint !== null;
  }
  return notebook || !['notebook', 'kernel_name', 'output_path', 'cell_timeout_seconds', 'source'].includes(name);
}

export function written(spec: IFieldSpec, value: unknown): string {
  if (value === null || value === undefined) {
    return '';
  }
  switch (spec.kind) {
    case 'words':
    case 'delays':
      return Array.isArray(value) ? value.join(', ') : String(value);
    case 'json':
      return JSON.stringify(value, null, 1);
    case 'rules':
      return JSON.stringify(value);
    default:
      return String(value);
  }
}

export function formOf(deployment: IDeployment): FormValues {
  return Object.fromEntries(FIELDS.map(spec => [spec.name, written(spec, valueOf(deployment, spec.name))]));
}

/** Who is told, of a form: its field holds the rules as JSON, for a form holds texts. */
export function rulesOf(text: string): INotifyRule[] {
  return text ? (JSON.parse(text) as INotifyRule[]) : [];
}

export type FormError = 'required' | 'whole' | 'number' | 'json' | 'rules';

function read(spec: IFieldSpec, text: string): { value: unknown } | { error: FormError } {
  const trimmed = text.trim();
  if (spec.kind === 'flag') {
    return { value: text === 'true' };
  }
  if (spec.kind === 'words') {
    return { value: [...new Set(trimmed.split(',').map(word => word.trim()))].filter(Boolean) };
  }
  if (spec.kind === 'rules') {
    const rules = rulesOf(text).map(({ events, to }) => ({ events, to: to.trim() }));
    return rules.every(({ events, to }) => events.length && to) ? { value: rules } : { error: 'rules' };
  }
  if (spec.kind === 'json') {
    if (!trimmed) {
      return { value: spec.nullable ? null : {} };
    }
    try {
      const value: unknown = JSON.parse(trimmed);
      return typeof value === 'object' && value !== null && !Array.isArray(value) ? { value } : { error: 'json' };
    } catch {
      return { error: 'json' };
    }
  }
  if (!trimmed) {
    return spec.nullable ? { value: null } : spec.kind === 'long' ? { value: '' } : { error: 'required' };
  }
  if (spec.kind === 'delays') {
    const delays = trimmed.split(',').map(Number);
    return delays.every(delay => Number.isFinite(delay) && delay >= 0)
      ? { value: delays.length === 1 ? delays[0] : delays }
      : { error: 'number' };
  }
  if (spec.kind === 'whole' || spec.kind === 'number') {
    const value = Number(trimmed);
    if (!Number.isFinite(value) || value < (spec.least ?? 0)) {
      return { error: spec.kind };
    }
    return spec.kind === 'whole' && !Number.isInteger(value) ? { error: 'whole' } : { value };
  }
  return { value: spec.kind === 'long' ? text : trimmed };
}

/** What differs from the deployment, ready to be sent; and what cannot be read, by field. */
export function changesOf(
  deployment: IDeployment,
  form: FormValues
): { body: Record<string, unknown>; errors: Record<string, FormError> } {
  const body: Record<string, unknown> = {};
  const errors: Record<string, FormError> = {};
  const before = formOf(deployment);
  for (const spec of FIELDS) {
    if (!applies(deployment, spec.name) || form[spec.name] === before[spec.name]) {
      continue;
    }
    const found = read(spec, form[spec.name]);
    if ('error' in found) {
      errors[spec.name] = found.error;
    } else if (!equal(found.value, valueOf(deployment, spec.name) ?? null)) {
      body[spec.name] = found.value;
    }
  }
  return { body, errors };
}
