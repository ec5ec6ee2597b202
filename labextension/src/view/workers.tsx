/** The workers that carry runs out, and the limits that hold them back. */
import * as React from 'react';
import { ago, exact } from '../pure/time';
import { Refused, sentence } from '../wire/errors';
import type { ILimit, IWorker } from '../wire/words';
import { attempt } from './actions';
import { Banner } from './banner';
import { Empty, IconButton, Loading, Problem, ProgressBar } from './basics';
import { useLoaded, useNow, useServices } from './context';
import { useReloadOn } from './live';

function WorkerRow({ worker }: { worker: IWorker }): JSX.Element {
  const { trans } = useServices().host;
  const now = useNow(false);
  const most = worker.limit === null ? '' : ` / ${worker.limit}`;
  return (
    <tr className={worker.alive ? undefined : 'hr-mod-gone'}>
      <th scope="row">{worker.name}</th>
      <td>
        <span className={`hr-alive${worker.alive ? ' hr-mod-alive' : ''}`}>
          {worker.alive ? trans.__('alive') : trans.__('gone')}
        </span>
      </td>
      <td>{worker.pool}</td>
      <td>
        {worker.running}
        {most}
      </td>
      <td>
        {worker.host}
        {worker.pid !== null && <span className="hr-muted"> · {worker.pid}</span>}
      </td>
      <td title={exact(worker.heartbeat_at)}>{ago(worker.heartbeat_at, now)}</td>
      <td title={exact(worker.started_at)}>{ago(worker.started_at, now)}</td>
      <td>{worker.version}</td>
    </tr>
  );
}

