/** The words of docs/developer/wire.md as types: what the server says. */

export type StateType =
  'SCHEDULED' | 'PENDING' | 'RUNNING' | 'PAUSED' | 'CANCELLING' | 'COMPLETED' | 'FAILED' | 'CANCELLED' | 'CRASHED';

export type RunKind = 'flow' | 'task' | 'notebook' | 'cell';

export interface IProgress {
  done: number;
  total: number;
  unit?: string;
}

/** A run as lists and the stream carry it. */
export interface IRun {
  id: string;
  root_id: string;
  parent_id: string | null;
  kind: RunKind;
  name: string;
  definition: string | null;
  definition_key: string | null;
  owner: string | null;
  host: string | null;
  attempt: number;
  max_attempts: number;
  /** Null for a cell of a notebook that has not run yet. */
  state_type: StateType | null;
  state_name: string | null;
  state_message: string | null;
  state_at: string | null;
  created_at: string | null;
  scheduled_at: string | null;
  started_at: string | null;
  ended_at: string | null;
  duration_seconds: number | null;
  tags: string[];
  progress: IProgress | null;
  cached: boolean;
  error_summary: string | null;
  deployment_id: string | null;
  schedule_id: string | null;
  slot_at: string | null;
  trigger: string | null;
  resumed_from_id: string | null;
  notebook_path: string | null;
  document_id: string | null;
  cell_id: string | null;
  cell_index: number | null;
  kernel_id: string | null;
  pool: string | null;
  task_count?: number;
  /** A cell whose source or inputs changed since it ran; only in the graph of an open notebook. */
  stale?: boolean;
  stale_reasons?: string[];
}

export interface IRunError {
  type: string;
  message: string;
  traceback?: string | string[];
  cell_id?: string;
  cell_index?: number;
}

/** What a paused run asks; its schema is empty where going on is the whole answer. */
export interface IQuestionAsked {
  key: string;
  schema: Record<string, unknown>;
  asked_at: string;
}

export interface IFullRun extends IRun {
  questions?: IQuestionAsked[];
  parameters: Record<string, unknown> | null;
  error: IRunError | null;
  result: Record<string, unknown> | null;
  cache: { hit?: boolean; key?: string; reason?: string; parts?: unknown; from_run_id?: string } | null;
  details: Record<string, unknown> | null;
  /** Whether the server knows how to start it again. */
  can_rerun?: boolean;
}

export interface IEdge {
  source: string;
  target: string;
  kind: 'data' | 'order';
  name: string | null;
}

export interface IGraph {
  run: IRun;
  nodes: IRun[];
  edges: IEdge[];
  seq: number;
}

export interface ILogLine {
  number: number;
  seq: number;
  run_id: string;
  at: string;
  level: number;
  logger: string | null;
  message: string;
}

export interface ILogPage {
  lines: ILogLine[];
  offset: number;
  total: number;
  matches?: number;
}

export interface IStateEvent {
  seq: number;
  at: string;
  run_id: string;
  attempt: number;
  state_type: StateType | null;
  state_name: string | null;
  message: string | null;
}

export interface IAttempt {
  attempt: number;
  started_at: string | null;
  ended_at: string | null;
  state_type: StateType | null;
  state_name: string | null;
  message: string | null;
}

/** One output as nbformat writes it. */
export interface INotebookOutputFields {
  output_type: string;
  name?: string;
  text?: string | string[];
  data?: Record<string, unknown>;
  metadata?: Record<string, unknown>;
  ename?: string;
  evalue?: string;
  traceback?: string[];
}
export type NotebookOutput = INotebookOutputFields;

export interface ICellOutputs {
  run_id: string;
  cell_id: string | null;
  cell_index: number | null;
  source: string;
  cell_type: string;
  state_type: StateType | null;
  state_name: string | null;
  outputs: NotebookOutput[];
  truncated: boolean;
}

export interface IArtifact {
  id: string;
  run_id: string;
  key: string | null;
  kind: string;
  title: string | null;
  created_at: string;
  data: unknown;
}

export interface IParameter {
  name: string;
  type: string;
  annotation: string | null;
  default: unknown;
  required: boolean;
  choices: unknown[] | null;
  help: string | null;
  secret: boolean;
}

export interface IInspection {
  path: string;
  kernel_name: string | null;
  kernel_known: boolean;
  language: string | null;
  parameters: IParameter[];
  tasks: number;
  cells: number;
  headrace_in_kernel: boolean | null;
  /** Whether Jupyter trusts it; of an older server it is not known. */
  trusted?: boolean;
  sha256?: string;
}

export interface IKernelSpec {
  name: string;
  display_name: string;
  language: string;
  headrace: boolean | null;
}

