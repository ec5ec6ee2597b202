/** Values of unknown shape: parameters, details, results. */
import * as React from 'react';
import { clean } from '../pure/ansi';
import { CopyButton } from './basics';
import { useTrans } from './context';

/** Cut on screen; the copy is whole. */
const LONGEST = 20_000;

export function text(value: unknown, indent = 0): string {
  return typeof value === 'string' ? value : (JSON.stringify(value, null, indent) ?? String(value));
}

function shortened(value: string): string {
  return clean(value.length > LONGEST ? `${value.slice(0, LONGEST)} …` : value);
}

/** Names and values below each other. */
export function ValueTable({ values, label }: { values: Record<string, unknown>; label: string }): JSX.Element {
  return (
    <table className="hr-values" aria-label={label}>
      <tbody>
        {Object.entries(values).map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{clean(name)}</th>
            <td>
              <code>{shortened(text(value, typeof value === 'object' ? 1 : 0))}</code>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A value as indented JSON, with a button that copies it. */
export function JsonBlock({ value }: { value: unknown }): JSX.Element {
  const trans = useTrans();
  const written = text(value, 2);
  return (
    <div className="hr-code">
      <CopyButton label={trans.__('Copy')} text={() => written} />
      <pre tabIndex={0}>{shortened(written)}</pre>
    </div>
  );
}

/** Source code or other text in a fixed font. */
export function CodeBlock({ source }: { source: string }): JSX.Element {
  const trans = useTrans();
  return (
    <div className="hr-code">
      <CopyButton label={trans.__('Copy')} text={() => source} />
      <pre tabIndex={0}>{shortened(source)}</pre>
    </div>
  );
}
