/** A traceback whose frames in the cell itself lead to the cell. */
import * as React from 'react';
import { plain } from '../pure/ansi';
import { cellFile } from '../pure/links';
import { AnsiText } from './basics';
import { useTrans } from './context';

/** Split at the frames that lie in a file. */
export function frames(text: string, file: string): { text: string; frame: boolean }[] {
  const result: { text: string; frame: boolean }[] = [];
  const mark = `File "${file}", line `;
  let from = 0;
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, from)) {
    const digits = /^\d+/.exec(text.slice(at + mark.length))?.[0] ?? '';
    const end = at + mark.length + digits.length;
    result.push({ text: text.slice(from, at), frame: false }, { text: text.slice(at, end), frame: true });
    from = end;
  }
  result.push({ text: text.slice(from), frame: false });
  return result.filter(piece => piece.text !== '');
}

export function Traceback({ text, onCell }: { text: string; onCell?: () => void }): JSX.Element {
  const trans = useTrans();
  const file = onCell ? cellFile(plain(text)) : null;
  if (!file) {
    return <AnsiText text={text} links />;
  }
  return (
    <>
      {frames(text, file).map((piece, at) =>
        piece.frame ? (
          <button
            key={at}
            type="button"
            className="hr-link hr-celllink"
            title={trans.__('Show this cell')}
            onClick={onCell}
          >
            {piece.text}
          </button>
        ) : (
          <AnsiText key={at} text={piece.text} links />
        )
      )}
    </>
  );
}
