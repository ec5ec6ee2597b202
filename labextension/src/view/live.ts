/** Load again when the stream says that something of interest changed; several changes in a row count as one. */
import * as React from 'react';
import type { Manager } from '../manager';
import type { IChanges } from '../wire/words';

const SETTLE_MS = 600;

export function useReloadOn(manager: Manager, reload: () => void, concerns: (changes: IChanges) => boolean): void {
  const test = React.useRef(concerns);
  test.current = concerns;
  React.useEffect(() => {
    let timer = 0;
    const later = () => {
      timer ||= window.setTimeout(() => {
        timer = 0;
        reload();
      }, SETTLE_MS);
    };
    const onChanged = (_: Manager, changes: IChanges) => test.current(changes) && later();
    manager.changed.connect(onChanged);
    manager.reset.connect(later);
    return () => {
      window.clearTimeout(timer);
      manager.changed.disconnect(onChanged);
      manager.reset.disconnect(later);
    };
  }, [manager, reload]);
}

/** Something about a whole run, a schedule or a deployment changed. */
export function concernsRuns(changes: IChanges): boolean {
  return !!(changes.deleted || changes.schedules || changes.deployments || changes.runs?.some(run => !run.parent_id));
}
