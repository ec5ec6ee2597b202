/** The view of a place in the main area. */
import '../../style/views.css';
import * as React from 'react';
import { runName } from '../pure/runname';
import { look } from '../pure/states';
import type { Place } from '../tokens';
import { CompareView } from './compare';
import { DeploymentView } from './deployment';
import { HomePage } from './home';
import { RunView } from './run';
import { RunsPage } from './runspage';
import { WorkersPage } from './workers';

interface IPlaceProps {
  place: Place;
  onPlace: (place: Place) => void;
  onTitle: (label: string, caption: string) => void;
  onClose: () => void;
}

export function PlaceView({ place, onPlace, onTitle, onClose }: IPlaceProps): JSX.Element {
  const calls = React.useRef({ onPlace, onTitle });
  calls.current = { onPlace, onTitle };
  const id = place.page === 'run' ? place.id : '';
  const keep = React.useCallback(
    ({ tab, node }: { tab: string; node: string | null }) =>
      calls.current.onPlace({ page: 'run', id, tab, node: node ?? undefined }),
    [id]
  );
  const name = React.useCallback((label: string, caption: string) => calls.current.onTitle(label, caption), []);
  const title = React.useCallback(
    (run: Parameters<typeof runName>[0] & { state_type: Parameters<typeof look>[0]; state_name: string | null }) =>
      calls.current.onTitle(runName(run), `${runName(run)} – ${look(run.state_type, run.state_name).label}`),
    []
  );
  if (place.page === 'run') {
    return (
      <RunView
        runId={place.id}
        place={{ tab: place.tab, node: place.node ?? null }}
        onPlace={keep}
        onTitle={title}
        onDeleted={onClose}
      />
    );
  }
  if (place.page === 'deployment') {
    return <DeploymentView key={place.id} id={place.id} onTitle={name} onClose={onClose} />;
  }
  if (place.page === 'compare') {
    return (
      <CompareView
        key={place.id}
        id={place.id}
        other={place.other ?? null}
        onOther={other => onPlace({ ...place, other })}
        onTitle={name}
      />
    );
  }
  if (place.page === 'workers') {
    return <WorkersPage onTitle={name} />;
  }
  return place.page === 'runs' ? <RunsPage /> : <HomePage />;
}
