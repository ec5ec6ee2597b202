/** What a list of runs can be narrowed by: state, kind, tag, deployment, date; and filters saved with a name. */
import * as React from 'react';
import { conditions, EVERYTHING, type IRunFilter } from '../model/filter';
import type { RunListModel } from '../model/runlist';
import { SavedFilters } from '../model/savedfilters';
import { ALL, typeLabel } from '../pure/states';
import type { RunKind } from '../wire/words';
import { Icon, StateIcon } from './icons';
import { useLoaded, useModel, useOwned, useServices } from './context';

function flipped<T>(list: readonly T[], item: T): T[] {
  return list.includes(item) ? list.filter(other => other !== item) : [...list, item];
}

/** The day of an instant as a date field has it, in the browser's zone. */
export function dateField(instant: string | null, shiftDays = 0): string {
  if (!instant) {
    return '';
  }
  const at = new Date(Date.parse(instant) + shiftDays * 86_400_000);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** Midnight at the beginning of a day (or of the day after it), in the browser's zone. */
export function dayStart(field: string, shiftDays = 0): string | null {
  const [year, month, day] = field.split('-').map(Number);
  return year && month && day ? new Date(year, month - 1, day + shiftDays).toISOString() : null;
}

function Line({ label, children }: { label: string; children: React.ReactNode }): JSX.Element {
  return (
    <div className="hr-filter-line" role="group" aria-label={label}>
      <span className="hr-filter-label" aria-hidden="true">
        {label}
      </span>
      <div className="hr-filter-choices">{children}</div>
    </div>
  );
}

function TagField({ tags, onChange }: { tags: string[]; onChange: (tags: string[]) => void }): JSX.Element {
  const { trans } = useServices().host;
  const [text, setText] = React.useState('');
  const add = () => {
    const name = text.trim();
    if (name && !tags.includes(name)) {
      onChange([...tags, name]);
    }
    setText('');
  };
  return (
    <>
      {tags.map(tag => (
        <button
          key={tag}
          type="button"
          className="hr-chip"
          aria-pressed="true"
          aria-label={trans.__('Without tag %1', tag)}
          onClick={() => onChange(tags.filter(other => other !== tag))}
        >
          <span className="hr-chip-text">{tag}</span>
          <Icon name="close" size={10} />
        </button>
      ))}
      <input
        className="hr-input"
        type="text"
        size={12}
        value={text}
        placeholder={trans.__('Add a tag')}
        aria-label={trans.__('Tag')}
        onChange={event => setText(event.target.value)}
        onBlur={add}
        onKeyDown={event => {
          if (event.key === 'Enter') {
            event.preventDefault();
            add();
          }
        }}
      />
    </>
  );
}

function DateFields({ filter, set }: { filter: IRunFilter; set: (change: Partial<IRunFilter>) => void }): JSX.Element {
  const { trans } = useServices().host;
  const [between, setBetween] = React.useState(!!(filter.since ?? filter.until));
  const open = between || !!(filter.since ?? filter.until);
  const value = open ? 'between' : filter.days === null ? 'any' : String(filter.days);
  return (
    <>
      <select
        className="hr-select"
        aria-label={trans.__('Date')}
        value={value}
        onChange={event => {
          const chosen = event.target.value;
          setBetween(chosen === 'between');
          const days = chosen === 'any' || chosen === 'between' ? null : Number(chosen);
          set({ days, since: null, until: null });
        }}
      >
        <option value="any">{trans.__('Any time')}</option>
        <option value="1">{trans.__('The last 24 hours')}</option>
        <option value="7">{trans.__('The last 7 days')}</option>
        <option value="30">{trans.__('The last 30 days')}</option>
        {filter.days !== null && ![1, 7, 30].includes(filter.days) && (
          <option value={filter.days}>{trans.__('The last %1 days', filter.days)}</option>
        )}
        <option value="between">{trans.__('Between …')}</option>
      </select>
      {open && (
        <>
          <input
            className="hr-input"
            type="date"
            aria-label={trans.__('From')}
            value={dateField(filter.since)}
            onChange={event => set({ days: null, since: dayStart(event.target.value) })}
          />
          <input
            className="hr-input"
            type="date"
            aria-label={trans.__('To')}
            value={dateField(filter.until, -1)}
            onChange={event => set({ days: null, until: dayStart(event.target.value, 1) })}
          />
        </>
      )}
    </>
  );
}

function DeploymentField({
  value,
  onChange
}: {
  value: string | null;
  onChange: (id: string | null) => void;
}): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const loaded = useLoaded(() => manager.api.deployments(), [manager]);
  return (
    <select
      className="hr-select"
      aria-label={trans.__('Deployment')}
      value={value ?? ''}
      onChange={event => onChange(event.target.value || null)}
    >
      <option value="">{trans.__('Any or none')}</option>
      {value && !loaded.value?.some(each => each.id === value) && <option value={value}>{value.slice(0, 8)}</option>}
      {loaded.value?.map(each => (
        <option key={each.id} value={each.id}>
          {each.name}
        </option>
      ))}
    </select>
  );
}

