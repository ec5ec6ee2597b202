/** A run that waits for a person: what it asks, and the answer. */
import * as React from 'react';
import { ParameterField, parseWords } from '../dialogs/fields';
import { changedValues } from '../dialogs/notebookform';
import { fieldKind, parse, written } from '../pure/parse';
import { questionFields } from '../pure/questions';
import { runName } from '../pure/runname';
import { ago, exact } from '../pure/time';
import { Refused, sentence } from '../wire/errors';
import type { IFullRun, IQuestionAsked } from '../wire/words';
import { useNow, useServices } from './context';

interface IFormProps {
  run: IFullRun;
  question: IQuestionAsked;
  onDone?: () => void;
}

function Form({ run, question, onDone }: IFormProps): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const fields = React.useMemo(() => questionFields(question.schema), [question]);
  const [values, setValues] = React.useState<Record<string, string>>(() =>
    Object.fromEntries(fields.map(each => [each.name, written(each.default, fieldKind(each))]))
  );
  const [refused, setRefused] = React.useState<Record<string, string>>({});
  const [busy, setBusy] = React.useState(false);
  const parsed = Object.fromEntries(
    fields.map(each => [each.name, parse(values[each.name] ?? '', fieldKind(each), each)])
  );
  const valid = Object.values(parsed).every(each => each.ok);
  const about = (question.schema as { description?: unknown }).description;
  const now = useNow(true);

  const send = async () => {
    setBusy(true);
    setRefused({});
    try {
      await (fields.length
        ? manager.api.answer(run.id, changedValues(fields, parsed))
        : manager.api.act(run.id, 'unpause'));
      onDone?.();
    } catch (error) {
      const known =
        error instanceof Refused
          ? Object.fromEntries(error.errors.map(each => [each.field.replace(/^values\./, ''), each.message]))
          : {};
      const named = Object.keys(known).some(name => name in parsed);
      setRefused(named ? known : { '': sentence(error) });
    }
    setBusy(false);
  };
  return (
    <form
      className="hr-pauseform"
      aria-label={trans.__('%1 waits for an answer', runName(run))}
      noValidate
      onSubmit={event => {
        event.preventDefault();
        if (valid && !busy) {
          void send();
        }
      }}
    >
      <p className="hr-pauseform-title">
        {fields.length ? trans.__('This run waits for your answer') : trans.__('This run waits until you let it go on')}
        <span className="hr-muted" title={exact(question.asked_at)}>
          {' '}
          · {trans.__('asked %1', ago(question.asked_at, now))}
        </span>
      </p>
      {typeof about === 'string' && <p>{about}</p>}
      {fields.length > 0 && (
        <div className="hr-fields">
          {fields.map(field => (
            <ParameterField
              key={field.name}
              parameter={field}
              value={values[field.name] ?? ''}
              error={refused[field.name] ?? parseWords(parsed[field.name], trans)}
              onChange={value => {
                setValues(old => ({ ...old, [field.name]: value }));
                setRefused({});
              }}
            />
          ))}
        </div>
      )}
      {refused[''] && (
        <p className="hr-field-error" role="alert">
          {refused['']}
        </p>
      )}
      <button type="submit" className="hr-dialog-button hr-mod-accept" disabled={!valid || busy}>
        {fields.length ? trans.__('Answer') : trans.__('Unpause')}
      </button>
    </form>
  );
}

/** The form of a paused run; nothing where the run does not wait for a person. */
export function PauseForm({ run, onDone }: { run: IFullRun; onDone?: () => void }): JSX.Element | null {
  const question = run.state_type === 'PAUSED' ? run.questions?.[0] : undefined;
  return question ? <Form key={`${run.id} ${question.key}`} run={run} question={question} onDone={onDone} /> : null;
}
