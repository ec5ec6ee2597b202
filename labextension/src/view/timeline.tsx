/** The run's tasks along time: rows in the order of their start, only those in view drawn. */
import { useVirtualizer } from '@tanstack/react-virtual';
import * as React from 'react';
import type { RunModel } from '../model/run';
import { runName } from '../pure/runname';
import { isFinal, look } from '../pure/states';
import { ticksOf } from '../pure/ticks';
import { exact, lasted } from '../pure/time';
import type { IRun } from '../wire/words';
import { Empty, IconButton } from './basics';
import { useNow, useServices } from './context';
import { StateIcon } from './icons';

const ROW = 26;
/** Node changes redraw the rows at most this often. */
const EVERY_MS = 250;
function byStart(nodes: ReadonlyMap<string, IRun>): IRun[] {
  const key = (run: IRun) => run.started_at ?? '~';
  return [...nodes.values()].sort((a, b) =>
    key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : (a.cell_index ?? 0) - (b.cell_index ?? 0)
  );
}

function useRows(model: RunModel): IRun[] {
  const [rows, setRows] = React.useState(() => byStart(model.nodes));
  React.useEffect(() => {
    let timer = 0;
    const later = () => {
      timer ||= window.setTimeout(() => {
        timer = 0;
        setRows(byStart(model.nodes));
      }, EVERY_MS);
    };
    setRows(byStart(model.nodes));
    model.nodesChanged.connect(later);
    return () => {
      window.clearTimeout(timer);
      model.nodesChanged.disconnect(later);
    };
  }, [model, model.structure]);
  return rows;
}

export function Timeline(props: {
  model: RunModel;
  selected: string | null;
  onSelect: (id: string) => void;
}): JSX.Element {
  const { trans } = useServices().host;
  const { run } = props.model;
  const now = useNow(!isFinal(run?.state_type));
  const rows = useRows(props.model);
  const [zoom, setZoom] = React.useState(1);
  const view = React.useRef<HTMLDivElement>(null);
  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => view.current,
    estimateSize: () => ROW,
    overscan: 12
  });
  const starts = rows.map(row => Date.parse(row.started_at ?? '')).filter(Number.isFinite);
  const begin = Math.min(Date.parse(run?.started_at ?? '') || Infinity, starts[0] ?? Infinity);
  if (!rows.length || !Number.isFinite(begin)) {
    return <Empty title={trans.__('Nothing has started yet')} />;
  }
  const end = run?.ended_at
    ? Math.max(Date.parse(run.ended_at), ...[rows[rows.length - 1]].map(row => Date.parse(row.ended_at ?? '') || 0))
    : now;
  const span = Math.max(0.001, (end - begin) / 1000);
  const ticks = ticksOf(span, 8 * zoom);
  const percent = (seconds: number) => `${(100 * seconds) / span}%`;
  return (
    <div className="hr-timeline">
      <div className="hr-toolbar">
        <span className="hr-muted">{trans._n('%2 task', '%2 tasks', rows.length, rows.length.toLocaleString())}</span>
        <span className="hr-grow" />
        <IconButton icon="minus" label={trans.__('Zoom out')} disabled={zoom <= 1} onClick={() => setZoom(zoom / 2)} />
        <IconButton icon="plus" label={trans.__('Zoom in')} disabled={zoom >= 64} onClick={() => setZoom(zoom * 2)} />
      </div>
      <div className="hr-timeline-view" ref={view} tabIndex={0}>
        <div className="hr-timeline-plane" style={{ width: `calc(220px + (100% - 240px) * ${zoom})` }}>
          <div className="hr-timeline-axis" aria-hidden="true">
            {ticks.map(tick => (
              <span key={tick.seconds} style={{ left: percent(tick.seconds) }}>
                {tick.label}
              </span>
            ))}
          </div>
          <div className="hr-timeline-rows" style={{ height: list.getTotalSize() }}>
            <div className="hr-timeline-grid" aria-hidden="true">
              {ticks.map(tick => (
                <i key={tick.seconds} style={{ left: percent(tick.seconds) }} />
              ))}
            </div>
            {list.getVirtualItems().map(item => {
              const row = rows[item.index];
              const from = row.started_at ? (Date.parse(row.started_at) - begin) / 1000 : null;
              const to = row.ended_at ? (Date.parse(row.ended_at) - begin) / 1000 : span;
              const { label, tone } = look(row.state_type, row.state_name);
              return (
                <button
                  key={row.id}
                  type="button"
                  className={`hr-timeline-row${props.selected === row.id ? ' hr-mod-selected' : ''}`}
                  style={{ transform: `translateY(${item.start}px)`, height: ROW }}
                  title={`${runName(row)} · ${label} · ${exact(row.started_at)} · ${lasted(row, now)}`}
                  onClick={() => props.onSelect(row.id)}
                >
                  <span className="hr-timeline-name">
                    <StateIcon type={row.state_type} name={row.state_name} size={13} />
                    <span>{runName(row)}</span>
                  </span>
                  <span className="hr-timeline-track">
                    {from !== null && (
                      <span
                        className={`hr-timeline-bar hr-tone-${tone}`}
                        style={{ left: percent(from), width: percent(Math.max(0, to - from)) }}
                      >
                        <span className={from > span * 0.8 ? 'hr-mod-before' : undefined}>{lasted(row, now)}</span>
                      </span>
                    )}
                  </span>
                </button>
              );
            })}
          </div>
        </div>
      </div>
    </div>
  );
}
