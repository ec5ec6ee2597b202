/** Between a notebook's parameter and what a person types for it. */
import type { IParameter } from '../wire/words';

export type FieldKind = 'text' | 'integer' | 'number' | 'boolean' | 'choice' | 'json' | 'secret';

export type Parsed = { ok: true; value: unknown } | { ok: false; error: 'integer' | 'number' | 'json' | 'required' };

const KINDS: [RegExp, FieldKind][] = [
  [/^(int|integer|long)$/i, 'integer'],
  [/^(float|double|number|real)$/i, 'number'],
  [/^(bool|boolean|logical)$/i, 'boolean'],
  [/^(str|string|char|character|path|date|datetime)$/i, 'text'],
  [/^(list|dict|tuple|set|array|object|sequence|mapping)\b/i, 'json']
];

/** Which kind of field a parameter gets: by its choices, its type, else the type of its default. */
export function fieldKind(parameter: IParameter): FieldKind {
  if (parameter.secret) {
    return 'secret';
  }
  if (parameter.choices?.length) {
    return 'choice';
  }
  const named = KINDS.find(([pattern]) => pattern.test((parameter.type || parameter.annotation || '').trim()));
  if (named) {
    return named[1];
  }
  const value = parameter.default;
  if (typeof value === 'boolean') {
    return 'boolean';
  }
  if (typeof value === 'number') {
    return Number.isInteger(value) ? 'integer' : 'number';
  }
  return typeof value === 'object' && value !== null ? 'json' : 'text';
}

/** A value as it stands in its field. */
export function written(value: unknown, kind: FieldKind): string {
  if (value === null || value === undefined) {
    return '';
  }
  if (kind === 'choice' || kind === 'json' || typeof value !== 'string') {
    return JSON.stringify(value);
  }
  return value;
}

/** What stands for a secret in what the server says: it keeps none. */
export const MASK = '•••';

/** Parameters of a run that is made again: its own values are the defaults, and secrets have to be given again. */
export function askedAgain(parameters: readonly IParameter[], given: Record<string, unknown>): IParameter[] {
  return parameters.map(parameter => {
    if (!Object.prototype.hasOwnProperty.call(given, parameter.name)) {
      return parameter;
    }
    const value = given[parameter.name];
    return value === MASK ? { ...parameter, default: null, required: true } : { ...parameter, default: value };
  });
}

/** Read a field. An empty field of an optional parameter means null. */
export function parse(text: string, kind: FieldKind, parameter: Pick<IParameter, 'required' | 'default'>): Parsed {
  const trimmed = text.trim();
  if (!trimmed && kind !== 'boolean') {
    if (parameter.required) {
      return { ok: false, error: 'required' };
    }
    // An empty text is a value of its own where the default is a text.
    return { ok: true, value: kind === 'text' && typeof parameter.default === 'string' ? text : null };
  }
  switch (kind) {
    case 'integer':
      return /^[+-]?\d+$/.test(trimmed) && Number.isSafeInteger(Number(trimmed))
        ? { ok: true, value: Number(trimmed) }
        : { ok: false, error: 'integer' };
    case 'number':
      return Number.isFinite(Number(trimmed)) ? { ok: true, value: Number(trimmed) } : { ok: false, error: 'number' };
    case 'boolean':
      return { ok: true, value: trimmed === 'true' };
    case 'choice':
    case 'json':
      try {
        return { ok: true, value: JSON.parse(trimmed) };
      } catch {
        return { ok: false, error: 'json' };
      }
    default:
      return { ok: true, value: text };
  }
}
