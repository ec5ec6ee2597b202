/** Find a task of the run by name and go there; the list is a combobox as ARIA's pattern has it. */
import * as React from 'react';
import type { IGraphModel } from './model';
import { runName } from '../pure/runname';
import type { IRun } from '../wire/words';
import { SearchBox } from '../view/basics';
import { useTrans } from '../view/context';
import { StateIcon } from '../view/icons';
import { find } from './reveal';

const MOST = 50;

export function NodeSearch(props: {
  model: IGraphModel;
  onChoose: (run: IRun) => void;
  inputRef: React.Ref<HTMLInputElement>;
}): JSX.Element {
  const trans = useTrans();
  const [text, setText] = React.useState('');
  const [at, setAt] = React.useState(0);
  const id = React.useId();
  const found = React.useMemo(
    () => (text.trim() ? find(props.model.nodes, text, MOST) : []),
    // The nodes are one map that grows: its structure number says when.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [text, props.model, props.model.structure]
  );
  const choose = (run: IRun | undefined) => {
    if (run) {
      setText('');
      props.onChoose(run);
    }
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    event.stopPropagation();
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      setAt(Math.max(0, Math.min(found.length - 1, at + (event.key === 'ArrowDown' ? 1 : -1))));
    } else if (event.key === 'Enter') {
      choose(found[at]);
    }
  };
  return (
    <div className="hr-nodesearch">
      <SearchBox
        value={text}
        placeholder={trans.__('Find a task')}
        inputRef={props.inputRef}
        onChange={value => {
          setText(value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      >
        {text.trim() && (
          <span className="hr-matches" role="status">
            {found.length === MOST ? `${MOST}+` : found.length}
          </span>
        )}
      </SearchBox>
      {found.length > 0 && (
        <ul className="hr-nodesearch-list" role="listbox" id={id} aria-label={trans.__('Tasks found')}>
          {found.map((run, index) => (
            <li
              key={run.id}
              role="option"
              aria-selected={index === at}
              ref={element => index === at && element?.scrollIntoView?.({ block: 'nearest' })}
              onMouseDown={event => {
                event.preventDefault();
                choose(run);
              }}
            >
              <StateIcon type={run.state_type} name={run.state_name} size={14} />
              <span>{runName(run)}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
