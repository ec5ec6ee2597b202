/** Recent runs with their filters. */
import * as React from 'react';
import { narrowed } from '../model/filter';
import { RunListModel } from '../model/runlist';
import { ALL, TYPE_LABELS } from '../pure/states';
import type { StateType } from '../wire/words';
import { Empty, IconButton, Loading, Problem, SearchBox } from './basics';
import { useModel, useServices, useSettled } from './context';
import { StateIcon } from './icons';
import { RunLines } from './runrow';

/** A person who types is not asked about after each letter. */
const TYPING_MS = 250;

function StateFilter({ model }: { model: RunListModel }): JSX.Element {
  const { trans } = useServices().host;
  const { states } = model.filter;
  const toggle = (type: StateType) =>
    model.setFilter({ states: states.includes(type) ? states.filter(state => state !== type) : [...states, type] });
  return (
    <div className="hr-statefilter" role="group" aria-label={trans.__('Show only runs that are')}>
      {ALL.map(type => (
        <button
          key={type}
          type="button"
          className="hr-chip"
          aria-pressed={states.includes(type)}
          onClick={() => toggle(type)}
        >
          <StateIcon type={type} silent size={12} />
          {TYPE_LABELS[type]}
        </button>
      ))}
    </div>
  );
}

export function RecentRuns({ model }: { model: RunListModel }): JSX.Element {
  useModel(model);
  const { trans } = useServices().host;
  const [text, setText] = React.useState(model.filter.text);
  const [filtering, setFiltering] = React.useState(model.filter.states.length > 0);
  const settled = useSettled(text, TYPING_MS);
  React.useEffect(() => model.setFilter({ text: settled }), [model, settled]);
  const onEnd = React.useCallback(() => model.loadMore(), [model]);
  const list = React.useRef<HTMLDivElement>(null);

  return (
    <div className="hr-recent" ref={list}>
      <SearchBox
        value={text}
        placeholder={trans.__('Filter runs by name, path or tag')}
        onChange={setText}
        onKeyDown={event => {
          if (event.key === 'ArrowDown') {
            event.preventDefault();
            list.current?.querySelector<HTMLElement>('.hr-run-main')?.focus();
          }
        }}
      >
        <IconButton
          icon="filter"
          label={trans.__('Filter by state')}
          pressed={filtering || model.filter.states.length > 0}
          onClick={() => {
            setFiltering(!filtering);
            if (filtering) {
              model.setFilter({ states: [] });
            }
          }}
        />
      </SearchBox>
      {filtering && <StateFilter model={model} />}
      {model.error && <Problem message={model.error} onRetry={() => model.reload()} />}
      {model.loading && !model.error && <Loading />}
      {!model.loading && !model.items.length && !model.error && <NoRuns filtered={narrowed(model.filter)} />}
      {model.items.length > 0 && (
        <RunLines runs={model.items} label={trans.__('Recent runs')} onEnd={model.more ? onEnd : undefined} />
      )}
    </div>
  );
}

function NoRuns({ filtered }: { filtered: boolean }): JSX.Element {
  const { trans, inLab } = useServices().host;
  if (filtered) {
    return <Empty title={trans.__('No run fits the filter')} />;
  }
  return (
    <Empty title={trans.__('Nothing has run yet')}>
      <p>
        {inLab
          ? trans.__(
              'Right-click a notebook in the file browser and choose “Run with parameters…”, or begin a cell with'
            )
          : trans.__('Run a notebook from the command line:')}
      </p>
      <pre>{inLab ? '%load_ext headrace\n%%task' : 'headrace run notebook.ipynb'}</pre>
    </Empty>
  );
}
