/** What both dialogs ask about a notebook: its parameters and how it is run. */
import * as React from 'react';
import { askedAgain, fieldKind, MASK, parse, written, type Parsed } from '../pure/parse';
import { troubleWords } from '../pure/troubles';
import type { IDialogRequest } from '../tokens';
import { Refused, sentence } from '../wire/errors';
import type { IInspection, IKernelSpec, INotifyRule, IParameter } from '../wire/words';
import { useServices } from '../view/context';

export interface IOptions {
  kernelName: string;
  outputPath: string;
  name: string;
  retries: string;
  retryDelay: string;
  timeoutMinutes: string;
  cellTimeoutMinutes: string;
  tags: string;
  /** Of a schedule's deployment only; empty and the first of each list are its defaults. */
  source: string;
  overlap: string;
  catchUp: string;
  graceMinutes: string;
  concurrency: string;
  envFile: string;
  notify: INotifyRule[];
}

const NO_OPTIONS: IOptions = {
  kernelName: '',
  outputPath: '',
  name: '',
  retries: '',
  retryDelay: '',
  timeoutMinutes: '',
  cellTimeoutMinutes: '',
  tags: '',
  source: 'live',
  overlap: 'skip',
  catchUp: 'latest',
  graceMinutes: '',
  concurrency: '',
  envFile: '',
  notify: []
};

/** What a request says under which name: texts, whole numbers, numbers with their factor; left out where they say nothing. */
const TEXTS = [
  ['kernelName', 'kernel_name', ''],
  ['outputPath', 'output_path', ''],
  ['name', 'name', ''],
  ['source', 'source', 'live'],
  ['overlap', 'overlap', 'skip'],
  ['catchUp', 'catch_up', 'latest'],
  ['envFile', 'env_file', '']
] as const;
const WHOLE = [
  ['retries', 'retries'],
  ['concurrency', 'concurrency_limit']
] as const;
const NUMBERS = [
  ['retryDelay', 'retry_delay_seconds', 1],
  ['timeoutMinutes', 'timeout_seconds', 60],
  ['cellTimeoutMinutes', 'cell_timeout_seconds', 60],
  ['graceMinutes', 'grace_seconds', 60]
] as const;

/** The options' part of a request's body. */
export function optionsBody(options: IOptions): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const [option, field, usual] of TEXTS) {
    if (options[option].trim() !== usual) {
      body[field] = options[option].trim();
    }
  }
  for (const [option, field] of WHOLE) {
    if (options[option].trim()) {
      body[field] = Number(options[option]);
    }
  }
  for (const [option, field, factor] of NUMBERS) {
    if (options[option].trim()) {
      body[field] = Number(options[option]) * factor;
    }
  }
  const tags = options.tags.split(',').map(tag => tag.trim());
  if (tags.some(Boolean)) {
    body.tags = tags.filter(Boolean);
  }
  if (options.notify.length) {
    body.notify = options.notify.map(({ events, to }) => ({ events, to: to.trim() }));
  }
  return body;
}

/** Which options cannot be sent as they stand. */
export function wrongOptions(options: IOptions): Partial<Record<keyof IOptions, 'whole' | 'number'>> {
  const wrong: Partial<Record<keyof IOptions, 'whole' | 'number'>> = {};
  WHOLE.forEach(([option]) => {
    if (options[option].trim() && !/^\d+$/.test(options[option].trim())) {
      wrong[option] = 'whole';
    }
  });
  NUMBERS.forEach(([option]) => {
    if (options[option].trim() && !/^\d+(\.\d+)?$/.test(options[option].trim())) {
      wrong[option] = 'number';
    }
  });
  return wrong;
}

