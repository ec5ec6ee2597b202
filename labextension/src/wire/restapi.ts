/** One function per route of docs/developer/wire.md. */
import type { IConnection } from '../tokens';
import { Refused, Unreachable, Unreadable, type IFieldError } from './errors';
import * as check from './validate';
import type * as w from './words';

export type Query = Record<string, string | number | boolean | string[] | null | undefined>;

/** Where the API lives below the server's base URL. */
export const API_PATH = 'headrace/api';

/** A query string; lists repeat their key, absent values are left out. */
export function queryText(query: Query): string {
  const parts = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (Array.isArray(value)) {
      value.forEach(item => parts.append(key, item));
    } else if (value !== null && value !== undefined && value !== '') {
      parts.append(key, String(value));
    }
  }
  const text = parts.toString();
  return text ? `?${text}` : '';
}

interface IRequest {
  query?: Query;
  body?: unknown;
  signal?: AbortSignal;
  /** A repeated click with the same key is answered with the first click's result. */
  key?: string;
}

async function refusal(response: Response): Promise<Refused> {
  let body: { message?: unknown; reason?: unknown; errors?: unknown } = {};
  try {
    body = await response.json();
  } catch {
    // Not ours: a proxy or Jupyter itself answered, with a page for people.
  }
  const message =
    typeof body.message === 'string' && body.message
      ? body.message
      : `The server answered ${response.status} ${response.statusText}.`;
  const errors = Array.isArray(body.errors) ? (body.errors as IFieldError[]) : [];
  return new Refused(response.status, message, typeof body.reason === 'string' ? body.reason : '', errors);
}

/** The server, as functions. */
export class RestApi {
  constructor(readonly connection: IConnection) {}

  /** The whole address of a route, for downloads too. */
  url(path: string, query: Query = {}): string {
    return `${this.connection.baseUrl}${API_PATH}${path}${queryText(query)}`;
  }

  /**
   * Ask the server.
   *
   * Throws `Unreachable` (no answer), `Refused` (it said no) or `Unreadable` (it answered something else).
   */
  async request(method: string, path: string, { query, body, signal, key }: IRequest = {}): Promise<unknown> {
    const init: RequestInit = { method, signal };
    if (method !== 'GET') {
      init.headers = { 'Content-Type': 'application/json', ...(key ? { 'Idempotency-Key': key } : {}) };
      init.body = method === 'DELETE' && body === undefined ? undefined : JSON.stringify(body ?? {});
    }
    let response: Response;
    try {
      response = await this.connection.fetch(this.url(path, query), init);
    } catch (error) {
      if (signal?.aborted) {
        throw error;
      }
      throw new Unreachable('The server cannot be reached.');
    }
    if (!response.ok) {
      throw await refusal(response);
    }
    if (response.status === 204) {
      return null;
    }
    try {
      return await response.json();
    } catch {
      throw new Unreadable('The server did not answer with JSON. The login may have ended: reload the page.');
    }
  }

  private get(path: string, query?: Query, signal?: AbortSignal): Promise<unknown> {
    return this.request('GET', path, { query, signal });
  }

  private post(path: string, body?: unknown, key?: string): Promise<unknown> {
    return this.request('POST', path, { body, key });
  }

  async health(): Promise<w.IHealth> {
    return check.having(await this.get('/health'), 'status');
  }
  async counts(): Promise<w.ICounts> {
    return check.having(await this.get('/counts'), 'running');
  }
  async overview(days = 7): Promise<w.IOverview> {
    return check.having(await this.get('/overview', { days }), 'running', 'days');
  }

  async runs(query: Query, signal?: AbortSignal): Promise<{ runs: w.IRun[]; next_cursor: string | null }> {
    return check.runs(await this.get('/runs', query, signal));
  }
  async run(id: string): Promise<w.IFullRun> {
    return check.run<w.IFullRun>(check.object(await this.get(`/runs/${id}`), 'run'));
  }
  async start(body: Record<string, unknown>, key?: string): Promise<w.IRun> {
    return check.run(check.object(await this.post('/runs', body, key), 'run'));
  }
  async deleteRun(id: string): Promise<void> {
    await this.request('DELETE', `/runs/${id}`);
  }
  async bulk(
    action: 'cancel' | 'delete' | 'rerun',
    ids: string[]
  ): Promise<{ id: string; ok: boolean; message?: string | null }[]> {
    return check.list(await this.post('/runs/bulk', { action, ids }), 'results');
  }
  async act(id: string, verb: 'cancel' | 'rerun' | 'resume' | 'unpause', body?: unknown): Promise<w.IRun> {
    return check.run(check.object(await this.post(`/runs/${id}/${verb}`, body), 'run'));
  }
  async answer(id: string, values: Record<string, unknown>): Promise<w.IRun> {
    return check.run(check.object(await this.post(`/runs/${id}/answer`, { values }), 'run'));
  }
  async graph(id: string, sinceSeq?: number): Promise<w.IGraph> {
    return check.graph(await this.get(`/runs/${id}/graph`, { since_seq: sinceSeq }));
  }
  async states(id: string): Promise<w.IStateEvent[]> {
    return check.list(await this.get(`/runs/${id}/states`), 'states');
  }
  async attempts(id: string): Promise<{ attempts: w.IAttempt[]; chain: w.IRun[] }> {
    return check.having(await this.get(`/runs/${id}/attempts`), 'attempts', 'chain');
  }
  async logs(id: string, query: Query, signal?: AbortSignal): Promise<w.ILogPage> {
    return check.logPage(await this.get(`/runs/${id}/logs`, query, signal));
  }
  async outputs(id: string, cellRunId?: string): Promise<w.ICellOutputs[]> {
    return check.list(await this.get(`/runs/${id}/outputs`, { run_id: cellRunId }), 'cells');
  }
  async source(id: string): Promise<{ source: string | null; language: string | null }> {
    return check.having(await this.get(`/runs/${id}/source`), 'source');
  }
  /** Where the run is as one offline HTML file. */
  exportUrl(id: string, code: boolean): string {
    return this.url(`/runs/${id}/export`, { code });
  }
  async artifacts(id: string): Promise<w.IArtifact[]> {
    return check.list(await this.get(`/runs/${id}/artifacts`), 'artifacts');
  }

