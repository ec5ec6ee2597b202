/** A log: fixed rows fed by line ranges, a tail that lets go when one scrolls up, search on the server. */
import * as React from 'react';
import { LogModel, type ILogFilter } from '../model/logs';
import type { RunModel } from '../model/run';
import { plain } from '../pure/ansi';
import { logTime } from '../pure/time';
import type { ILogLine } from '../wire/words';
import { AnsiText, CopyButton, Empty, IconButton, Problem, SearchBox } from '../view/basics';
import { Icon } from '../view/icons';
import { useOwned, useServices, useSettled, useTrans } from '../view/context';
import { Traceback } from '../view/traceback';
import { offsetOf, ROW_HEIGHT, scale, scrollOf } from './scale';

/** A line longer than this is cut on screen; copying and downloading give it whole. */
const LONGEST = 10_000;
const TYPING_MS = 250;

function levelClass(level: number): string {
  if (level >= 40) {
    return 'error';
  }
  if (level >= 30) {
    return 'warning';
  }
  return level >= 20 ? 'info' : 'debug';
}

export function levelName(level: number): string {
  if (level >= 50) {
    return 'CRITICAL';
  }
  return { error: 'ERROR', warning: 'WARNING', info: 'INFO', debug: 'DEBUG' }[levelClass(level)] ?? '';
}

interface ILineProps {
  line: ILogLine | undefined;
  index: number;
  source: string | null;
  /** Given where the line's run can be shown. */
  onSource?: (runId: string) => void;
  sourceTitle?: string;
  /** Show all lines of a message that has several. */
  onWhole: (line: ILogLine) => void;
  wrap: boolean;
}

const Line = React.memo(function Line(props: ILineProps) {
  const { line, index, source, onSource } = props;
  const trans = useTrans();
  if (!line) {
    return (
      <div className="hr-log-line hr-mod-waiting" style={{ height: ROW_HEIGHT }}>
        <span className="hr-log-number">{index + 1}</span>
      </div>
    );
  }
  const breaks = props.wrap ? 0 : line.message.split('\n').length - 1;
  const whole = breaks ? line.message.slice(0, line.message.indexOf('\n')) : line.message;
  const text = whole.length > LONGEST ? `${whole.slice(0, LONGEST)} …` : whole;
  return (
    <div className={`hr-log-line hr-level-${levelClass(line.level)}`}>
      <span className="hr-log-number">{line.number + 1}</span>
      <span className="hr-log-time" title={line.at}>
        {logTime(line.at)}
      </span>
      <span className="hr-log-level">{levelName(line.level)}</span>
      {source !== null &&
        (source && onSource ? (
          <button
            type="button"
            className="hr-log-source hr-link"
            tabIndex={-1}
            title={props.sourceTitle}
            onClick={() => onSource(line.run_id)}
          >
            {source}
          </button>
        ) : (
          <span className="hr-log-source">{source}</span>
        ))}
      <span className="hr-log-text">
        <AnsiText text={text} links />
        {breaks > 0 && (
          <button type="button" className="hr-log-more hr-link" tabIndex={-1} onClick={() => props.onWhole(line)}>
            {trans._n('+%1 line', '+%1 lines', breaks, breaks)}
          </button>
        )}
      </span>
    </div>
  );
});

interface ILogViewProps {
  run: RunModel;
  /** One node's lines only. */
  nodeId?: string;
  /** Less around it: inside another panel. */
  compact?: boolean;
  /** Show the run that wrote a line. */
  onSource?: (runId: string) => void;
}

