/** A kernel without Headrace: named with its Python, and what can be done. */
import * as React from 'react';
import { sentence } from '../wire/errors';
import type { IInstallation } from '../wire/words';
import { useLoaded, useServices } from './context';

const LOOK_MS = 700;

/** Install Headrace into a kernel's Python and follow what pip says. */
function useInstallation(kernel: string): {
  installation: IInstallation | null;
  error: string | null;
  install: () => void;
} {
  const { api } = useServices().manager;
  const [installation, setInstallation] = React.useState<IInstallation | null>(null);
  const [error, setError] = React.useState<string | null>(null);
  const running = installation?.state === 'running';
  React.useEffect(() => {
    if (!running) {
      return undefined;
    }
    const timer = window.setInterval(
      () => void api.installation(kernel).then(setInstallation, problem => setError(sentence(problem))),
      LOOK_MS
    );
    return () => window.clearInterval(timer);
  }, [api, kernel, running]);
  const install = () => {
    setError(null);
    void api.installHeadrace(kernel).then(setInstallation, problem => setError(sentence(problem)));
  };
  return { installation, error, install };
}

function Notice({ kernel, onDone }: { kernel: string; onDone: () => void }): JSX.Element | null {
  const { manager, host } = useServices();
  const { trans } = host;
  const { value } = useLoaded(() => manager.api.kernelspec(kernel), [manager, kernel]);
  const { installation, error, install } = useInstallation(kernel);
  if (!value || value.headrace !== false) {
    return null;
  }
  if (installation?.state === 'done') {
    return (
      <div className="hr-kernelnotice" role="status">
        <p>{trans.__('Headrace is installed. Restart kernels that are running to use it there.')}</p>
        <button type="button" className="hr-dialog-button" onClick={onDone}>
          {trans.__('Close')}
        </button>
      </div>
    );
  }
  const running = installation?.state === 'running';
  return (
    <div className="hr-kernelnotice" role="group" aria-label={trans.__('A kernel without Headrace')}>
      <p>
        {trans.__('The kernel “%1” does not have Headrace. Its Python is', value.display_name)}{' '}
        <code>{value.interpreter}</code>.
      </p>
      <p className="hr-muted">
        {trans.__('Without it the notebook runs as a whole, but its tasks are not cached, retried or drawn.')}
      </p>
      {installation && (
        <pre className="hr-kernelnotice-output">{`$ ${installation.command}\n${installation.output}`}</pre>
      )}
      {(error ?? (installation?.state === 'failed' ? trans.__('It could not be installed.') : null)) && (
        <p className="hr-field-error" role="alert">
          {error ?? trans.__('It could not be installed: pip says above why.')}
        </p>
      )}
      <div className="hr-kernelnotice-actions">
        <button type="button" className="hr-dialog-button hr-mod-accept" disabled={running} onClick={install}>
          {running ? trans.__('Installing…') : trans.__('Install Headrace into it')}
        </button>
        <button type="button" className="hr-dialog-button" disabled={running} onClick={onDone}>
          {trans.__('Use it without')}
        </button>
      </div>
    </div>
  );
}

/** Nothing where the kernel has Headrace, is not known, or a person said that it is used without. */
export function KernelNotice({ kernel }: { kernel: string | null }): JSX.Element | null {
  const [closed, setClosed] = React.useState<string | null>(null);
  if (!kernel || closed === kernel) {
    return null;
  }
  return <Notice key={kernel} kernel={kernel} onDone={() => setClosed(kernel)} />;
}
