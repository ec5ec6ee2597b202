/** What both dialogs ask about a notebook: its parameters and how it is run. */
import * as React from 'react';
import { fieldKind, parse, written, type Parsed } from '../pure/parse';
import type { IDialogRequest } from '../tokens';
import { Refused, sentence } from '../wire/errors';
import type { IInspection, IKernelSpec, IParameter } from '../wire/words';
import { useServices } from '../view/context';

export interface IOptions {
  kernelName: string;
  outputPath: string;
  name: string;
  retries: string;
  timeoutMinutes: string;
}

export interface INotebookForm {
  inspection: IInspection | null;
  kernels: IKernelSpec[];
  /** Why the notebook cannot be asked for its parameters. */
  problem: string | null;
  values: Record<string, string>;
  setValue: (name: string, value: string) => void;
  parsed: Record<string, Parsed>;
  valid: boolean;
  options: IOptions;
  setOption: (change: Partial<IOptions>) => void;
  /** What the server said of fields, by name. */
  refused: Record<string, string>;
  /** What it said that belongs to no field. */
  general: string | null;
  busy: boolean;
  /** Run a request; what is refused is shown beside its field. */
  submit: (request: (body: Record<string, unknown>) => Promise<void>) => Promise<void>;
}

function start(parameter: IParameter, given: Record<string, unknown>): string {
  const value = Object.prototype.hasOwnProperty.call(given, parameter.name) ? given[parameter.name] : parameter.default;
  return written(value, fieldKind(parameter));
}

/** Only what differs from the notebook's own defaults is sent: a changed default then still counts. */
export function changedValues(parameters: IParameter[], parsed: Record<string, Parsed>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const parameter of parameters) {
    const value = parsed[parameter.name];
    if (
      value?.ok &&
      (parameter.required || JSON.stringify(value.value) !== JSON.stringify(parameter.default ?? null))
    ) {
      result[parameter.name] = value.value;
    }
  }
  return result;
}

export function useNotebookForm(request: IDialogRequest): INotebookForm {
  const { manager } = useServices();
  const [inspection, setInspection] = React.useState<IInspection | null>(null);
  const [kernels, setKernels] = React.useState<IKernelSpec[]>([]);
  const [problem, setProblem] = React.useState<string | null>(null);
  const [values, setValues] = React.useState<Record<string, string>>({});
  const [refused, setRefused] = React.useState<Record<string, string>>({});
  const [general, setGeneral] = React.useState<string | null>(null);
  const [busy, setBusy] = React.useState(false);
  const [options, setOptions] = React.useState<IOptions>({
    kernelName: '',
    outputPath: '',
    name: '',
    retries: '',
    timeoutMinutes: ''
  });

  React.useEffect(() => {
    let current = true;
    const { api } = manager;
    api.inspect(request.path).then(
      found => {
        if (current) {
          setInspection(found);
          const given = request.parameters ?? {};
          setValues(Object.fromEntries(found.parameters.map(each => [each.name, start(each, given)])));
        }
      },
      error => current && setProblem(sentence(error))
    );
    api.kernelspecs().then(
      found => current && setKernels(found.kernelspecs),
      () => undefined
    );
    return () => {
      current = false;
    };
  }, [manager, request]);

  const parameters = inspection?.parameters ?? [];
  const parsed = Object.fromEntries(
    parameters.map(each => [each.name, parse(values[each.name] ?? '', fieldKind(each), each)])
  );
  const whole = (text: string) => !text.trim() || /^\d+$/.test(text.trim());
  const minutes = Number(options.timeoutMinutes);
  const valid =
    !!inspection &&
    Object.values(parsed).every(each => each.ok) &&
    whole(options.retries) &&
    (!options.timeoutMinutes.trim() || minutes > 0);

  const submit = async (send: (body: Record<string, unknown>) => Promise<void>) => {
    setBusy(true);
    setRefused({});
    setGeneral(null);
    const body: Record<string, unknown> = { notebook: request.path, parameters: changedValues(parameters, parsed) };
    if (options.kernelName) {
      body.kernel_name = options.kernelName;
    }
    if (options.outputPath.trim()) {
      body.output_path = options.outputPath.trim();
    }
    if (options.name.trim()) {
      body.name = options.name.trim();
    }
    if (options.retries.trim()) {
      body.retries = Number(options.retries);
    }
    if (minutes > 0) {
      body.timeout_seconds = minutes * 60;
    }
    try {
      await send(body);
    } catch (error) {
      if (error instanceof Refused && error.errors.length) {
        const known = Object.fromEntries(
          error.errors.map(each => [each.field.replace(/^parameters[.[]?/, '').replace(/\]$/, ''), each.message])
        );
        setRefused(known);
        const shown = new Set([...parameters.map(each => each.name), ...FIELDS]);
        const others = Object.keys(known).filter(field => !shown.has(field));
        setGeneral(others.length ? others.map(field => `${field}: ${known[field]}`).join(' ') : null);
      } else {
        setGeneral(sentence(error));
      }
    }
    setBusy(false);
  };

  return {
    inspection,
    kernels,
    problem,
    values,
    setValue: (name, value) => {
      setValues(old => ({ ...old, [name]: value }));
      setRefused(({ [name]: _, ...others }) => others);
    },
    parsed,
    valid,
    options,
    setOption: change => setOptions(old => ({ ...old, ...change })),
    refused,
    general,
    busy,
    submit
  };
}

const FIELDS = [
  'kernel_name',
  'output_path',
  'name',
  'retries',
  'timeout_seconds',
  'cron',
  'interval_seconds',
  'rrule',
  'at',
  'timezone'
];
