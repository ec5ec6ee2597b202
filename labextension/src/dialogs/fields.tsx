/** Fields with a label, help and what is wrong beside them. */
import * as React from 'react';
import { fieldKind, type Parsed } from '../pure/parse';
import { clean } from '../pure/ansi';
import type { ITranslator } from '../tokens';
import type { IParameter } from '../wire/words';
import { useTrans } from '../view/context';

export function Field(props: {
  label: string;
  hint?: string | null;
  note?: string | null;
  error?: string | null;
  required?: boolean;
  /** The label stands beside a check box. */
  check?: boolean;
  children: (ids: { id: string; 'aria-describedby': string; 'aria-invalid': boolean }) => React.ReactNode;
}): JSX.Element {
  const id = React.useId();
  const about = `${id}-about`;
  return (
    <div className={`hr-field${props.check ? ' hr-mod-check' : ''}${props.error ? ' hr-mod-invalid' : ''}`}>
      <label htmlFor={id}>
        {props.label}
        {props.required && <span aria-hidden="true"> *</span>}
        {props.note && <span className="hr-field-note">{props.note}</span>}
      </label>
      {props.children({ id, 'aria-describedby': about, 'aria-invalid': !!props.error })}
      <div id={about} className="hr-field-about">
        {props.error ? <span className="hr-field-error">{props.error}</span> : props.hint}
      </div>
    </div>
  );
}

/** What kind of value is asked for; code's own words for a type stay as they are. */
function typeWords(type: string | null | undefined, trans: ITranslator): string | null {
  switch (type) {
    case 'string':
      return trans.__('text');
    case 'integer':
      return trans.__('whole number');
    case 'number':
      return trans.__('number');
    case 'boolean':
      return null;
    default:
      return type ?? null;
  }
}

/** What is wrong with a text, in words. */
export function parseWords(parsed: Parsed, trans: ITranslator): string | null {
  if (parsed.ok) {
    return null;
  }
  switch (parsed.error) {
    case 'required':
      return trans.__('A value is needed.');
    case 'integer':
      return trans.__('A whole number is needed.');
    case 'number':
      return trans.__('A number is needed.');
    case 'json':
      return trans.__('A list or object is written as JSON, such as [1, 2] or {"a": 1}.');
  }
}

export function ParameterField(props: {
  parameter: IParameter;
  value: string;
  error: string | null;
  onChange: (value: string) => void;
}): JSX.Element {
  const trans = useTrans();
  const { parameter, value, onChange } = props;
  const kind = fieldKind(parameter);
  const common = {
    label: clean(parameter.name),
    hint: parameter.help ? clean(parameter.help) : null,
    note: typeWords(parameter.type || parameter.annotation, trans),
    error: props.error,
    required: parameter.required,
    check: kind === 'boolean'
  };
  return (
    <Field {...common}>
      {ids => {
        if (kind === 'boolean') {
          return (
            <input
              {...ids}
              type="checkbox"
              checked={value === 'true'}
              onChange={event => onChange(String(event.target.checked))}
            />
          );
        }
        if (kind === 'choice') {
          return (
            <select {...ids} value={value} onChange={event => onChange(event.target.value)}>
              {!value && <option value="" />}
              {parameter.choices!.map(choice => (
                <option key={JSON.stringify(choice)} value={JSON.stringify(choice)}>
                  {typeof choice === 'string' ? choice : JSON.stringify(choice)}
                </option>
              ))}
            </select>
          );
        }
        if (kind === 'json') {
          return (
            <textarea
              {...ids}
              rows={2}
              spellCheck={false}
              value={value}
              onChange={event => onChange(event.target.value)}
            />
          );
        }
        return (
          <input
            {...ids}
            type={kind === 'secret' ? 'password' : 'text'}
            inputMode={kind === 'integer' ? 'numeric' : kind === 'number' ? 'decimal' : undefined}
            autoComplete="off"
            spellCheck={false}
            placeholder={parameter.default === null || parameter.default === undefined ? trans.__('none') : undefined}
            value={value}
            onChange={event => onChange(event.target.value)}
          />
        );
      }}
    </Field>
  );
}
