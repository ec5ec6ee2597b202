/** What is done to many runs at once: cancel, run again, delete, compare two. */
import * as React from 'react';
import { allows, type BulkAction, type Selection } from '../model/selection';
import type { IServices } from '../tokens';
import { sentence } from '../wire/errors';
import type { IRun } from '../wire/words';
import { IconButton } from './basics';
import { useModel, useServices } from './context';

/** The API takes so many ids at once. */
const MOST = 500;

export async function actOnMany(services: IServices, action: BulkAction, runs: readonly IRun[]): Promise<boolean> {
  const { host, manager } = services;
  const { trans } = host;
  const fit = runs.filter(run => allows(action, run));
  const count = fit.length;
  const questions = {
    cancel: {
      title: trans._n('Cancel %1 run?', 'Cancel %1 runs?', count, count),
      body: trans.__('What is running is interrupted. Finished parts stay recorded.'),
      accept: trans.__('Cancel runs'),
      danger: true
    },
    delete: {
      title: trans._n('Delete %1 run?', 'Delete %1 runs?', count, count),
      body: trans.__('They are deleted with their logs, outputs and everything below them. Files they wrote stay.'),
      accept: trans.__('Delete'),
      danger: true
    },
    rerun: {
      title: trans._n('Run %1 run again?', 'Run %1 runs again?', count, count),
      body: trans.__('New runs of the same code with the same parameters start now.'),
      accept: trans.__('Run again')
    }
  };
  if (!count || !(await host.confirm(questions[action]))) {
    return false;
  }
  try {
    const results = [];
    for (let at = 0; at < count; at += MOST) {
      const ids = fit.slice(at, at + MOST).map(run => run.id);
      results.push(...(await manager.api.bulk(action, ids)));
    }
    const refused = results.filter(result => !result.ok);
    if (refused.length) {
      const names = new Map(fit.map(run => [run.id, run.name]));
      const first = `${names.get(refused[0].id) ?? ''}: ${refused[0].message ?? ''}`.slice(0, 200);
      host.notify('warning', trans.__('%1 of %2 could not be: %3', refused.length, count, first));
    }
    return true;
  } catch (error) {
    host.notify('error', sentence(error));
    return false;
  }
}

export function BulkBar({ selection, shown }: { selection: Selection; shown: readonly IRun[] }): JSX.Element | null {
  useModel(selection);
  const services = useServices();
  const { trans } = services.host;
  if (!selection.choosing) {
    return null;
  }
  const runs = selection.runs(shown);
  const act = (action: BulkAction) =>
    void actOnMany(services, action, runs).then(done => done && selection.setChoosing(false));
  const able = (action: BulkAction) => runs.some(run => allows(action, run));
  return (
    <div className="hr-bulk" role="toolbar" aria-label={trans.__('Chosen runs')}>
      <span role="status">{trans.__('%1 chosen', runs.length)}</span>
      <button
        type="button"
        className="hr-link"
        title={trans.__('Choose all %1 runs that are shown', shown.length)}
        onClick={() => selection.all(shown)}
      >
        {trans.__('all')}
      </button>
      <span className="hr-grow" />
      <IconButton
        icon="compare"
        label={trans.__('Compare two runs')}
        disabled={runs.length !== 2}
        onClick={() => services.host.open({ page: 'compare', id: runs[1].id, other: runs[0].id })}
      />
      <IconButton icon="stop" label={trans.__('Cancel')} disabled={!able('cancel')} onClick={() => act('cancel')} />
      <IconButton icon="retry" label={trans.__('Run again')} disabled={!able('rerun')} onClick={() => act('rerun')} />
      <IconButton icon="trash" label={trans.__('Delete')} disabled={!able('delete')} onClick={() => act('delete')} />
      <IconButton icon="close" label={trans.__('Done choosing')} onClick={() => selection.setChoosing(false)} />
    </div>
  );
}
