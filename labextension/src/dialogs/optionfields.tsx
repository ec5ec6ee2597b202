/** How a notebook is run: kernel, output, retries, limits; of a schedule also its policies and who is told. */
import * as React from 'react';
import { useTrans } from '../view/context';
import { KernelNotice } from '../view/kernelnotice';
import { Field } from './fields';
import type { INotebookForm, IOptions } from './notebookform';

type TextOption = Exclude<keyof IOptions, 'notify'>;

interface ITextProps {
  form: INotebookForm;
  option: TextOption;
  label: string;
  /** The request's name for it, by which the server refuses it. */
  field: string;
  hint?: string;
  placeholder?: string;
  numeric?: boolean;
}

function TextOptionField({ form, option, label, field, hint, placeholder, numeric }: ITextProps): JSX.Element {
  return (
    <Field label={label} hint={hint} error={form.refused[field] ?? form.wrong[option] ?? null}>
      {ids => (
        <input
          {...ids}
          type="text"
          inputMode={numeric ? 'decimal' : undefined}
          spellCheck={false}
          placeholder={placeholder}
          value={form.options[option]}
          onChange={event => form.setOption({ [option]: event.target.value })}
        />
      )}
    </Field>
  );
}

function ChoiceField(props: {
  form: INotebookForm;
  option: TextOption;
  label: string;
  field: string;
  hint?: string;
  choices: [string, string][];
}): JSX.Element {
  const { form, option, label, field, hint, choices } = props;
  return (
    <Field label={label} hint={hint} error={form.refused[field]}>
      {ids => (
        <select
          {...ids}
          value={form.options[option]}
          onChange={event => form.setOption({ [option]: event.target.value })}
        >
          {choices.map(([value, words]) => (
            <option key={value} value={value}>
              {words}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** The kernel, named with its Python where it lacks Headrace. */
function KernelField({ form }: { form: INotebookForm }): JSX.Element {
  const trans = useTrans();
  const kernel = form.inspection?.kernel_name ?? '';
  const own = form.kernels.find(spec => spec.name === kernel)?.display_name ?? kernel;
  return (
    <Field
      label={trans.__('Kernel')}
      error={form.refused.kernel_name}
      hint={
        form.inspection && !form.inspection.kernel_known
          ? trans.__('The notebook names “%1”, which is not installed here. Choose another.', kernel)
          : null
      }
    >
      {ids => (
        <select
          {...ids}
          value={form.options.kernelName}
          onChange={event => form.setOption({ kernelName: event.target.value })}
        >
          <option value="">{own ? trans.__('The notebook’s own (%1)', own) : trans.__('The notebook’s own')}</option>
          {form.kernels.map(spec => (
            <option key={spec.name} value={spec.name}>
              {spec.display_name}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** Said at once, not only when the options are unfolded. */
export function DialogKernelNotice({ form }: { form: INotebookForm }): JSX.Element | null {
  const { inspection, options } = form;
  const name = options.kernelName || (inspection?.kernel_known ? inspection.kernel_name : null);
  return <KernelNotice kernel={name ?? null} />;
}

const FOLDED = [
  'kernel_name',
  'output_path',
  'retries',
  'retry_delay_seconds',
  'timeout_seconds',
  'cell_timeout_seconds'
];
const POLICIES = ['overlap', 'catch_up', 'grace_seconds', 'concurrency_limit', 'env_file', 'source'];

export function OptionFields({ form }: { form: INotebookForm }): JSX.Element {
  const trans = useTrans();
  const none = trans.__('none');
  return (
    <details className="hr-more" open={FOLDED.some(key => form.refused[key]) || undefined}>
      <summary>{trans.__('Kernel, output, retries and time limits')}</summary>
      <div className="hr-fields">
        <KernelField form={form} />
        <TextOptionField
          form={form}
          option="outputPath"
          field="output_path"
          label={trans.__('Output notebook')}
          hint={trans.__(
            'Relative to the server’s folder; {run_name} and {scheduled_at} are filled in. Empty: a file of its own beside the notebook.'
          )}
        />
        <div className="hr-fields-row">
          <TextOptionField
            form={form}
            option="retries"
            field="retries"
            label={trans.__('Retries')}
            placeholder="0"
            numeric
          />
          <TextOptionField
            form={form}
            option="retryDelay"
            field="retry_delay_seconds"
            label={trans.__('Wait before a retry in seconds')}
            placeholder="0"
            numeric
          />
        </div>
        <div className="hr-fields-row">
          <TextOptionField
            form={form}
            option="timeoutMinutes"
            field="timeout_seconds"
            label={trans.__('Time limit in minutes')}
            placeholder={none}
            numeric
          />
          <TextOptionField
            form={form}
            option="cellTimeoutMinutes"
            field="cell_timeout_seconds"
            label={trans.__('Limit of each cell in minutes')}
            placeholder={none}
            numeric
          />
        </div>
        <TextOptionField
          form={form}
          option="tags"
          field="tags"
          label={trans.__('Tags')}
          hint={trans.__('With commas between.')}
        />
      </div>
    </details>
  );
}

export function PolicyFields({ form }: { form: INotebookForm }): JSX.Element {
  const trans = useTrans();
  return (
    <details className="hr-more" open={POLICIES.some(key => form.refused[key]) || undefined}>
      <summary>{trans.__('Version, overlap and missed times')}</summary>
      <div className="hr-fields">
        <ChoiceField
          form={form}
          option="source"
          field="source"
          label={trans.__('Which version runs')}
          choices={[
            ['live', trans.__('The file as it is then')],
            ['pinned', trans.__('A copy of the file as it is now')]
          ]}
        />
        <ChoiceField
          form={form}
          option="overlap"
          field="overlap"
          label={trans.__('If the last run is still on')}
          choices={[
            ['skip', trans.__('Leave this one out')],
            ['queue', trans.__('Wait for it')],
            ['allow', trans.__('Run beside it')],
            ['cancel_running', trans.__('Cancel it')]
          ]}
        />
        <ChoiceField
          form={form}
          option="catchUp"
          field="catch_up"
          label={trans.__('Times missed while the machine was off')}
          choices={[
            ['latest', trans.__('Run the latest one')],
            ['skip', trans.__('Leave them out')],
            ['all', trans.__('Run all of them')]
          ]}
        />
        <div className="hr-fields-row">
          <TextOptionField
            form={form}
            option="graceMinutes"
            field="grace_seconds"
            label={trans.__('May start late by minutes')}
            placeholder={trans.__('until the next')}
            numeric
          />
          <TextOptionField
            form={form}
            option="concurrency"
            field="concurrency_limit"
            label={trans.__('Runs at once')}
            placeholder={trans.__('no limit')}
            numeric
          />
        </div>
        <TextOptionField
          form={form}
          option="envFile"
          field="env_file"
          label={trans.__('Environment file')}
          hint={trans.__('A .env file below the server’s folder, read when a run starts.')}
          placeholder={trans.__('none')}
        />
      </div>
    </details>
  );
}
