/** Every field of a deployment, changed afterwards. */
import * as React from 'react';
import { Field } from '../dialogs/fields';
import { NotifyFields } from '../dialogs/notifyfields';
import { applies, changesOf, FIELDS, formOf, rulesOf, type FormError, type IFieldSpec } from '../model/deploymentform';
import type { ITranslator } from '../tokens';
import { Refused, sentence } from '../wire/errors';
import type { IDeployment, IKernelSpec } from '../wire/words';
import { useLoaded, useServices } from './context';

/** What each field is called, and what helps to fill it in. */
function words(trans: ITranslator): Record<string, [label: string, hint?: string]> {
  return {
    name: [trans.__('Name')],
    notebook: [trans.__('Notebook'), trans.__('Below the server’s folder.')],
    entrypoint: [trans.__('Flow'), 'path.py:flow'],
    description: [trans.__('Description')],
    tags: [trans.__('Tags'), trans.__('Separated by commas.')],
    source: [trans.__('Runs'), trans.__('Pinned: always the copy made when it was pinned; choose it again to renew.')],
    parameters: [trans.__('Parameters'), trans.__('JSON; what is not here has the notebook’s own default.')],
    kernel_name: [trans.__('Kernel')],
    cwd: [trans.__('Working folder')],
    output_path: [
      trans.__('Output notebook'),
      trans.__('May hold {scheduled_at:%Y-%m-%d}. Empty: beside the notebook.')
    ],
    env_file: [trans.__('Environment file'), trans.__('NAME=value lines. Empty: none.')],
    pool: [trans.__('Pool'), trans.__('Workers of this pool run it.')],
    priority: [trans.__('Priority'), trans.__('Higher goes first.')],
    retries: [trans.__('Retries')],
    retry_delay_seconds: [trans.__('Wait before a retry'), trans.__('Seconds; or one number for each retry: 10, 60.')],
    timeout_seconds: [trans.__('Time limit of a run'), trans.__('Seconds. Empty: none.')],
    cell_timeout_seconds: [trans.__('Time limit of a cell'), trans.__('Seconds. Empty: none.')],
    concurrency_limit: [trans.__('Runs at once'), trans.__('Empty: any number.')],
    overlap: [trans.__('When the run before is not over')],
    catch_up: [trans.__('Missed times'), trans.__('While nothing was there to run them.')],
    catch_up_limit: [trans.__('Missed times at most')],
    grace_seconds: [
      trans.__('Still run when late by'),
      trans.__('Seconds. Empty: the schedule’s period, a day at most.')
    ],
    retention: [trans.__('Keep'), '{"runs": 100, "days": 30}'],
    paused: [trans.__('Paused')]
  };
}

function choiceWords(trans: ITranslator): Record<string, string> {
  return {
    live: trans.__('the file as it is then'),
    pinned: trans.__('a pinned copy'),
    skip: trans.__('skip'),
    queue: trans.__('wait for it'),
    allow: trans.__('run beside it'),
    cancel_running: trans.__('cancel it'),
    latest: trans.__('run the latest'),
    all: trans.__('run all')
  };
}

function errorWords(error: FormError, trans: ITranslator): string {
  return {
    required: trans.__('A value is needed.'),
    whole: trans.__('A whole number in range is needed.'),
    number: trans.__('A number that is not negative is needed.'),
    json: trans.__('A JSON object is needed, such as {"month": 3}.'),
    rules: trans.__('Each address needs something to be told of, and is not empty.')
  }[error];
}

function Input(props: {
  spec: IFieldSpec;
  value: string;
  kernels: readonly IKernelSpec[];
  ids: { id: string; 'aria-describedby': string; 'aria-invalid': boolean };
  onChange: (value: string) => void;
}): JSX.Element {
  const { spec, value, ids, onChange } = props;
  const { trans } = useServices().host;
  if (spec.kind === 'flag') {
    return (
      <input
        {...ids}
        type="checkbox"
        checked={value === 'true'}
        onChange={event => onChange(String(event.target.checked))}
      />
    );
  }
  if (spec.kind === 'choice' || spec.kind === 'kernel') {
    const names = choiceWords(trans);
    const choices =
      spec.kind === 'choice'
        ? spec.choices!.map(choice => ({ name: choice, label: names[choice] ?? choice }))
        : props.kernels.map(kernel => ({ name: kernel.name, label: kernel.display_name }));
    return (
      <select {...ids} value={value} onChange={event => onChange(event.target.value)}>
        {!choices.some(choice => choice.name === value) && <option value={value}>{value}</option>}
        {choices.map(choice => (
          <option key={choice.name} value={choice.name}>
            {choice.label}
          </option>
        ))}
      </select>
    );
  }
  if (spec.kind === 'long' || spec.kind === 'json') {
    return (
      <textarea
        {...ids}
        rows={Math.min(8, Math.max(2, value.split('\n').length))}
        spellCheck={spec.kind === 'long'}
        value={value}
        onChange={event => onChange(event.target.value)}
      />
    );
  }
  const numeric = spec.kind === 'whole' || spec.kind === 'number';
  return (
    <input
      {...ids}
      type="text"
      inputMode={numeric ? 'decimal' : undefined}
      spellCheck={false}
      value={value}
      onChange={event => onChange(event.target.value)}
    />
  );
}

