/** “Share…”: an address for people with access, one offline file for everybody else. */
import * as React from 'react';
import { DialogShell } from '../dialogs/shell';
import { runName } from '../pure/runname';
import type { IRun } from '../wire/words';
import { CopyButton } from './basics';
import { useServices } from './context';

export function ShareDialog({ run, onClose }: { run: IRun; onClose: () => void }): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const [code, setCode] = React.useState(true);
  const address = host.address({ page: 'run', id: run.id });
  const save = () => {
    const link = document.createElement('a');
    link.href = manager.api.exportUrl(run.id, code);
    link.download = '';
    document.body.append(link);
    link.click();
    link.remove();
    onClose();
  };
  return (
    <DialogShell
      title={trans.__('Share %1', runName(run))}
      accept={trans.__('Save the file')}
      onAccept={save}
      onClose={onClose}
    >
      <p>
        {trans.__(
          'One HTML file that opens anywhere, without a server: graph, parameters, outputs, artifacts, and what failed with its log.'
        )}
      </p>
      <label className="hr-check">
        <input type="checkbox" checked={code} onChange={event => setCode(event.target.checked)} />
        {trans.__('With the code of cells and tracebacks')}
      </label>
      <p className="hr-muted">
        {trans.__('Secrets are masked by their names and looks. Look through the file before you send it.')}
      </p>
      <div className="hr-share-address">
        <span>{trans.__('People who can log in here open it at')}</span>
        <code>{address}</code>
        <CopyButton label={trans.__('Copy the address')} text={() => address} />
      </div>
    </DialogShell>
  );
}