  async inspect(path: string): Promise<w.IInspection> {
    return check.having(await this.get('/notebooks/inspect', { path }), 'parameters');
  }
  async notebookGraph(path: string): Promise<w.INotebookGraph> {
    return check.having(await this.get('/notebooks/graph', { path }), 'cells', 'edges');
  }
  async putDocument(body: unknown): Promise<{ document_id: string; revision: number }> {
    return check.having(await this.request('PUT', '/documents', { body }), 'document_id');
  }
  async kernelspecs(): Promise<{ default: string; kernelspecs: w.IKernelSpec[] }> {
    return check.having(await this.get('/kernelspecs'), 'kernelspecs');
  }
  async kernelspec(name: string): Promise<w.IKernelPython> {
    return check.object(await this.get(`/kernelspecs/${encodeURIComponent(name)}`), 'kernelspec');
  }
  async installHeadrace(name: string): Promise<w.IInstallation> {
    return check.object(await this.post(`/kernelspecs/${encodeURIComponent(name)}/install`), 'installation');
  }
  async installation(name: string): Promise<w.IInstallation> {
    return check.object(await this.get(`/kernelspecs/${encodeURIComponent(name)}/install`), 'installation');
  }

  async deployments(): Promise<w.IDeployment[]> {
    return check.list(await this.get('/deployments', { limit: 200 }), 'deployments');
  }
  async deployment(id: string): Promise<w.IDeployment> {
    return check.object(await this.get(`/deployments/${id}`), 'deployment');
  }
  async createDeployment(body: Record<string, unknown>): Promise<w.IDeployment> {
    return check.object(await this.post('/deployments', body), 'deployment');
  }
  async patchDeployment(id: string, body: Record<string, unknown>): Promise<w.IDeployment> {
    return check.object(await this.request('PATCH', `/deployments/${id}`, { body }), 'deployment');
  }
  async deleteDeployment(id: string): Promise<void> {
    await this.request('DELETE', `/deployments/${id}`);
  }
  async runDeployment(id: string, parameters?: Record<string, unknown>, key?: string): Promise<w.IRun> {
    const body = parameters ? { parameters } : {};
    return check.run(check.object(await this.post(`/deployments/${id}/run`, body, key), 'run'));
  }
  async pauseDeployment(id: string, paused: boolean): Promise<w.IDeployment> {
    return check.object(await this.post(`/deployments/${id}/${paused ? 'pause' : 'unpause'}`), 'deployment');
  }
  async matrix(id: string, limit = 20): Promise<w.IMatrix> {
    return check.having(await this.get(`/deployments/${id}/matrix`, { limit }), 'runs', 'rows', 'cells');
  }

  async schedules(): Promise<w.ISchedule[]> {
    return check.list(await this.get('/schedules', { limit: 200 }), 'schedules');
  }
  async createSchedule(body: Record<string, unknown>, key?: string): Promise<w.ISchedule> {
    return check.object(await this.post('/schedules', body, key), 'schedule');
  }
  async patchSchedule(id: string, body: Record<string, unknown>): Promise<w.ISchedule> {
    return check.object(await this.request('PATCH', `/schedules/${id}`, { body }), 'schedule');
  }
  async deleteSchedule(id: string): Promise<void> {
    await this.request('DELETE', `/schedules/${id}`);
  }
  async pauseSchedule(id: string, paused: boolean): Promise<w.ISchedule> {
    return check.object(await this.post(`/schedules/${id}/${paused ? 'pause' : 'unpause'}`), 'schedule');
  }
  async previewSchedule(body: Record<string, unknown>, signal?: AbortSignal): Promise<w.IPreview> {
    return check.having(await this.request('POST', '/schedules/preview', { body, signal }), 'sentence', 'fires');
  }

  async workers(): Promise<{ workers: w.IWorker[]; fires_when_closed: boolean; why: string | null }> {
    return check.having(await this.get('/workers'), 'workers');
  }
  async startWorker(): Promise<{ started: boolean }> {
    return check.having(await this.post('/workers'), 'started');
  }
  async limits(): Promise<w.ILimit[]> {
    return check.list(await this.get('/limits'), 'limits');
  }
  async putLimit(name: string, body: { limit: number; slot_decay_per_second?: number }): Promise<void> {
    await this.request('PUT', `/limits/${encodeURIComponent(name)}`, { body });
  }
  async deleteLimit(name: string): Promise<void> {
    await this.request('DELETE', `/limits/${encodeURIComponent(name)}`);
  }
}
