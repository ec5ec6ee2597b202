/** Who is told, and of what: rules of events and an address each. */
import * as React from 'react';
import { IconButton } from '../view/basics';
import { useTrans } from '../view/context';
import type { INotifyRule, NotifyEvent } from '../wire/words';
import { Field } from './fields';

/** What a new rule tells of. */
const USUAL: NotifyEvent[] = ['failed', 'recovered'];

export function NotifyFields(props: {
  rules: readonly INotifyRule[];
  /** The server does not say of which rule it speaks: it is shown at the last. */
  error: string | null;
  onChange: (rules: INotifyRule[]) => void;
}): JSX.Element {
  const trans = useTrans();
  const { rules, error, onChange } = props;
  const events: [NotifyEvent, string][] = [
    ['failed', trans.__('fails')],
    ['recovered', trans.__('works again')],
    ['late', trans.__('is late')]
  ];
  const set = (at: number, change: Partial<INotifyRule>) =>
    onChange(rules.map((rule, index) => (index === at ? { ...rule, ...change } : rule)));
  const flip = (at: number, event: NotifyEvent) => {
    const chosen = rules[at].events;
    set(at, { events: chosen.includes(event) ? chosen.filter(other => other !== event) : [...chosen, event] });
  };
  return (
    <fieldset className="hr-fields">
      <legend>{trans.__('Tell me when it')}</legend>
      {rules.map((rule, at) => (
        <div key={at} className="hr-notify-rule">
          <div className="hr-notify-events" role="group" aria-label={trans.__('Events')}>
            {events.map(([event, label]) => (
              <label key={event}>
                <input type="checkbox" checked={rule.events.includes(event)} onChange={() => flip(at, event)} />
                {label}
              </label>
            ))}
          </div>
          <Field label={trans.__('Mail address or webhook')} error={at === rules.length - 1 ? error : null}>
            {ids => (
              <input
                {...ids}
                type="text"
                spellCheck={false}
                placeholder="me@example.org, https://…"
                value={rule.to}
                onChange={event => set(at, { to: event.target.value })}
              />
            )}
          </Field>
          <IconButton
            icon="close"
            label={trans.__('Remove this address')}
            onClick={() => onChange(rules.filter((_, index) => index !== at))}
          />
        </div>
      ))}
      <div>
        <IconButton
          icon="plus"
          wordy
          label={rules.length ? trans.__('Another address') : trans.__('fails, works again or is late…')}
          onClick={() => onChange([...rules, { events: USUAL, to: '' }])}
        />
      </div>
    </fieldset>
  );
}
