/** Recent runs with their filters, and what is done to many of them. */
import * as React from 'react';
import { conditions, narrowed, type IRunFilter } from '../model/filter';
import { RunListModel } from '../model/runlist';
import { Selection } from '../model/selection';
import { Empty, IconButton, Loading, Problem, SearchBox } from './basics';
import { BulkBar } from './bulk';
import { useModel, useOwned, useServices, useSettled } from './context';
import { FilterPanel } from './runfilter';
import { RunLines } from './runrow';

/** A person who types is not asked about after each letter. */
const TYPING_MS = 250;
const NOTHING_FIXED: Partial<IRunFilter> = {};

export function RecentRuns(props: { model: RunListModel; fixed?: Partial<IRunFilter> }): JSX.Element {
  const { model, fixed = NOTHING_FIXED } = props;
  useModel(model);
  const { trans } = useServices().host;
  const selection = useOwned(() => new Selection(), [model]);
  const [text, setText] = React.useState(model.filter.text);
  const [filtering, setFiltering] = React.useState(false);
  const settled = useSettled(text, TYPING_MS);
  React.useEffect(() => model.setFilter({ text: settled }), [model, settled]);
  const onEnd = React.useCallback(() => model.loadMore(), [model]);
  const frame = React.useRef<HTMLDivElement>(null);
  const search = React.useRef<HTMLInputElement>(null);
  const count = conditions(model.filter, fixed);

  const onKeyDown = (event: React.KeyboardEvent) => {
    const { target } = event;
    const typing = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
    if (typing || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (event.key === '/') {
      search.current?.focus();
    } else if (event.key === 'Escape' && selection.choosing) {
      selection.setChoosing(false);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div className="hr-recent" ref={frame} onKeyDown={onKeyDown}>
      <SearchBox
        value={text}
        placeholder={trans.__('Search runs by name, path or tag')}
        onChange={setText}
        inputRef={search}
        onKeyDown={event => {
          if (event.key === 'ArrowDown') {
            event.preventDefault();
            frame.current?.querySelector<HTMLElement>('.hr-run-main')?.focus();
          }
        }}
      >
        <IconButton
          icon="filter"
          label={count ? trans.__('Filters (%1)', count) : trans.__('Filters')}
          pressed={filtering || count > 0}
          onClick={() => setFiltering(!filtering)}
        />
        <IconButton
          icon="pick"
          label={trans.__('Choose runs')}
          pressed={selection.choosing}
          onClick={() => selection.setChoosing(!selection.choosing)}
        />
      </SearchBox>
      {filtering && <FilterPanel model={model} fixed={fixed} onText={setText} />}
      <BulkBar selection={selection} shown={model.items} />
      {model.error && <Problem message={model.error} onRetry={() => model.reload()} />}
      {model.loading && !model.error && <Loading />}
      {!model.loading && !model.items.length && !model.error && <NoRuns filtered={narrowed(model.filter, fixed)} />}
      {model.items.length > 0 && (
        <RunLines
          runs={model.items}
          label={trans.__('Recent runs')}
          onEnd={model.more ? onEnd : undefined}
          selection={selection}
        />
      )}
    </div>
  );
}

/** What to do where nothing is to be seen. */
export function NoRuns({ filtered = false }: { filtered?: boolean }): JSX.Element {
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
