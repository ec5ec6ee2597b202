/** The head of a run's view: what it is, how it stands, what can be done. */
import * as React from 'react';
import type { RunModel } from '../model/run';
import { clean } from '../pure/ansi';
import { fileName, runName, triggerWords } from '../pure/runname';
import { isActive, isFinal } from '../pure/states';
import { ago, exact, fromNow, lasted, when } from '../pure/time';
import type { IFullRun } from '../wire/words';
import { cancelRun, continueRun, deleteRun, rerun, unpause } from './actions';
import { IconButton, ProgressBar } from './basics';
import { useNow, useServices } from './context';
import { Icon, StateBadge } from './icons';
import { KIND_ICONS } from './runrow';
import { ShareDialog } from './share';
import { text } from './values';

const SHOWN = 4;
const LONGEST = 40;

function shortened(words: string): string {
  return clean(words.length > LONGEST ? `${words.slice(0, LONGEST)}…` : words);
}

function Parameters({ run, onMore }: { run: IFullRun; onMore: () => void }): JSX.Element | null {
  const { trans } = useServices().host;
  const entries = Object.entries(run.parameters ?? {});
  if (!entries.length) {
    return null;
  }
  return (
    <button type="button" className="hr-header-parameters" title={trans.__('Show the parameters')} onClick={onMore}>
      {entries.slice(0, SHOWN).map(([name, value]) => {
        const written = text(value);
        return (
          <code key={name}>
            {shortened(name)}={shortened(written)}
          </code>
        );
      })}
      {entries.length > SHOWN && <span>+{entries.length - SHOWN}</span>}
    </button>
  );
}

function Actions({ run, onDeleted }: { run: IFullRun; onDeleted: () => void }): JSX.Element {
  const services = useServices();
  const { trans } = services.host;
  const final = isFinal(run.state_type);
  const whole = !run.parent_id;
  const [sharing, setSharing] = React.useState(false);
  return (
    <div className="hr-header-actions">
      {run.state_type === 'PAUSED' && !run.questions?.length && (
        <IconButton icon="play" wordy label={trans.__('Unpause')} onClick={() => void unpause(services, run)} />
      )}
      {final && whole && run.state_type !== 'COMPLETED' && run.can_rerun !== false && (
        <IconButton
          icon="forward"
          wordy
          label={run.kind === 'notebook' ? trans.__('Continue from failed cell') : trans.__('Continue')}
          onClick={() => void continueRun(services, run)}
        />
      )}
      {final && whole && run.kind !== 'cell' && run.can_rerun !== false && (
        <IconButton icon="retry" wordy label={trans.__('Run again…')} onClick={() => void rerun(services, run)} />
      )}
      {!final && (
        <IconButton
          icon="stop"
          wordy
          label={trans.__('Cancel')}
          disabled={run.state_type === 'CANCELLING'}
          onClick={() => void cancelRun(services, run)}
        />
      )}
      <IconButton icon="share" wordy label={trans.__('Share…')} onClick={() => setSharing(true)} />
      <IconButton
        icon="compare"
        label={trans.__('Compare with another run…')}
        onClick={() => services.host.open({ page: 'compare', id: run.id })}
      />
      {sharing && <ShareDialog run={run} onClose={() => setSharing(false)} />}
      {final && whole && (
        <IconButton
          icon="trash"
          label={trans.__('Delete')}
          onClick={() => void deleteRun(services, run).then(done => done && onDeleted())}
        />
      )}
    </div>
  );
}

/**
 * The output notebook: opened in Lab, and as a page that the server makes of it (Jupyter asks where the request comes
 * from, so the link says it). Paths outside of its folder are only named.
 */