/** The Python behind a kernel; `headrace` is null where it is not known. */
export interface IKernelPython extends IKernelSpec {
  interpreter: string | null;
  pip: boolean | null;
}

export interface IInstallation {
  name: string;
  command: string;
  state: 'running' | 'done' | 'failed';
  output: string;
}

export interface ISchedule {
  id: string;
  deployment_id: string;
  deployment_name: string;
  notebook_path: string | null;
  kind: string;
  cron: string | null;
  interval_seconds: number | null;
  rrule: string | null;
  at: string | null;
  timezone: string | null;
  parameters: Record<string, unknown> | null;
  active: boolean;
  start_at: string | null;
  end_at: string | null;
  jitter_seconds: number | null;
  next_fire_at: string | null;
  last_fire_at: string | null;
  sentence: string;
  error: string | null;
  revision: number;
}

export interface IRunSummary {
  id: string;
  state_type: StateType;
  state_name: string;
  started_at: string | null;
  duration_seconds: number | null;
}

export type NotifyEvent = 'failed' | 'recovered' | 'late';

export interface INotifyRule {
  events: NotifyEvent[];
  to: string;
}

export interface IDeployment {
  id: string;
  name: string;
  notebook_path: string | null;
  entrypoint: string | null;
  parameters: Record<string, unknown>;
  description: string | null;
  tags: string[];
  kernel_name: string | null;
  pool: string | null;
  retries: number | null;
  retry_delay_seconds: number | null;
  timeout_seconds: number | null;
  concurrency_limit: number | null;
  overlap: string | null;
  notify?: INotifyRule[];
  catch_up: string | null;
  grace_seconds: number | null;
  output_path: string | null;
  source: string | null;
  paused: boolean;
  revision: number;
  schedules: ISchedule[];
  last_runs: IRunSummary[];
  next_fire_at: string | null;
  moved_on: boolean | null;
  error: string | null;
}

export interface IMatrixCell {
  run_id: string;
  state_type: StateType | null;
  state_name: string | null;
  duration_seconds: number | null;
}

export interface IMatrix {
  runs: IRun[];
  rows: { key: string; name: string }[];
  cells: (IMatrixCell | null)[][];
}

export interface IPreview {
  sentence: string;
  fires: string[];
  wall: string[];
  /** At each of the fires, where tokens are in them or an output path was named. */
  parameters?: Record<string, unknown>[];
  output_paths?: string[];
}

export interface ICounts {
  running: number;
  scheduled: number;
  failed_24h: number;
  crashed_24h: number;
  late: number;
}

export interface IDay {
  day: string;
  completed: number;
  failed: number;
  crashed: number;
  cancelled: number;
  median_seconds: number | null;
}

export interface IOverview {
  running: IRun[];
  failed_recently: IRun[];
  next: { schedule: ISchedule; deployment: IDeployment | null; fire_at: string }[];
  late: IRun[];
  days: IDay[];
}

export interface IHealth {
  status: 'ok' | 'degraded';
  message: string | null;
  version: string;
  store: { url: string; source: string; schema: string; data_dir: string } | null;
  scheduler: { alive: boolean; next_fire_at: string | null } | null;
  workers: number;
  owner: string | null;
}

export interface IWorker {
  id: string;
  name: string;
  pool: string;
  host: string;
  pid: number | null;
  started_at: string | null;
  heartbeat_at: string | null;
  alive: boolean;
  limit: number | null;
  running: number;
  version: string | null;
}

export interface ILimit {
  name: string;
  limit: number;
  active: number;
  slot_decay_per_second: number | null;
  holders: unknown[];
}

export interface ICellNode {
  cell_id: string;
  index: number;
  name: string;
  is_task: boolean;
  source_preview: string;
  options: Record<string, unknown>;
  reads: string[];
  binds: string[];
  mutates: string[];
  undefined: string[];
  error: string | null;
  latest_run: IRun | null;
  stale: boolean;
  stale_reasons: string[];
}

export interface INotebookGraph {
  document_id: string;
  revision: number;
  cells: ICellNode[];
  edges: IEdge[];
}

/** What changed since the last message; only keys that have something. */
export interface IChanges {
  type: 'changes';
  seq: number;
  runs?: IRun[];
  deleted?: string[];
  logs?: Record<string, number>;
  outputs?: Record<string, string[]>;
  deployments?: string[];
  schedules?: string[];
  workers?: boolean;
  limits?: boolean;
  documents?: string[];
  /** Roots whose trees got artifacts, or new data of one. */
  artifacts?: string[];
  counts?: ICounts;
}

export type StreamMessage =
  | { type: 'hello'; seq: number; store: string; version: string }
  | IChanges
  | { type: 'reset'; seq: number }
  | { type: 'pong' };
