/** The part of both dialogs that asks about the notebook. */
import * as React from 'react';
import { useTrans } from '../view/context';
import { Loading, Problem } from '../view/basics';
import { ParameterField, parseWords } from './fields';
import type { INotebookForm } from './notebookform';

export function ParameterFields({ form }: { form: INotebookForm }): JSX.Element {
  const trans = useTrans();
  if (form.problem) {
    return <Problem message={form.problem} onRetry={form.retry} />;
  }
  if (!form.inspection) {
    return <Loading />;
  }
  const { parameters, cells, tasks } = form.inspection;
  return (
    <fieldset className="hr-fields">
      <legend>{trans.__('Parameters')}</legend>
      {!parameters.length && (
        <p className="hr-muted">
          {trans.__('This notebook has none. Tag a cell “parameters” and every name that it assigns becomes one.')}
        </p>
      )}
      {parameters.map(parameter => (
        <ParameterField
          key={parameter.name}
          parameter={parameter}
          value={form.values[parameter.name] ?? ''}
          error={form.refused[parameter.name] ?? parseWords(form.parsed[parameter.name], trans)}
          onChange={value => form.setValue(parameter.name, value)}
        />
      ))}
      <p className="hr-muted">
        {trans._n('%1 cell', '%1 cells', cells, cells)}
        {tasks > 0 && `, ${trans._n('%1 task', '%1 tasks', tasks, tasks)}`}
      </p>
    </fieldset>
  );
}
