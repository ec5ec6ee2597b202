/** What runs and what failed, in the status bar; a click opens today's picture. */
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { IServices } from '../tokens';
import { Icon, StateIcon } from '../view/icons';

function Counts({ services }: { services: IServices }): JSX.Element {
  const { manager, host } = services;
  const { trans } = host;
  const counts = React.useSyncExternalStore(
    React.useCallback(
      (listener: () => void) => {
        manager.countsChanged.connect(listener);
        return () => void manager.countsChanged.disconnect(listener);
      },
      [manager]
    ),
    () => manager.counts
  );
  const failed = counts ? counts.failed_24h + counts.crashed_24h : 0;
  const running = counts?.running ?? 0;
  const words = trans.__('Headrace: %1 running, %2 failed in 24 hours', running, failed);
  return (
    <button
      type="button"
      className="hr-status"
      title={words}
      aria-label={words}
      onClick={() => host.open({ page: 'home' })}
    >
      <Icon name="flow" size={14} />
      {running > 0 ? trans.__('%1 running', running) : !failed && 0}
      {failed > 0 && (
        <>
          <StateIcon type="FAILED" size={14} silent />
          {trans.__('%1 failed', failed)}
        </>
      )}
    </button>
  );
}

export class StatusWidget extends ReactWidget {
  constructor(private readonly services: IServices) {
    super();
    this.addClass('hr-status-item');
  }

  protected render(): JSX.Element {
    return <Counts services={this.services} />;
  }
}
