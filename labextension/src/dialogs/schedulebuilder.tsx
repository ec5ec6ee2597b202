/** When a notebook runs: presets, cron, interval, calendar rule or once, with the next fires as one types. */
import * as React from 'react';
import { scheduleBody, type IScheduleForm, type ScheduleMode } from '../model/scheduleform';
import { isZone, zones } from '../pure/zone';
import { Refused, sentence } from '../wire/errors';
import type { IPreview } from '../wire/words';
import { useServices, useSettled, useTrans } from '../view/context';
import { Field } from './fields';

const TYPING_MS = 300;

interface IBuilderProps {
  form: IScheduleForm;
  onChange: (change: Partial<IScheduleForm>) => void;
  onValid: (valid: boolean) => void;
  refused: Record<string, string>;
  /** What else the fires are shown with: an output path and parameters, in which tokens are filled. */
  filled?: { parameters: Record<string, unknown>; [field: string]: unknown };
}

function usePreview(
  form: IScheduleForm,
  filled: IBuilderProps['filled']
): { preview: IPreview | null; errors: Record<string, string> } {
  const { manager } = useServices();
  const [state, setState] = React.useState<{ preview: IPreview | null; errors: Record<string, string> }>({
    preview: null,
    errors: {}
  });
  const settled = useSettled(JSON.stringify({ ...scheduleBody(form), ...filled }), TYPING_MS);
  React.useEffect(() => {
    const body = JSON.parse(settled) as Record<string, unknown> | null;
    if (!body) {
      setState({ preview: null, errors: {} });
      return undefined;
    }
    const request = new AbortController();
    manager.api.previewSchedule(body, request.signal).then(
      preview => setState({ preview, errors: {} }),
      error => {
        if (!request.signal.aborted) {
          const errors =
            error instanceof Refused && error.errors.length
              ? Object.fromEntries(error.errors.map(each => [each.field, each.message]))
              : { general: sentence(error) };
          setState({ preview: null, errors });
        }
      }
    );
    return () => request.abort();
  }, [manager, settled]);
  return state;
}

/** Wall times of schedules are whole minutes, but for intervals of less. */
function withoutSeconds(wall: string): string {
  return wall.replace(/(\d\d:\d\d):00(?!\d)/, '$1');
}

/** The values at one of the fires that tokens make different from the next one's, and where its output goes. */
function filledAt(preview: IPreview, at: number): string {
  const all = preview.parameters ?? [];
  const told = Object.entries(all[at] ?? {})
    .filter(([name, value]) => all.some(other => other[name] !== value))
    .map(([name, value]) => `${name} = ${String(value)}`);
  return [...told, ...(preview.output_paths ? [preview.output_paths[at]] : [])].join(' · ');
}

