/** The dialogs of a cell: the task's settings, and its runs so far. */
import * as React from 'react';
import { checkSettings, type ITaskSettings, type SettingsProblem, type TaskOrigin } from '../pure/magic';
import { look } from '../pure/states';
import { duration, exact, when } from '../pure/time';
import type { IServices, ITranslator } from '../tokens';
import { useLoaded, useServices } from '../view/context';
import { Empty, Loading, Problem } from '../view/basics';
import { StateIcon } from '../view/icons';
import { Field } from './fields';
import { mount } from './open';
import { DialogShell } from './shell';

interface ISettingsRequest {
  origin: TaskOrigin | null;
  settings: ITaskSettings;
}

const POLICIES = ['INPUTS + TASK_SOURCE', 'INPUTS', 'TASK_SOURCE', 'NO_CACHE'];
const HISTORY = 50;

function words(problem: SettingsProblem | undefined, trans: ITranslator): string | null {
  switch (problem) {
    case undefined:
      return null;
    case 'name':
      return trans.__('Use letters, digits, _ - . and begin with a letter.');
    case 'whole':
      return trans.__('A whole number from 0 to 10000 is needed.');
    case 'seconds':
      return trans.__('Seconds are needed, or a list such as 1, 10, 60.');
    case 'positive':
      return trans.__('A time is needed: 90, 90s, 15m, 1.5h or 2d.');
    case 'policy':
      return trans.__('Words such as INPUTS + TASK_SOURCE are needed.');
  }
}

function Settings(props: ISettingsRequest & { onSave: (settings: ITaskSettings) => void; onClose: () => void }) {
  const { trans } = useServices().host;
  const [settings, setSettings] = React.useState(props.settings);
  const wrong = checkSettings(settings);
  const list = React.useId();
  const field = (name: keyof ITaskSettings, label: string, hint: string, placeholder: string, options?: string) => (
    <Field label={label} hint={hint} error={words(wrong[name], trans)}>
      {ids => (
        <input
          {...ids}
          type="text"
          list={options}
          spellCheck={false}
          autoComplete="off"
          placeholder={placeholder}
          value={settings[name]}
          onChange={event => setSettings({ ...settings, [name]: event.target.value })}
        />
      )}
    </Field>
  );
  return (
    <DialogShell
      title={props.origin ? trans.__('Task settings') : trans.__('Make this cell a task')}
      accept={props.origin ? trans.__('Save') : trans.__('Make it a task')}
      onAccept={() => {
        props.onSave(settings);
        props.onClose();
      }}
      onClose={props.onClose}
      disabled={Object.keys(wrong).length > 0}
    >
      <p className="hr-muted">
        {props.origin === 'magic'
          ? trans.__('Written into the cell’s first line.')
          : trans.__('Written into the cell’s metadata: its code stays as it is, and runs without Headrace too.')}
      </p>
      <div className="hr-fields">
        {field('name', trans.__('Name'), trans.__('What the graph and the logs call it.'), trans.__('none'))}
        <div className="hr-fields-row">
          {field('retries', trans.__('Retries'), trans.__('How often it is tried again after a failure.'), '0')}
          {field(
            'retry_delay_seconds',
            trans.__('Wait before a retry'),
            trans.__('Seconds; with commas one for each retry.'),
            '0'
          )}
        </div>
        {field('timeout_seconds', trans.__('Time limit'), trans.__('Such as 90, 15m or 2h.'), trans.__('none'))}
        <div className="hr-fields-row">
          {field(
            'cache_policy',
            trans.__('Cache'),
            trans.__('When an earlier result is taken.'),
            trans.__('the default'),
            list
          )}
          {field(
            'cache_expiration',
            trans.__('Cached for'),
            trans.__('Such as 12h or 7d.'),
            trans.__('as long as it is kept')
          )}
        </div>
        <datalist id={list}>
          {POLICIES.map(policy => (
            <option key={policy} value={policy} />
          ))}
        </datalist>
      </div>
    </DialogShell>
  );
}

/** Ask for a task's settings. */
export function openSettings(
  services: IServices,
  request: ISettingsRequest,
  save: (settings: ITaskSettings) => void
): void {
  mount(services, close => <Settings {...request} onSave={save} onClose={close} />);
}

interface IHistoryRequest {
  cellId: string;
  documentId: string;
  name: string;
}

function History({ cellId, documentId, name, onClose }: IHistoryRequest & { onClose: () => void }): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const { value, error, reload } = useLoaded(
    () => manager.api.runs({ cell_id: cellId, document_id: documentId || undefined, roots: false, limit: HISTORY }),
    [manager, cellId, documentId]
  );
  const now = Date.now();
  return (
    <DialogShell title={name ? trans.__('Runs of %1', name) : trans.__('Runs of this cell')} onClose={onClose} wide>
      {error && <Problem message={error} onRetry={reload} />}
      {!value && !error && <Loading />}
      {value && !value.runs.length && (
        <Empty title={trans.__('It has not run yet')}>
          <p>{trans.__('Run the cell, and each of its runs is listed here.')}</p>
        </Empty>
      )}
      {!!value?.runs.length && (
        <table className="hr-history">
          <thead>
            <tr>
              <th scope="col">{trans.__('State')}</th>
              <th scope="col">{trans.__('Started')}</th>
              <th scope="col">{trans.__('Took')}</th>
              <th scope="col">{trans.__('What happened')}</th>
            </tr>
          </thead>
          <tbody>
            {value.runs.map(run => (
              <tr key={run.id}>
                <td>
                  <button
                    type="button"
                    className="hr-link"
                    onClick={() => {
                      onClose();
                      host.open({ page: 'run', id: run.id });
                    }}
                  >
                    <StateIcon type={run.state_type} name={run.state_name} silent />
                    {look(run.state_type, run.state_name).label}
                  </button>
                </td>
                <td title={exact(run.started_at)}>{when(run.started_at ?? run.created_at, now)}</td>
                <td>{duration(run.duration_seconds)}</td>
                <td>{run.error_summary ?? (run.cached ? trans.__('taken from the cache') : '')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </DialogShell>
  );
}

/** Show the runs of a cell so far. */
export function openHistory(services: IServices, request: IHistoryRequest): void {
  mount(services, close => <History {...request} onClose={close} />);
}
