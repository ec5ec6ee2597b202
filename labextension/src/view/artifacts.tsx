/** What a run gave back, and what it wanted people to see beside that. */
import * as React from 'react';
import type { RunModel } from '../model/run';
import { clean } from '../pure/ansi';
import { safePicture, safeUrl } from '../pure/links';
import { exact } from '../pure/time';
import type { IArtifact, IFullRun } from '../wire/words';
import { Empty, Loading, Problem, ProgressBar } from './basics';
import { useLoaded, useServices } from './context';
import { useReloadOn } from './live';
import { Output } from './outputs';
import { JsonBlock, text, ValueTable } from './values';

const MOST_ROWS = 1000;

function rowsOf(table: unknown): { columns: string[]; rows: Record<string, unknown>[] } {
  const rows = (Array.isArray(table) ? table : []).map(row =>
    typeof row === 'object' && row !== null ? (row as Record<string, unknown>) : { 0: row }
  );
  const columns = [...new Set(rows.slice(0, MOST_ROWS).flatMap(row => Object.keys(row)))];
  return { columns, rows };
}

function Table({ table, label }: { table: unknown; label: string }): JSX.Element {
  const { trans } = useServices().host;
  const { columns, rows } = rowsOf(table);
  return (
    <div className="hr-wide" tabIndex={0} role="region" aria-label={label}>
      <table className="hr-table hr-artifact-table">
        <thead>
          <tr>
            {columns.map(column => (
              <th key={column} scope="col">
                {clean(column)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, MOST_ROWS).map((row, at) => (
            <tr key={at}>
              {columns.map(column => {
                const value = row[column];
                const written = value === null || value === undefined ? '' : clean(text(value));
                return (
                  <td key={column} className={typeof value === 'number' ? 'hr-mod-number' : undefined}>
                    {written}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > MOST_ROWS && (
        <p className="hr-muted">{trans.__('The first %1 of %2 rows.', MOST_ROWS, rows.length.toLocaleString())}</p>
      )}
    </div>
  );
}

function Body({ artifact, label }: { artifact: IArtifact; label: string }): JSX.Element {
  const { trans } = useServices().host;
  const data = (artifact.data ?? {}) as Record<string, unknown>;
  const markdown = typeof data.markdown === 'string' ? data.markdown : '';
  const output = React.useMemo(
    () => ({
      output_type: 'display_data',
      data: { 'text/markdown': markdown, 'text/plain': markdown },
      metadata: {}
    }),
    [markdown]
  );
  switch (artifact.kind) {
    case 'markdown':
      return <Output output={output} />;
    case 'table':
      return <Table table={data.table} label={label} />;
    case 'link': {
      const url = safeUrl(String(data.link ?? ''));
      const words = clean(String(data.link_text || data.link || ''));
      return url ? (
        <a href={url} target="_blank" rel="noopener noreferrer">
          {words}
        </a>
      ) : (
        <span>{words}</span>
      );
    }
    case 'image': {
      const url = safePicture(String(data.image_url ?? ''));
      return url ? (
        <img className="hr-artifact-image" src={url} alt={label} loading="lazy" referrerPolicy="no-referrer" />
      ) : (
        <span className="hr-muted">{trans.__('This is no address of a picture.')}</span>
      );
    }
    case 'progress': {
      const done = Number(data.progress) || 0;
      return (
        <span className="hr-run-progress">
          <ProgressBar progress={{ done, total: 100 }} label={label} />
          <span>{Math.round(done)} %</span>
        </span>
      );
    }
    default:
      return <JsonBlock value={artifact.data} />;
  }
}

function Artifact({ artifact, maker }: { artifact: IArtifact; maker: string | null }): JSX.Element {
  const { host } = useServices();
  const label = clean(artifact.title || artifact.key || artifact.kind);
  return (
    <section className="hr-artifact">
      <header>
        <h3>{label}</h3>
        {artifact.key && artifact.key !== label && <span className="hr-tag">{artifact.key}</span>}
        {maker && (
          <button type="button" className="hr-link" onClick={() => host.open({ page: 'run', id: artifact.run_id })}>
            {maker}
          </button>
        )}
        <span className="hr-muted">{exact(artifact.created_at)}</span>
      </header>
      <Body artifact={artifact} label={label} />
    </section>
  );
}

export function ArtifactsTab({ model, run }: { model: RunModel; run: IFullRun }): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const { value, error, reload } = useLoaded(() => manager.api.artifacts(run.id), [manager, run.id]);
  useReloadOn(manager, reload, changes => !!changes.artifacts?.includes(model.rootId));
  if (error && !value) {
    return <Problem message={error} onRetry={reload} />;
  }
  if (!value) {
    return <Loading />;
  }
  // Oldest first: the order in which they were made tells the story.
  const shown = value.filter(each => each.run_id === run.id || model.nodes.has(each.run_id)).reverse();
  const result = run.result && Object.keys(run.result).length > 0 ? run.result : null;
  if (!shown.length && !result) {
    return (
      <Empty title={trans.__('No results or artifacts')}>
        <p>{trans.__('What a flow returns stands here, and what its code keeps for people to see:')}</p>
        <pre>
          {'from headrace.artifacts import create_table_artifact\ncreate_table_artifact([{"city": "Oslo", "km": 12}])'}
        </pre>
      </Empty>
    );
  }
  return (
    <div className="hr-scroll hr-page" tabIndex={0}>
      {result && (
        <section className="hr-artifact">
          <header>
            <h3>{trans.__('Result')}</h3>
          </header>
          <ValueTable label={trans.__('Result')} values={result} />
        </section>
      )}
      {shown.map(each => (
        <Artifact
          key={each.id}
          artifact={each}
          maker={each.run_id === run.id ? null : (model.nodes.get(each.run_id)?.name ?? null)}
        />
      ))}
    </div>
  );
}
