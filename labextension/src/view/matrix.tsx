/** A deployment's history as a matrix: its runs beside each other, its cells or tasks below each other. */
import * as React from 'react';
import { runName } from '../pure/runname';
import { look } from '../pure/states';
import { duration, exact, when } from '../pure/time';
import type { IMatrix } from '../wire/words';
import { useNow, useServices } from './context';
import { StateIcon } from './icons';

export function Matrix({ matrix }: { matrix: IMatrix }): JSX.Element {
  const { host } = useServices();
  const { trans } = host;
  const now = useNow(false);
  return (
    <div className="hr-matrix" tabIndex={0} role="region" aria-label={trans.__('History')}>
      <table>
        <thead>
          <tr>
            <th scope="col">{trans.__('Run')}</th>
            {matrix.runs.map(run => {
              const { label } = look(run.state_type, run.state_name);
              const at = when(run.started_at ?? run.created_at, now);
              const words = `${runName(run)}, ${label}, ${exact(run.started_at)}, ${duration(run.duration_seconds)}`;
              return (
                <th key={run.id} scope="col">
                  <button
                    type="button"
                    title={words}
                    aria-label={`${at}: ${words}`}
                    onClick={() => host.open({ page: 'run', id: run.id })}
                  >
                    <span className="hr-matrix-when">{at}</span>
                    <StateIcon type={run.state_type} name={run.state_name} silent />
                  </button>
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {matrix.rows.map((row, at) => (
            <tr key={row.key}>
              <th scope="row" title={row.name}>
                {row.name}
              </th>
              {matrix.runs.map((run, column) => {
                const cell = matrix.cells[at]?.[column];
                if (!cell) {
                  return <td key={run.id} />;
                }
                const { label } = look(cell.state_type, cell.state_name);
                const words = `${row.name}: ${label}, ${duration(cell.duration_seconds)}`;
                return (
                  <td key={run.id}>
                    <button
                      type="button"
                      title={words}
                      aria-label={words}
                      onClick={() => host.open({ page: 'run', id: run.id, node: cell.run_id })}
                    >
                      <StateIcon type={cell.state_type} name={cell.state_name} silent />
                    </button>
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
