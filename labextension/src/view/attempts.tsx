/** Every attempt of a run, its states, and the chain of runs that continue each other. */
import * as React from 'react';
import type { IFullRun } from '../wire/words';
import { runName } from '../pure/runname';
import { duration, exact, logTime } from '../pure/time';
import { Loading, Problem } from './basics';
import { useLoaded, useServices } from './context';
import { StateBadge } from './icons';

function between(from: string | null, to: string | null): string {
  return from && to ? duration((Date.parse(to) - Date.parse(from)) / 1000) : '';
}

export function AttemptsTab({ run }: { run: IFullRun }): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const loaded = useLoaded(
    () => Promise.all([manager.api.attempts(run.id), manager.api.states(run.id)]),
    [manager, run.id, run.state_at]
  );
  if (loaded.error) {
    return <Problem message={loaded.error} onRetry={loaded.reload} />;
  }
  if (!loaded.value) {
    return <Loading />;
  }
  const [{ attempts, chain }, states] = loaded.value;
  return (
    <div className="hr-scroll hr-page" tabIndex={0}>
      {chain.length > 1 && (
        <>
          <h3>{trans.__('Runs that continue each other')}</h3>
          <ol className="hr-chain">
            {chain.map(link => (
              <li key={link.id} aria-current={link.id === run.id || undefined}>
                <button type="button" className="hr-link" onClick={() => host.open({ page: 'run', id: link.id })}>
                  {runName(link)}
                </button>
                <StateBadge type={link.state_type} name={link.state_name} />
                <span>{exact(link.started_at ?? link.created_at)}</span>
              </li>
            ))}
          </ol>
        </>
      )}
      <h3>{trans.__('Attempts')}</h3>
      <table className="hr-table">
        <thead>
          <tr>
            <th scope="col">{trans.__('Attempt')}</th>
            <th scope="col">{trans.__('State')}</th>
            <th scope="col">{trans.__('Started')}</th>
            <th scope="col">{trans.__('Duration')}</th>
            <th scope="col">{trans.__('Message')}</th>
          </tr>
        </thead>
        <tbody>
          {attempts.map(attempt => (
            <tr key={attempt.attempt}>
              <td>{attempt.attempt}</td>
              <td>
                <StateBadge type={attempt.state_type} name={attempt.state_name} />
              </td>
              <td>{exact(attempt.started_at)}</td>
              <td>{between(attempt.started_at, attempt.ended_at)}</td>
              <td>{attempt.message}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h3>{trans.__('States')}</h3>
      <table className="hr-table">
        <tbody>
          {states.map(event => (
            <tr key={event.seq}>
              <td title={exact(event.at)}>{logTime(event.at)}</td>
              <td>
                <StateBadge type={event.state_type} name={event.state_name} />
              </td>
              <td>{event.message}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
