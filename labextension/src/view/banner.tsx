/** What stands between panel and server, said above everything else; it goes when the trouble does. */
import * as React from 'react';
import { troubleWords, type Trouble } from '../pure/troubles';
import { useServices } from './context';
import { Icon } from './icons';

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
      <span>{troubleWords(trouble, host.trans)}</span>
      <button type="button" className="hr-link" onClick={() => manager.retry()}>
        <Icon name="refresh" size={14} />
        {host.trans.__('Try now')}
      </button>
    </div>
  );
}