export function LogView({ run, nodeId, compact, onSource }: ILogViewProps): JSX.Element {
  const services = useServices();
  const { trans } = services.host;
  const wanted: Partial<ILogFilter> = { runId: nodeId ?? null };
  const model = useOwned(() => new LogModel(services.manager, run.rootId, wanted), [run.rootId, nodeId]);
  const view = React.useRef<HTMLDivElement>(null);
  const [height, setHeight] = React.useState(300);
  const [offset, setOffset] = React.useState(0);
  const [following, setFollowing] = React.useState(true);
  const [wrap, setWrap] = React.useState(false);
  const [whole, setWhole] = React.useState<ILogLine | null>(null);
  const [search, setSearch] = React.useState('');
  const settled = useSettled(search, TYPING_MS);
  const sizes = scale(model.total, height);

  React.useEffect(() => {
    if (settled !== model.filter.search) {
      model.setFilter({ search: settled });
    }
  }, [model, settled]);

  React.useEffect(() => {
    const grow = () => model.grow();
    run.logsGrown.connect(grow);
    return () => void run.logsGrown.disconnect(grow);
  }, [run, model]);

  React.useLayoutEffect(() => {
    const element = view.current;
    if (!element) {
      return undefined;
    }
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    setHeight(element.clientHeight);
    return () => observer.disconnect();
  }, []);

  // The tail: keep the end in view as lines come.
  React.useLayoutEffect(() => {
    if (following && view.current) {
      const end = Math.max(0, sizes.full - height);
      setOffset(end);
      view.current.scrollTop = scrollOf(end, sizes);
    }
  }, [following, sizes.full, height]); // eslint-disable-line react-hooks/exhaustive-deps

  const first = Math.max(0, Math.floor(offset / ROW_HEIGHT) - (wrap ? 0 : 5));
  const last = Math.min(model.total, Math.ceil((offset + height) / ROW_HEIGHT) + 5);
  React.useEffect(() => model.ensure(first, last), [model, model.version, first, last]);

  const moveTo = (next: number) => {
    const end = Math.max(0, sizes.full - height);
    const at = Math.max(0, Math.min(end, next));
    setOffset(at);
    setFollowing(at >= end - 2);
    if (view.current) {
      view.current.scrollTop = scrollOf(at, sizes);
    }
  };
  const onScroll = () => {
    const element = view.current;
    if (element && Math.abs(scrollOf(offset, sizes) - element.scrollTop) > 1) {
      const next = offsetOf(element.scrollTop, sizes, height);
      setOffset(next);
      setFollowing(next >= sizes.full - height - 2);
    }
  };
  // Where the scroll bar is scaled, a turn of the wheel must still move by lines.
  React.useEffect(() => {
    const element = view.current;
    if (!element || sizes.ratio === 1) {
      return undefined;
    }
    const onWheel = (event: WheelEvent) => {
      if (!event.ctrlKey && event.deltaY) {
        event.preventDefault();
        moveTo(offset + event.deltaY * (event.deltaMode === 1 ? ROW_HEIGHT : 1));
      }
    };
    element.addEventListener('wheel', onWheel, { passive: false });
    return () => element.removeEventListener('wheel', onWheel);
  });
  const onKeyDown = (event: React.KeyboardEvent) => {
    const page = height - 2 * ROW_HEIGHT;
    const step = {
      ArrowDown: ROW_HEIGHT,
      ArrowUp: -ROW_HEIGHT,
      PageDown: page,
      PageUp: -page,
      Home: -Infinity,
      End: Infinity
    }[event.key];
    if (step !== undefined && event.target === view.current) {
      event.preventDefault();
      moveTo(step === Infinity ? sizes.full : step === -Infinity ? 0 : offset + step);
    }
  };

  const levels: [number, string][] = [
    [0, trans.__('All levels')],
    [10, trans.__('Debug')],
    [20, trans.__('Info')],
    [30, trans.__('Warning')],
    [40, trans.__('Error')]
  ];
  const lines: JSX.Element[] = [];
  const names = !nodeId;
  for (let index = first; index < last; index += 1) {
    const line = model.line(index);
    const source = names ? (line ? (run.nodes.get(line.run_id)?.name ?? '') : '') : null;
    lines.push(
      <Line
        key={index}
        line={line}
        index={index}
        source={source}
        onSource={onSource}
        onWhole={setWhole}
        wrap={wrap}
        sourceTitle={onSource && trans.__('Show the cell or task that wrote this')}
      />
    );
  }
  const top = scrollOf(offset, sizes) + (wrap ? 0 : first * ROW_HEIGHT - offset);
  const copyVisible = () =>
    lines
      .map((_, at) => model.line(first + at))
      .filter((line): line is ILogLine => !!line)
      .map(line => `${line.at} ${levelName(line.level)} ${plain(line.message)}`)
      .join('\n');

  return (
    <div className={`hr-log${compact ? ' hr-mod-compact' : ''}`}>
      <div className="hr-toolbar">
        <SearchBox value={search} placeholder={trans.__('Search the log')} onChange={setSearch}>
          {model.matches !== null && (
            <span className="hr-matches" role="status">
              {trans._n('%2 line', '%2 lines', model.matches, model.matches.toLocaleString())}
            </span>
          )}
        </SearchBox>
        <select
          className="hr-select"
          aria-label={trans.__('Lowest level')}
          value={model.filter.level}
          onChange={event => model.setFilter({ level: Number(event.target.value) })}
        >
          {levels.map(([level, label]) => (
            <option key={level} value={level}>
              {label}
            </option>
          ))}
        </select>
        <span className="hr-grow" />
        {!compact && (
          <span className="hr-muted">{trans._n('%2 line', '%2 lines', model.total, model.total.toLocaleString())}</span>
        )}
        <IconButton icon="wrap" label={trans.__('Wrap long lines')} pressed={wrap} onClick={() => setWrap(!wrap)} />
        <IconButton
          icon="copy"
          label={trans.__('Copy the lines in view')}
          onClick={() => void navigator.clipboard?.writeText(copyVisible())}
        />
        <a
          className="hr-button"
          href={model.downloadUrl('text')}
          download
          title={trans.__('Download the whole log')}
          aria-label={trans.__('Download the whole log')}
        >
          <Icon name="download" />
        </a>
        <IconButton
          icon="follow"
          label={following ? trans.__('Following the end') : trans.__('Go to the end and follow')}
          pressed={following}
          onClick={() => moveTo(sizes.full)}
        />
      </div>
      {model.error && <Problem message={model.error} onRetry={() => model.setFilter({})} />}
      <div
        ref={view}
        className={`hr-log-view${wrap ? ' hr-mod-wrap' : ''}`}
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label={trans.__('Log')}
        onScroll={onScroll}
        onKeyDown={onKeyDown}
      >
        {!model.total && !model.loading && !model.error && (
          <Empty title={model.filter.search ? trans.__('No line matches') : trans.__('No log lines')} />
        )}
        <div className="hr-log-space" style={{ height: sizes.drawn }}>
          <div className="hr-log-window" style={{ transform: `translateY(${top}px)` }}>
            {lines}
          </div>
        </div>
      </div>
      {whole && (
        <section className="hr-log-whole" aria-label={trans.__('The whole message')}>
          <header>
            <span className="hr-muted">
              {[levelName(whole.level), run.nodes.get(whole.run_id)?.name, logTime(whole.at)]
                .filter(Boolean)
                .join(' · ')}
            </span>
            <span className="hr-grow" />
            <CopyButton label={trans.__('Copy')} text={() => plain(whole.message)} />
            <IconButton icon="close" label={trans.__('Close')} onClick={() => setWhole(null)} />
          </header>
          <pre tabIndex={0}>
            <Traceback
              text={whole.message}
              onCell={onSource && run.nodes.get(whole.run_id)?.cell_id ? () => onSource(whole.run_id) : undefined}
            />
          </pre>
        </section>
      )}
    </div>
  );
}
