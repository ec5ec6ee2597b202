/** All runs and schedules on one page: where the standalone page begins. */
import * as React from 'react';
import { Sidebar } from './sidebar';

export function RunsPage(): JSX.Element {
  return (
    <div className="hr-runspage">
      <Sidebar />
    </div>
  );
}
