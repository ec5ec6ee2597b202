/** “Answer…”: the form of a run that waits, from wherever the run is listed. */
import * as React from 'react';
import { runName } from '../pure/runname';
import type { IRun } from '../wire/words';
import { Empty, Loading, Problem } from '../view/basics';
import { useLoaded, useServices } from '../view/context';
import { PauseForm } from '../view/pauseform';
import { DialogShell } from './shell';

export function AnswerDialog({ run, onClose }: { run: IRun; onClose: () => void }): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const { value, error, reload } = useLoaded(() => manager.api.run(run.id), [manager, run.id]);
  const asks = value?.state_type === 'PAUSED' && !!value.questions?.length;
  return (
    <DialogShell title={runName(run)} onClose={onClose} inner>
      {error && <Problem message={error} onRetry={reload} />}
      {!value && !error && <Loading />}
      {value && asks && <PauseForm run={value} onDone={onClose} />}
      {value && !asks && (
        <Empty title={trans.__('This run does not wait for an answer any more')}>
          <p>{trans.__('Somebody has answered, or it went on by itself.')}</p>
        </Empty>
      )}
    </DialogShell>
  );
}
