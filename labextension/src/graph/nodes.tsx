/** What a node of the graph looks like: a run, a group of mapped tasks, an open box around others. */
import type { Node, NodeProps } from '@xyflow/react';
import * as React from 'react';
import type { IGraphModel } from './model';
import { runName } from '../pure/runname';
import { isActive, look, tally } from '../pure/states';
import { lasted } from '../pure/time';
import { Icon, StateIcon } from '../view/icons';
import { useNow } from '../view/context';
import type { ITranslator } from '../tokens';
import { KIND_ICONS } from '../view/runrow';
import type { IBox } from './scene';
import { membersOf } from './tones';
import type { Pulse } from './pulse';

export interface IGraphContext {
  model: IGraphModel;
  pulse: Pulse;
  trans: ITranslator;
  toggle: (id: string) => void;
  select: (id: string) => void;
  /** Names cannot be read: a node is a coloured box. */
  far: boolean;
}

export const GraphContext = React.createContext<IGraphContext | null>(null);

export type GraphNode = Node<{ box: IBox; marked: boolean }>;

function useGraph(id: string): IGraphContext {
  const context = React.useContext(GraphContext)!;
  React.useSyncExternalStore(
    React.useCallback(listener => context.pulse.subscribe(id, listener), [context, id]),
    () => context.pulse.version(id)
  );
  return context;
}

function Lasted({ run, running }: { run: Parameters<typeof lasted>[0]; running: boolean }): JSX.Element {
  return <>{lasted(run, useNow(running))}</>;
}

function Fold({ box, context }: { box: IBox; context: IGraphContext }): JSX.Element {
  const { item } = box;
  return (
    <button
      type="button"
      className="hr-node-fold nopan"
      tabIndex={-1}
      title={item.open ? context.trans.__('Collapse') : context.trans.__('Expand %1 runs', item.size)}
      aria-label={item.open ? context.trans.__('Collapse %1', item.title) : context.trans.__('Expand %1', item.title)}
      onClick={event => {
        event.stopPropagation();
        context.toggle(item.id);
      }}
    >
      <Icon name={item.open ? 'minus' : 'plus'} size={14} />
    </button>
  );
}

export const RunNode = React.memo(function RunNode({ data, id }: NodeProps<GraphNode>) {
  const context = useGraph(id);
  const run = context.model.nodes.get(id);
  const { box } = data;
  if (!run) {
    return null;
  }
  const { tone, label } = look(run.state_type, run.state_name);
  const mark = data.marked ? ' hr-mod-marked' : '';
  const frame = `${box.item.open ? ' hr-mod-open' : ''}${run.stale ? ' hr-mod-stale' : ''}`;
  const words = [
    run.state_type === 'COMPLETED' && !run.cached ? '' : label,
    run.stale ? context.trans.__('stale') : ''
  ];
  const second = words.filter(Boolean).join(' · ');
  if (context.far && !box.item.open) {
    // Hundreds come into view at once while one zooms out: what would be hidden is not made.
    return <div className={`hr-node hr-tone-${tone}${mark}${frame}`} />;
  }
  return (
    <div
      className={`hr-node hr-tone-${tone}${mark}${frame}`}
      title={
        [run.error_summary, run.state_message, ...(run.stale_reasons ?? [])].filter(Boolean).join('\n') || undefined
      }
    >
      <div className="hr-node-head">
        <StateIcon type={run.state_type} name={run.state_name} silent={!!second} />
        <div className="hr-node-text">
          <span className="hr-node-name">{runName(run)}</span>
          <span className="hr-node-second">
            <Icon name={KIND_ICONS[run.kind] ?? 'task'} size={11} />
            <Lasted run={run} running={isActive(run.state_type)} />
            {second && <span>{second}</span>}
            {run.attempt > 1 && <span>{context.trans.__('attempt %1', run.attempt)}</span>}
          </span>
        </div>
        {box.item.expandable && <Fold box={box} context={context} />}
      </div>
      {isActive(run.state_type) && run.progress && !box.item.open && (
        <div className="hr-node-bar">
          <div style={{ width: `${(100 * run.progress.done) / Math.max(1, run.progress.total)}%` }} />
        </div>
      )}
    </div>
  );
});

export const GroupNode = React.memo(function GroupNode({ data, id }: NodeProps<GraphNode>) {
  const context = useGraph(id);
  const { box } = data;
  const runs = membersOf(box.item, context.model.nodes);
  const count = tally(runs);
  const { tone } = look(count.type, count.name);
  const mark = data.marked ? ' hr-mod-marked' : '';
  const { trans } = context;
  return (
    <div className={`hr-node hr-mod-group hr-tone-${tone}${mark}${box.item.open ? ' hr-mod-open' : ''}`}>
      <div className="hr-node-head">
        <StateIcon type={count.type} name={count.name} />
        <div className="hr-node-text">
          <span className="hr-node-name">{box.item.title}</span>
          <span className="hr-node-second">
            {count.failed > 0 && (
              <span className="hr-node-failed">{trans.__('%1 failed', count.failed.toLocaleString())}</span>
            )}
            <span>
              {count.done === count.total
                ? trans._n('%2 run', '%2 runs', count.total, count.total.toLocaleString())
                : trans.__('%1 of %2', count.done.toLocaleString(), count.total.toLocaleString())}
            </span>
            {count.cached > 0 && <span>{trans.__('%1 cached', count.cached)}</span>}
          </span>
        </div>
        <Fold box={box} context={context} />
      </div>
      {!box.item.open && (
        <div className="hr-node-bar">
          <div style={{ width: `${(100 * (count.done - count.failed)) / Math.max(1, count.total)}%` }} />
          {count.failed > 0 && (
            <div className="hr-mod-failed" style={{ width: `${(100 * count.failed) / Math.max(1, count.total)}%` }} />
          )}
        </div>
      )}
    </div>
  );
});
