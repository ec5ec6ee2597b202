/** Above the graph: search, how it is arranged, zoom, and the picture as a file. */
import { useReactFlow } from '@xyflow/react';
import * as React from 'react';
import { IconButton } from '../view/basics';
import { useServices } from '../view/context';
import type { IGraphModel } from './model';
import type { Direction } from './scene';
import { NodeSearch } from './search';

interface IToolbarProps {
  model: IGraphModel;
  search: React.RefObject<HTMLInputElement>;
  direction: Direction;
  onChoose: (runId: string) => void;
  onDirection: (direction: Direction) => void;
  onFit: () => void;
  onSave: (kind: 'svg' | 'png') => void;
}

export function GraphToolbar(props: IToolbarProps): JSX.Element {
  const { trans } = useServices().host;
  const { direction, onDirection } = props;
  const flow = useReactFlow();
  const timed = direction === 'time';
  return (
    <div className="hr-toolbar">
      <NodeSearch model={props.model} inputRef={props.search} onChoose={run => props.onChoose(run.id)} />
      <span className="hr-grow" />
      {props.model.run && (
        <IconButton
          icon="gantt"
          label={trans.__('Arrange by time (Gantt)')}
          pressed={timed}
          onClick={() => onDirection(timed ? 'right' : 'time')}
        />
      )}
      <IconButton
        icon="turn"
        label={direction === 'right' ? trans.__('Draw from top to bottom') : trans.__('Draw from left to right')}
        disabled={timed}
        onClick={() => onDirection(direction === 'right' ? 'down' : 'right')}
      />
      <IconButton icon="minus" label={trans.__('Zoom out')} onClick={() => void flow.zoomOut()} />
      <IconButton icon="plus" label={trans.__('Zoom in')} onClick={() => void flow.zoomIn()} />
      <IconButton icon="fit" label={trans.__('Fit the whole graph')} onClick={props.onFit} />
      <SaveButton kind="svg" label={trans.__('Save the graph as SVG')} onSave={props.onSave} />
      <SaveButton kind="png" label={trans.__('Save the graph as PNG')} onSave={props.onSave} />
    </div>
  );
}

function SaveButton(props: { kind: 'svg' | 'png'; label: string; onSave: (kind: 'svg' | 'png') => void }): JSX.Element {
  return (
    <button
      type="button"
      className="hr-button hr-mod-wordy"
      title={props.label}
      onClick={() => props.onSave(props.kind)}
    >
      {props.kind.toUpperCase()}
    </button>
  );
}