export function DeploymentForm(props: { deployment: IDeployment; onSaved: () => void }): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const { deployment } = props;
  // What the person typed over what the server has: fields that nobody touched follow the server.
  const [typed, setTyped] = React.useState<Record<string, string>>({});
  const [refused, setRefused] = React.useState<Record<string, string>>({});
  const [general, setGeneral] = React.useState<string | null>(null);
  const [busy, setBusy] = React.useState(false);
  const kernels = useLoaded(() => manager.api.kernelspecs(), [manager]);
  const form = { ...formOf(deployment), ...typed };
  const { body, errors } = changesOf(deployment, form);
  const labels = words(trans);
  const count = Object.keys(body).length;
  const shown = FIELDS.filter(spec => applies(deployment, spec.name));
  const strange = Object.entries(refused).filter(([name]) => !shown.some(spec => spec.name === name));
  const errorOf = (name: string) => (errors[name] ? errorWords(errors[name], trans) : (refused[name] ?? null));
  const set = (name: string, value: string) => {
    setTyped(old => ({ ...old, [name]: value }));
    setRefused(({ [name]: _, ...others }) => others);
  };
  const save = async () => {
    setBusy(true);
    setRefused({});
    setGeneral(null);
    try {
      await manager.api.patchDeployment(deployment.id, { ...body, revision: deployment.revision });
      setTyped({});
      props.onSaved();
    } catch (error) {
      if (error instanceof Refused && error.errors.length) {
        setRefused(Object.fromEntries(error.errors.map(each => [each.field, each.message])));
      } else {
        setGeneral(sentence(error));
      }
      if (error instanceof Refused && error.status === 409) {
        props.onSaved();
      }
    }
    setBusy(false);
  };
  return (
    <form
      className="hr-scroll hr-page hr-deploymentform"
      onSubmit={event => {
        event.preventDefault();
        if (count && !Object.keys(errors).length && !busy) {
          void save();
        }
      }}
    >
      <div className="hr-deploymentform-fields">
        {shown
          .filter(spec => spec.kind !== 'rules')
          .map(spec => (
            <Field
              key={spec.name}
              label={labels[spec.name][0]}
              hint={labels[spec.name][1]}
              error={errorOf(spec.name)}
              check={spec.kind === 'flag'}
            >
              {ids => (
                <Input
                  spec={spec}
                  ids={ids}
                  value={form[spec.name]}
                  kernels={kernels.value?.kernelspecs ?? []}
                  onChange={value => set(spec.name, value)}
                />
              )}
            </Field>
          ))}
      </div>
      <NotifyFields
        rules={rulesOf(form.notify)}
        error={errorOf('notify')}
        onChange={rules => set('notify', JSON.stringify(rules))}
      />
      <div className="hr-deploymentform-foot">
        <span role="status" className="hr-muted">
          {count ? trans._n('%1 field changed', '%1 fields changed', count, count) : trans.__('Nothing changed')}
        </span>
        {(general ?? strange.length > 0) && (
          <span className="hr-field-error" role="alert">
            {[general, ...strange.map(([name, message]) => `${name}: ${message}`)].filter(Boolean).join(' ')}
          </span>
        )}
        <span className="hr-grow" />
        <button
          type="button"
          className="hr-button hr-mod-wordy"
          disabled={!Object.keys(typed).length}
          onClick={() => {
            setTyped({});
            setRefused({});
            setGeneral(null);
          }}
        >
          {trans.__('Undo changes')}
        </button>
        <button
          type="submit"
          className="hr-button hr-mod-wordy hr-mod-main"
          disabled={!count || busy || Object.keys(errors).length > 0}
        >
          {trans.__('Save')}
        </button>
      </div>
    </form>
  );
}
