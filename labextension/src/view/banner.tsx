/** What stands between panel and server, said above everything else; it goes when the trouble does. */
import * as React from 'react';
import type { Trouble } from '../manager';
import type { ITranslator } from '../tokens';
import { useServices } from './context';
import { Icon } from './icons';

function words(trouble: Trouble, trans: ITranslator): string {
  switch (trouble.kind) {
    case 'lost':
      return trans.__('Connection lost. What you see may be out of date; runs go on.');
    case 'absent':
      return trans.__('The Headrace server extension is not running here. Restart the Jupyter server to load it.');
    case 'forbidden':
      return trans.__('You are not allowed to use Headrace on this server.');
    case 'degraded':
      return trouble.message || trans.__('Headrace cannot use its store at the moment.');
  }
}

export function useTrouble(): Trouble | null {
  const { manager } = useServices();
  return React.useSyncExternalStore(
    React.useCallback(
      (listener: () => void) => {
        manager.troubleChanged.connect(listener);
        return () => void manager.troubleChanged.disconnect(listener);
      },
      [manager]
    ),
    () => manager.trouble
  );
}

export function Banner(): JSX.Element | null {
  const { manager, host } = useServices();
  const trouble = useTrouble();
  if (!trouble) {
    return null;
  }
  return (
    <div className={`hr-banner hr-mod-${trouble.kind}`} role="alert">
      <span>{words(trouble, host.trans)}</span>
      <button type="button" className="hr-link" onClick={() => manager.retry()}>
        <Icon name="refresh" size={14} />
        {host.trans.__('Try now')}
      </button>
    </div>
  );
}
