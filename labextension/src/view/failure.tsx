/** Why a run failed: the error in a sentence, its traceback, the way to the cell. */
import * as React from 'react';
import type { IFullRun } from '../wire/words';
import { CopyButton } from './basics';
import { useServices } from './context';
import { plain } from '../pure/ansi';
import { Traceback } from './traceback';

export function tracebackText(run: IFullRun): string {
  const { traceback } = run.error ?? {};
  return Array.isArray(traceback) ? traceback.join('\n') : (traceback ?? '');
}

export function Failure(props: {
  run: IFullRun;
  onCell?: (cellId: string) => void;
  open?: boolean;
}): JSX.Element | null {
  const { host } = useServices();
  const { trans } = host;
  const { error } = props.run;
  if (!error) {
    return props.run.state_message ? (
      <p className="hr-failure-note" tabIndex={0}>
        {plain(props.run.state_message)}
      </p>
    ) : null;
  }
  const traceback = tracebackText(props.run);
  const path = props.run.notebook_path;
  const cellId = error.cell_id ?? props.run.cell_id;
  const toCell = host.inLab && path && cellId ? () => host.openFile(path, cellId) : undefined;
  return (
    <div className="hr-failure">
      <div className="hr-failure-head" tabIndex={0}>
        <strong>{plain(error.type)}</strong>
        <span>{plain(error.message)}</span>
      </div>
      {error.cell_id && (
        <div className="hr-failure-links">
          {props.onCell && (
            <button type="button" className="hr-link" onClick={() => props.onCell!(error.cell_id!)}>
              {trans.__('Show the cell in the graph')}
            </button>
          )}
          {host.inLab && path && (
            <button type="button" className="hr-link" onClick={() => host.openFile(path, error.cell_id)}>
              {trans.__('Open the cell in the notebook')}
            </button>
          )}
        </div>
      )}
      {traceback && (
        <details open={props.open ?? true}>
          <summary>{trans.__('Traceback')}</summary>
          <div className="hr-code">
            <CopyButton label={trans.__('Copy')} text={() => plain(traceback)} />
            <pre tabIndex={0}>
              <Traceback text={traceback} onCell={toCell} />
            </pre>
          </div>
        </details>
      )}
    </div>
  );
}
