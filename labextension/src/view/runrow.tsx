/** One run as a line of a list. */
import * as React from 'react';
import { runName, triggerWords } from '../pure/runname';
import { isActive, isFinal } from '../pure/states';
import { ago, exact, fromNow, lasted, when } from '../pure/time';
import type { IRun } from '../wire/words';
import type { Selection } from '../model/selection';
import { cancelRun } from './actions';
import { IconButton, ProgressBar } from './basics';
import { useNow, useServices } from './context';
import { Icon, StateIcon, type IconName } from './icons';

export const KIND_ICONS: Record<string, IconName> = { flow: 'flow', notebook: 'notebook', task: 'task', cell: 'cell' };

interface IRowProps {
  run: IRun;
  /** The tab stop of its list. */
  focusable: boolean;
  selected?: boolean;
  onFocus?: () => void;
  /** Set while the list's runs can be chosen. */
  picked?: boolean;
  onPick?: (id: string, range: boolean) => void;
  onOpen?: (run: IRun) => void;
}

function When({ run, running }: { run: IRun; running: boolean }): JSX.Element {
  const now = useNow(running);
  const at = run.started_at ?? run.scheduled_at ?? run.created_at;
  const soon = !isFinal(run.state_type) && !run.started_at;
  return (
    <span title={exact(at)}>
      {soon
        ? fromNow(run.scheduled_at ?? at, now)
        : Date.now() - Date.parse(at ?? '') < 864e5
          ? ago(at, now)
          : when(at, now)}
    </span>
  );
}

function Lasted({ run, running }: { run: IRun; running: boolean }): JSX.Element {
  const now = useNow(running);
  return <span className="hr-run-duration">{lasted(run, now)}</span>;
}

export const RunRow = React.memo(function RunRow({
  run,
  focusable,
  selected,
  onFocus,
  picked,
  onPick,
  onOpen
}: IRowProps) {
  const services = useServices();
  const { trans } = services.host;
  const running = isActive(run.state_type);
  const name = runName(run);
  const detail = [triggerWords(run.trigger, trans), run.attempt > 1 ? trans.__('attempt %1', run.attempt) : '']
    .filter(Boolean)
    .join(' · ');
  return (
    <li className={`hr-run${selected || picked ? ' hr-mod-selected' : ''}`} data-run-id={run.id}>
      {picked !== undefined && (
        <input
          type="checkbox"
          className="hr-run-pick"
          checked={picked}
          aria-label={trans.__('Choose %1', name)}
          onChange={() => undefined}
          onClick={event => onPick?.(run.id, event.shiftKey)}
        />
      )}
      <button
        type="button"
        className="hr-run-main"
        tabIndex={focusable ? 0 : -1}
        title={run.error_summary ?? run.state_message ?? run.notebook_path ?? name}
        onFocus={onFocus}
        onClick={() => (onOpen ? onOpen(run) : services.host.open({ page: 'run', id: run.id }))}
      >
        <StateIcon type={run.state_type} name={run.state_name} />
        <span className="hr-run-text">
          <span className="hr-run-first">
            <span className="hr-run-kind">
              <Icon name={KIND_ICONS[run.kind] ?? 'task'} size={14} />
            </span>
            <span className="hr-run-name">{name}</span>
            {!running && <Lasted run={run} running={false} />}
          </span>
          <span className="hr-run-second">
            {running && run.started_at ? <Lasted run={run} running /> : <When run={run} running={running} />}
            {detail && <span className="hr-run-detail">{detail}</span>}
          </span>
          {running && run.progress && (
            <span className="hr-run-progress">
              <ProgressBar progress={run.progress} label={trans.__('Progress of %1', name)} />
              <span>
                {run.progress.done}/{run.progress.total}
              </span>
            </span>
          )}
        </span>
      </button>
      {run.state_type === 'PAUSED' && (
        <IconButton
          icon="person"
          label={trans.__('Answer %1…', name)}
          onClick={() => services.host.dialog({ kind: 'answer', path: '', run })}
        />
      )}
      {running && run.state_type !== 'CANCELLING' && (
        <IconButton icon="stop" label={trans.__('Cancel %1', name)} onClick={() => void cancelRun(services, run)} />
      )}
    </li>
  );
});

/** Runs below each other; the arrow keys go from line to line. */
export function RunLines(props: {
  runs: readonly IRun[];
  label: string;
  onEnd?: () => void;
  selection?: Selection;
  /** What a click does; by default it opens the run. */
  onOpen?: (run: IRun) => void;
}): JSX.Element {
  const { selection } = props;
  const list = React.useRef<HTMLUListElement>(null);
  const end = React.useRef<HTMLLIElement>(null);
  const [focused, setFocused] = React.useState<string | null>(null);
  const current = props.runs.some(run => run.id === focused) ? focused : props.runs[0]?.id;
  const { onEnd } = props;
  const shown = React.useRef(props.runs);
  shown.current = props.runs;
  const onPick = React.useCallback(
    (id: string, range: boolean) => selection?.toggle(id, shown.current, range),
    [selection]
  );

  React.useEffect(() => {
    const mark = end.current;
    if (!mark || !onEnd) {
      return undefined;
    }
    const observer = new IntersectionObserver(entries => entries.some(entry => entry.isIntersecting) && onEnd(), {
      rootMargin: '300px'
    });
    observer.observe(mark);
    return () => observer.disconnect();
  }, [onEnd, props.runs.length]);

  const move = (event: React.KeyboardEvent) => {
    const lines = [...(list.current?.querySelectorAll<HTMLElement>('.hr-run-main') ?? [])];
    const at = lines.findIndex(line => line.parentElement?.dataset.runId === current);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
    if (next !== undefined && lines[next]) {
      event.preventDefault();
      lines[next].focus();
      if (event.shiftKey && selection) {
        onPick(lines[next].parentElement!.dataset.runId!, true);
      }
    } else if (event.key === 'x' && selection && current && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      onPick(current, false);
    }
  };

  return (
    <ul className="hr-runs" aria-label={props.label} ref={list} onKeyDown={move}>
      {props.runs.map(run => (
        <RunRow
          key={run.id}
          run={run}
          focusable={run.id === current}
          onFocus={() => setFocused(run.id)}
          picked={selection?.choosing ? selection.ids.has(run.id) : undefined}
          onPick={onPick}
          onOpen={props.onOpen}
        />
      ))}
      {onEnd && <li ref={end} className="hr-runs-end" aria-hidden="true" />}
    </ul>
  );
}