export interface INotebookForm {
  inspection: IInspection | null;
  kernels: IKernelSpec[];
  /** Why the notebook cannot be asked for its parameters. */
  problem: string | null;
  retry: () => void;
  values: Record<string, string>;
  setValue: (name: string, value: string) => void;
  parsed: Record<string, Parsed>;
  valid: boolean;
  options: IOptions;
  setOption: (change: Partial<IOptions>) => void;
  /** What is wrong with an option, in words. */
  wrong: Partial<Record<keyof IOptions, string>>;
  /** What the server said of fields, by name. */
  refused: Record<string, string>;
  /** What it said that belongs to no field. */
  general: string | null;
  busy: boolean;
  /** Run a request; what is refused is shown beside its field. */
  submit: (request: (body: Record<string, unknown>) => Promise<void>) => Promise<void>;
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
  const { manager, host } = useServices();
  const { trans } = host;
  const [inspection, setInspection] = React.useState<IInspection | null>(null);
  const [kernels, setKernels] = React.useState<IKernelSpec[]>([]);
  const [problem, setProblem] = React.useState<string | null>(null);
  const [values, setValues] = React.useState<Record<string, string>>({});
  const [refused, setRefused] = React.useState<Record<string, string>>({});
  const [general, setGeneral] = React.useState<string | null>(null);
  const [busy, setBusy] = React.useState(false);
  const [options, setOptions] = React.useState<IOptions>(NO_OPTIONS);
  const [round, setRound] = React.useState(0);

  React.useEffect(() => {
    let current = true;
    const { again } = request;
    setProblem(null);
    const { api } = manager;
    api.inspect(request.path).then(
      found => {
        if (current) {
          const { parameters } = found;
          const asked = again ? askedAgain(parameters, again.parameters) : parameters;
          // What is finished stays as it is when a run is continued: only what was not kept is asked for.
          const shown = again?.verb === 'resume' ? asked.filter(each => again.parameters[each.name] === MASK) : asked;
          setInspection({ ...found, parameters: shown });
          setValues(Object.fromEntries(shown.map(each => [each.name, written(each.default, fieldKind(each))])));
        }
      },
      error => {
        if (current) {
          // Not our words: no part of Headrace has answered.
          const absent = error instanceof Refused && error.status === 404 && !error.reason;
          setProblem(absent ? troubleWords({ kind: 'absent' }, trans) : sentence(error));
        }
      }
    );
    api.kernelspecs().then(
      found => current && setKernels(found.kernelspecs),
      () => undefined
    );
    return () => {
      current = false;
    };
  }, [manager, request, round, trans]);

  const parameters = inspection?.parameters ?? [];
  const parsed = Object.fromEntries(
    parameters.map(each => [each.name, parse(values[each.name] ?? '', fieldKind(each), each)])
  );
  const wrong = Object.fromEntries(
    Object.entries(wrongOptions(options)).map(([option, kind]) => [
      option,
      kind === 'whole' ? trans.__('A whole number is needed.') : trans.__('A number is needed.')
    ])
  );
  const valid = !!inspection && Object.values(parsed).every(each => each.ok) && !Object.keys(wrong).length;

  const submit = async (send: (body: Record<string, unknown>) => Promise<void>) => {
    setBusy(true);
    setRefused({});
    setGeneral(null);
    const body = { notebook: request.path, parameters: changedValues(parameters, parsed), ...optionsBody(options) };
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
    retry: () => setRound(old => old + 1),
    values,
    setValue: (name, value) => {
      setValues(old => ({ ...old, [name]: value }));
      setRefused(({ [name]: _, ...others }) => others);
    },
    parsed,
    valid,
    options,
    setOption: change => {
      setOptions(old => ({ ...old, ...change }));
      // What was refused is being changed; the server says again what is still wrong.
      setRefused({});
    },
    wrong,
    refused,
    general,
    busy,
    submit
  };
}

const FIELDS: string[] = [
  ...TEXTS.map(([, field]) => field),
  ...WHOLE.map(([, field]) => field),
  ...NUMBERS.map(([, field]) => field),
  'tags',
  'notify',
  'cron',
  'interval_seconds',
  'rrule',
  'at',
  'timezone'
];