function Workers(): JSX.Element {
  const services = useServices();
  const { manager, host } = services;
  const { trans } = host;
  const { value, error, reload } = useLoaded(() => manager.api.workers(), [manager]);
  useReloadOn(manager, reload, changes => !!changes.workers || !!changes.runs?.some(run => !run.parent_id));
  const [starting, setStarting] = React.useState(false);
  const start = async () => {
    setStarting(true);
    await attempt(services, () => manager.api.startWorker());
    setStarting(false);
    reload();
  };
  if (error && !value) {
    return <Problem message={error} onRetry={reload} />;
  }
  if (!value) {
    return <Loading />;
  }
  const alive = value.workers.some(worker => worker.alive);
  const sorted = [...value.workers].sort(
    (a, b) => Number(b.alive) - Number(a.alive) || (b.heartbeat_at ?? '').localeCompare(a.heartbeat_at ?? '')
  );
  return (
    <section>
      <header className="hr-page-head">
        <h2>{trans.__('Workers')}</h2>
        <span className="hr-grow" />
        {!alive && (
          <IconButton
            icon="play"
            wordy
            label={trans.__('Start a worker')}
            disabled={starting}
            onClick={() => void start()}
          />
        )}
      </header>
      {value.why && <p className="hr-muted">{value.why}</p>}
      {sorted.length ? (
        <div className="hr-wide" tabIndex={0} role="region" aria-label={trans.__('Workers')}>
          <table className="hr-table">
            <thead>
              <tr>
                <th scope="col">{trans.__('Name')}</th>
                <th scope="col">{trans.__('State')}</th>
                <th scope="col">{trans.__('Pool')}</th>
                <th scope="col">{trans.__('Running')}</th>
                <th scope="col">{trans.__('Host · process')}</th>
                <th scope="col">{trans.__('Last sign of life')}</th>
                <th scope="col">{trans.__('Started')}</th>
                <th scope="col">{trans.__('Version')}</th>
              </tr>
            </thead>
            <tbody>
              {sorted.slice(0, 200).map(worker => (
                <WorkerRow key={worker.id} worker={worker} />
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <Empty title={trans.__('No worker has run yet')}>
          <p>{trans.__('One is started with the first run or schedule. On another machine:')}</p>
          <pre>headrace worker</pre>
        </Empty>
      )}
    </section>
  );
}

interface ILimitDraft {
  name: string;
  limit: string;
  decay: string;
}

function LimitForm(props: { start: ILimitDraft; fixed: boolean; onDone: () => void }): JSX.Element {
  const services = useServices();
  const { trans } = services.host;
  const [draft, setDraft] = React.useState(props.start);
  const [wrong, setWrong] = React.useState<string | null>(null);
  const set = (change: Partial<ILimitDraft>) => setDraft(old => ({ ...old, ...change }));
  const count = Number(draft.limit);
  const valid = draft.name.trim() !== '' && draft.limit !== '' && Number.isInteger(count) && count >= 0;
  const save = async () => {
    try {
      const decay = draft.decay.trim() === '' ? {} : { slot_decay_per_second: Number(draft.decay) };
      await services.manager.api.putLimit(draft.name.trim(), { limit: count, ...decay });
      props.onDone();
    } catch (error) {
      setWrong(error instanceof Refused && error.errors.length ? error.errors[0].message : sentence(error));
    }
  };
  return (
    <form
      className="hr-limit-form"
      onSubmit={event => {
        event.preventDefault();
        if (valid) {
          void save();
        }
      }}
    >
      <label>
        {trans.__('Name (a tag of tasks, or the name in code)')}
        <input
          className="hr-input"
          type="text"
          autoFocus={!props.fixed}
          disabled={props.fixed}
          value={draft.name}
          onChange={event => set({ name: event.target.value })}
        />
      </label>
      <label>
        {trans.__('At once')}
        <input
          className="hr-input"
          type="number"
          min={0}
          autoFocus={props.fixed}
          value={draft.limit}
          onChange={event => set({ limit: event.target.value })}
        />
      </label>
      <label>
        {trans.__('Slots freed per second')}
        <input
          className="hr-input"
          type="number"
          min={0}
          step="any"
          placeholder={trans.__('when given back')}
          value={draft.decay}
          onChange={event => set({ decay: event.target.value })}
        />
      </label>
      <button type="submit" className="hr-button hr-mod-wordy" disabled={!valid}>
        {trans.__('Save')}
      </button>
      <button type="button" className="hr-button hr-mod-wordy" onClick={props.onDone}>
        {trans.__('Cancel')}
      </button>
      {wrong && (
        <p className="hr-field-error" role="alert">
          {wrong}
        </p>
      )}
    </form>
  );
}

interface IHolder {
  holder: string;
  run_id: string | null;
}

function LimitRow({ limit, onChanged }: { limit: ILimit; onChanged: () => void }): JSX.Element {
  const services = useServices();
  const { host, manager } = services;
  const { trans } = host;
  const [editing, setEditing] = React.useState(false);
  const holders = (limit.holders as IHolder[]).filter(holder => holder.run_id);
  const remove = async () => {
    const sure = await host.confirm({
      title: trans.__('Delete the limit %1?', limit.name),
      body: trans.__('What waits for it goes on at once.'),
      accept: trans.__('Delete'),
      danger: true
    });
    if (sure && (await attempt(services, () => manager.api.deleteLimit(limit.name)))) {
      onChanged();
    }
  };
  return (
    <li className="hr-limit">
      <div className="hr-limit-line">
        <span className="hr-limit-name">{limit.name}</span>
        <ProgressBar
          progress={{ done: limit.active, total: limit.limit }}
          label={trans.__('Slots of %1', limit.name)}
        />
        <span className="hr-limit-count">
          {limit.active} / {limit.limit}
        </span>
        <IconButton icon="edit" label={trans.__('Change %1', limit.name)} onClick={() => setEditing(!editing)} />
        <IconButton icon="trash" label={trans.__('Delete %1', limit.name)} onClick={() => void remove()} />
      </div>
      {holders.length > 0 && (
        <p className="hr-muted">
          {trans.__('Held by')}{' '}
          {holders.slice(0, 8).map(holder => (
            <button
              key={holder.holder}
              type="button"
              className="hr-link"
              onClick={() => host.open({ page: 'run', id: holder.run_id! })}
            >
              {holder.run_id!.slice(0, 8)}
            </button>
          ))}
          {holders.length > 8 && ` +${holders.length - 8}`}
        </p>
      )}
      {editing && (
        <LimitForm
          fixed
          start={{
            name: limit.name,
            limit: String(limit.limit),
            decay: limit.slot_decay_per_second ? String(limit.slot_decay_per_second) : ''
          }}
          onDone={() => {
            setEditing(false);
            onChanged();
          }}
        />
      )}
    </li>
  );
}

function Limits(): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const { value, error, reload } = useLoaded(() => manager.api.limits(), [manager]);
  useReloadOn(manager, reload, changes => !!changes.limits);
  const [adding, setAdding] = React.useState(false);
  return (
    <section>
      <header className="hr-page-head">
        <h2>{trans.__('Concurrency limits')}</h2>
        <span className="hr-grow" />
        <IconButton icon="plus" wordy label={trans.__('Add a limit…')} onClick={() => setAdding(true)} />
      </header>
      {adding && (
        <LimitForm
          fixed={false}
          start={{ name: '', limit: '1', decay: '' }}
          onDone={() => {
            setAdding(false);
            reload();
          }}
        />
      )}
      {error && !value && <Problem message={error} onRetry={reload} />}
      {!value && !error && <Loading />}
      {value && !value.length && (
        <Empty title={trans.__('No limits')}>
          <p>{trans.__('A limit says how many tasks with one tag may run at once, over all runs and machines.')}</p>
        </Empty>
      )}
      {value && value.length > 0 && (
        <ul className="hr-limits">
          {value.map(limit => (
            <LimitRow key={limit.name} limit={limit} onChanged={reload} />
          ))}
        </ul>
      )}
    </section>
  );
}

export function WorkersPage({ onTitle }: { onTitle: (label: string, caption: string) => void }): JSX.Element {
  const { trans } = useServices().host;
  React.useEffect(() => {
    onTitle(trans.__('Workers and limits'), trans.__('Who carries runs out, and what holds them back'));
  }, [onTitle, trans]);
  return (
    <div className="hr-runview hr-root">
      <Banner />
      <div className="hr-scroll hr-page" tabIndex={0}>
        <Workers />
        <Limits />
      </div>
    </div>
  );
}