export function ScheduleBuilder({ form, onChange, onValid, refused, filled }: IBuilderProps): JSX.Element {
  const trans = useTrans();
  const { preview, errors } = usePreview(form, filled);
  const unfilled = ['output_path', ...Object.keys(filled?.parameters ?? {})].flatMap(field => errors[field] ?? []);
  const zoneKnown = isZone(form.timezone);
  const valid = !!preview && zoneKnown;
  React.useEffect(() => onValid(valid), [onValid, valid]);
  const wrong = (field: string) => refused[field] ?? errors[field] ?? null;
  const known = React.useMemo(() => zones(), []);
  const list = React.useId();
  const modes: [ScheduleMode, string][] = [
    ['hourly', trans.__('Every hour')],
    ['daily', trans.__('Every day')],
    ['weekdays', trans.__('Monday to Friday')],
    ['weekly', trans.__('Every week')],
    ['monthly', trans.__('Every month')],
    ['interval', trans.__('At an interval')],
    ['cron', trans.__('Cron rule')],
    ['rrule', trans.__('Calendar rule (RRULE)')],
    ['once', trans.__('Once')]
  ];
  const days = [1, 2, 3, 4, 5, 6, 0];
  const dayName = (day: number) =>
    new Intl.DateTimeFormat(undefined, { weekday: 'long', timeZone: 'UTC' }).format(Date.UTC(2023, 0, 1 + day));
  const timed = ['daily', 'weekdays', 'weekly', 'monthly'].includes(form.mode);
  return (
    <fieldset className="hr-fields hr-schedulebuilder">
      <legend>{trans.__('When')}</legend>
      <div className="hr-fields-row">
        <Field label={trans.__('Repeats')}>
          {ids => (
            <select
              {...ids}
              value={form.mode}
              onChange={event => onChange({ mode: event.target.value as ScheduleMode })}
            >
              {modes.map(([mode, label]) => (
                <option key={mode} value={mode}>
                  {label}
                </option>
              ))}
            </select>
          )}
        </Field>
        {form.mode === 'hourly' && (
          <Field label={trans.__('Minutes past the hour')} error={wrong('cron')}>
            {ids => (
              <input
                {...ids}
                type="number"
                min={0}
                max={59}
                value={form.minute}
                onChange={event => onChange({ minute: event.target.valueAsNumber })}
              />
            )}
          </Field>
        )}
        {form.mode === 'weekly' && (
          <Field label={trans.__('On')}>
            {ids => (
              <select
                {...ids}
                value={form.weekday}
                onChange={event => onChange({ weekday: Number(event.target.value) })}
              >
                {days.map(day => (
                  <option key={day} value={day}>
                    {dayName(day)}
                  </option>
                ))}
              </select>
            )}
          </Field>
        )}
        {form.mode === 'monthly' && (
          <Field
            label={trans.__('On day')}
            error={wrong('cron')}
            hint={form.day > 28 ? trans.__('Months without this day are left out.') : null}
          >
            {ids => (
              <input
                {...ids}
                type="number"
                min={1}
                max={31}
                value={form.day}
                onChange={event => onChange({ day: event.target.valueAsNumber })}
              />
            )}
          </Field>
        )}
        {timed && (
          <Field label={trans.__('At')} error={form.mode === 'monthly' ? null : wrong('cron')}>
            {ids => (
              <input
                {...ids}
                type="time"
                value={form.time}
                onChange={event => onChange({ time: event.target.value })}
              />
            )}
          </Field>
        )}
        {form.mode === 'interval' && (
          <>
            <Field label={trans.__('Every')} error={wrong('interval_seconds')}>
              {ids => (
                <input
                  {...ids}
                  type="number"
                  min={1}
                  value={form.every}
                  onChange={event => onChange({ every: event.target.valueAsNumber })}
                />
              )}
            </Field>
            <Field label={trans.__('Unit')}>
              {ids => (
                <select
                  {...ids}
                  value={form.unit}
                  onChange={event => onChange({ unit: event.target.value as IScheduleForm['unit'] })}
                >
                  <option value="minutes">{trans.__('minutes')}</option>
                  <option value="hours">{trans.__('hours')}</option>
                  <option value="days">{trans.__('days')}</option>
                </select>
              )}
            </Field>
          </>
        )}
        {form.mode === 'cron' && (
          <Field label={trans.__('Minute hour day month weekday')} error={wrong('cron')}>
            {ids => (
              <input
                {...ids}
                type="text"
                spellCheck={false}
                value={form.cron}
                onChange={event => onChange({ cron: event.target.value })}
              />
            )}
          </Field>
        )}
        {form.mode === 'rrule' && (
          <Field label="RRULE" error={wrong('rrule')}>
            {ids => (
              <input
                {...ids}
                type="text"
                spellCheck={false}
                value={form.rrule}
                onChange={event => onChange({ rrule: event.target.value })}
              />
            )}
          </Field>
        )}
        {form.mode === 'once' && (
          <Field label={trans.__('At')} error={wrong('at')}>
            {ids => (
              <input
                {...ids}
                type="datetime-local"
                value={form.at}
                onChange={event => onChange({ at: event.target.value })}
              />
            )}
          </Field>
        )}
      </div>
      <Field
        label={trans.__('Time zone')}
        error={zoneKnown ? wrong('timezone') : trans.__('There is no such time zone.')}
      >
        {ids => (
          <>
            <input
              {...ids}
              type="text"
              list={list}
              spellCheck={false}
              value={form.timezone}
              onChange={event => onChange({ timezone: event.target.value })}
            />
            <datalist id={list}>
              {known.map(zone => (
                <option key={zone} value={zone} />
              ))}
            </datalist>
          </>
        )}
      </Field>
      <div className="hr-preview" aria-live="polite">
        {errors.general && <p className="hr-field-error">{errors.general}</p>}
        {unfilled.map(message => (
          <p key={message} className="hr-field-error">
            {message}
          </p>
        ))}
        {preview && (
          <>
            <p className="hr-preview-sentence">{preview.sentence}</p>
            <ol>
              {preview.fires.map((fire, at) => (
                <li key={fire}>
                  {withoutSeconds(preview.wall?.[at] ?? fire)}
                  {filledAt(preview, at) && <div className="hr-muted">{filledAt(preview, at)}</div>}
                </li>
              ))}
            </ol>
          </>
        )}
      </div>
    </fieldset>
  );
}
