/** The part of both dialogs that asks about the notebook. */
import * as React from 'react';
import { useTrans } from '../view/context';
import { Loading, Problem } from '../view/basics';
import { Field, ParameterField, parseWords } from './fields';
import type { INotebookForm } from './notebookform';

export function ParameterFields({ form }: { form: INotebookForm }): JSX.Element {
  const trans = useTrans();
  if (form.problem) {
    return <Problem message={form.problem} />;
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

export function OptionFields({ form }: { form: INotebookForm }): JSX.Element {
  const trans = useTrans();
  const { options, setOption, refused } = form;
  const kernel = form.inspection?.kernel_name ?? '';
  const own = form.kernels.find(spec => spec.name === kernel)?.display_name ?? kernel;
  const number = (text: string) =>
    text.trim() && !/^\d+(\.\d+)?$/.test(text.trim()) ? trans.__('A number is needed.') : null;
  return (
    <details
      className="hr-more"
      open={['kernel_name', 'output_path', 'retries', 'timeout_seconds'].some(key => refused[key])}
    >
      <summary>{trans.__('Kernel, output, retries and time limit')}</summary>
      <div className="hr-fields">
        <Field
          label={trans.__('Kernel')}
          error={refused.kernel_name}
          hint={
            form.inspection && !form.inspection.kernel_known
              ? trans.__('The notebook names “%1”, which is not installed here. Choose another.', kernel)
              : null
          }
        >
          {ids => (
            <select
              {...ids}
              value={options.kernelName}
              onChange={event => setOption({ kernelName: event.target.value })}
            >
              <option value="">
                {own ? trans.__('The notebook’s own (%1)', own) : trans.__('The notebook’s own')}
              </option>
              {form.kernels.map(spec => (
                <option key={spec.name} value={spec.name}>
                  {spec.display_name}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field
          label={trans.__('Output notebook')}
          error={refused.output_path}
          hint={trans.__('Relative to the server’s folder. Empty: a file of its own beside the notebook.')}
        >
          {ids => (
            <input
              {...ids}
              type="text"
              spellCheck={false}
              value={options.outputPath}
              onChange={event => setOption({ outputPath: event.target.value })}
            />
          )}
        </Field>
        <div className="hr-fields-row">
          <Field label={trans.__('Retries')} error={refused.retries ?? number(options.retries)}>
            {ids => (
              <input
                {...ids}
                type="text"
                inputMode="numeric"
                placeholder="0"
                value={options.retries}
                onChange={event => setOption({ retries: event.target.value })}
              />
            )}
          </Field>
          <Field
            label={trans.__('Time limit in minutes')}
            error={refused.timeout_seconds ?? number(options.timeoutMinutes)}
          >
            {ids => (
              <input
                {...ids}
                type="text"
                inputMode="decimal"
                placeholder={trans.__('none')}
                value={options.timeoutMinutes}
                onChange={event => setOption({ timeoutMinutes: event.target.value })}
              />
            )}
          </Field>
        </div>
      </div>
    </details>
  );
}