/** Filters with a name: choose one, keep the present one, forget one. */
export function Saved({ model, onText }: { model: RunListModel; onText: (text: string) => void }): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const saved = useOwned(() => new SavedFilters(manager.api.connection.baseUrl), [manager]);
  const [name, setName] = React.useState<string | null>(null);
  const current = saved.nameOf(model.filter);
  const keep = () => {
    if (name?.trim()) {
      saved.save(name.trim().slice(0, 60), model.filter);
    }
    setName(null);
  };
  return (
    <Line label={trans.__('Saved')}>
      {saved.items.map(item => (
        <span key={item.name} className="hr-saved">
          <button
            type="button"
            className="hr-chip"
            aria-pressed={item.name === current}
            onClick={() => {
              model.setFilter(item.filter);
              onText(item.filter.text);
            }}
          >
            <span className="hr-chip-text">{item.name}</span>
          </button>
          <button
            type="button"
            className="hr-chip-remove"
            title={trans.__('Forget the filter %1', item.name)}
            aria-label={trans.__('Forget the filter %1', item.name)}
            onClick={() => saved.remove(item.name)}
          >
            <Icon name="close" size={10} />
          </button>
        </span>
      ))}
      {name === null ? (
        <button type="button" className="hr-link" disabled={!!current} onClick={() => setName('')}>
          {trans.__('Save this filter…')}
        </button>
      ) : (
        <>
          <input
            className="hr-input"
            type="text"
            size={14}
            autoFocus
            maxLength={60}
            value={name}
            placeholder={trans.__('Name')}
            aria-label={trans.__('Name of the filter')}
            onChange={event => setName(event.target.value)}
            onKeyDown={event => {
              if (event.key === 'Enter') {
                event.preventDefault();
                keep();
              } else if (event.key === 'Escape') {
                event.stopPropagation();
                setName(null);
              }
            }}
          />
          <button type="button" className="hr-link" onClick={keep}>
            {trans.__('Save')}
          </button>
        </>
      )}
    </Line>
  );
}

export function FilterPanel(props: {
  model: RunListModel;
  /** What every filter of this list has: the deployment whose runs it shows. */
  fixed: Partial<IRunFilter>;
  onText: (text: string) => void;
}): JSX.Element {
  const { model, fixed } = props;
  useModel(model);
  const { trans } = useServices().host;
  const { filter } = model;
  const set = (change: Partial<IRunFilter>) => model.setFilter(change);
  const kinds: [RunKind, string][] = [
    ['notebook', trans.__('Notebook')],
    ['flow', trans.__('Flow')],
    ['task', trans.__('Task')],
    ['cell', trans.__('Cell')]
  ];
  return (
    <div className="hr-filter">
      {!fixed.deploymentId && <Saved model={model} onText={props.onText} />}
      <Line label={trans.__('State')}>
        {ALL.map(type => (
          <button
            key={type}
            type="button"
            className="hr-chip"
            aria-pressed={filter.states.includes(type)}
            onClick={() => set({ states: flipped(filter.states, type) })}
          >
            <StateIcon type={type} silent size={12} />
            {typeLabel(type)}
          </button>
        ))}
      </Line>
      <Line label={trans.__('Kind')}>
        {kinds.map(([kind, label]) => (
          <button
            key={kind}
            type="button"
            className="hr-chip"
            aria-pressed={filter.kinds.includes(kind)}
            onClick={() => set({ kinds: flipped(filter.kinds, kind) })}
          >
            {label}
          </button>
        ))}
        <label className="hr-check">
          <input type="checkbox" checked={!filter.roots} onChange={event => set({ roots: !event.target.checked })} />
          {trans.__('parts of runs, too')}
        </label>
      </Line>
      <Line label={trans.__('Tag')}>
        <TagField tags={filter.tags} onChange={tags => set({ tags })} />
      </Line>
      {!fixed.deploymentId && (
        <Line label={trans.__('Deployment')}>
          <DeploymentField value={filter.deploymentId} onChange={deploymentId => set({ deploymentId })} />
        </Line>
      )}
      <Line label={trans.__('Date')}>
        <DateFields filter={filter} set={set} />
        {conditions(filter, fixed) > 0 && (
          <button
            type="button"
            className="hr-link"
            onClick={() => model.setFilter({ ...EVERYTHING, ...fixed, text: filter.text })}
          >
            {trans.__('Clear all')}
          </button>
        )}
      </Line>
    </div>
  );
}