function OutputLinks({ output }: { output: unknown }): JSX.Element | null {
  const { host, manager } = useServices();
  const { trans } = host;
  if (typeof output !== 'string' || !output) {
    return null;
  }
  if (output.startsWith('/') || output.includes('://')) {
    return <span title={output}>{trans.__('output: %1', fileName(output))}</span>;
  }
  const page = `${manager.api.connection.baseUrl}nbconvert/html/${output.split('/').map(encodeURIComponent).join('/')}`;
  return (
    <>
      {host.inLab && (
        <button type="button" className="hr-link" title={output} onClick={() => host.openFile(output)}>
          {trans.__('output notebook')}
        </button>
      )}
      <a href={page} target="_blank" rel="noopener" title={trans.__('%1 as a web page', output)}>
        {trans.__('as HTML')}
      </a>
    </>
  );
}

export function RunHeader(props: {
  model: RunModel;
  run: IFullRun;
  onParameters: () => void;
  onDeleted: () => void;
}): JSX.Element {
  const { run } = props;
  const { host } = useServices();
  const { trans } = host;
  const running = isActive(run.state_type);
  const now = useNow(running);
  const start = run.started_at ?? run.scheduled_at ?? run.created_at;
  const path = run.notebook_path;
  const output = run.details?.output_path;
  const facts: React.ReactNode[] = [
    <span key="start" title={exact(start)}>
      {run.started_at
        ? trans.__('started %1 (%2)', when(start, now), ago(start, now))
        : trans.__('due %1', fromNow(start, now))}
    </span>,
    (run.started_at || run.duration_seconds !== null) && (
      <span key="took" title={run.ended_at ? trans.__('ended %1', exact(run.ended_at)) : undefined}>
        {run.state_type === 'RUNNING'
          ? trans.__('running for %1', lasted(run, now))
          : running
            ? trans.__('for %1', lasted(run, now))
            : trans.__('took %1', lasted(run, now))}
      </span>
    ),
    run.trigger && <span key="trigger">{triggerWords(run.trigger, trans)}</span>,
    run.attempt > 1 && <span key="attempt">{trans.__('attempt %1 of %2', run.attempt, run.max_attempts)}</span>,
    run.deployment_id && (
      <button
        key="deployment"
        type="button"
        title={trans.__('Schedules and history')}
        className="hr-link"
        onClick={() => host.open({ page: 'deployment', id: run.deployment_id! })}
      >
        {trans.__('history')}
      </button>
    ),
    run.resumed_from_id && (
      <button
        key="resumed"
        type="button"
        className="hr-link"
        onClick={() => host.open({ page: 'run', id: run.resumed_from_id! })}
      >
        {trans.__('continues an earlier run')}
      </button>
    ),
    run.parent_id && (
      <button
        key="root"
        type="button"
        className="hr-link"
        onClick={() => host.open({ page: 'run', id: run.root_id, node: run.id })}
      >
        {trans.__('part of a larger run')}
      </button>
    )
  ];
  return (
    <div className="hr-header">
      <div className="hr-header-first">
        <Icon name={KIND_ICONS[run.kind] ?? 'task'} size={18} />
        <h1 title={run.id}>{runName(run)}</h1>
        <StateBadge type={run.state_type} name={run.state_name} />
        <span className="hr-grow" />
        <Actions run={run} onDeleted={props.onDeleted} />
      </div>
      <div className="hr-header-facts">
        {facts.filter(Boolean)}
        {host.inLab && path && (
          <button type="button" className="hr-link" title={path} onClick={() => host.openFile(path)}>
            {fileName(path)}
          </button>
        )}
        <OutputLinks output={output} />
        {run.tags.map(tag => (
          <span key={tag} className="hr-tag">
            {tag}
          </span>
        ))}
      </div>
      <Parameters run={run} onMore={props.onParameters} />
      {running && run.progress && (
        <div className="hr-header-progress">
          <ProgressBar progress={run.progress} label={trans.__('Progress')} />
          <span>
            {run.progress.done} / {run.progress.total} {run.progress.unit ?? ''}
          </span>
        </div>
      )}
    </div>
  );
}
