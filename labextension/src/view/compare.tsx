/** Two runs side by side: parameters, code, durations, outputs. */
import * as React from 'react';
import { compareValues, pairCells, pairParts, type IPart } from '../model/compare';
import { RunListModel } from '../model/runlist';
import { diffLines, folded } from '../pure/diff';
import { runName } from '../pure/runname';
import { duration, exact } from '../pure/time';
import type { ICellOutputs, IFullRun, IRun } from '../wire/words';
import { Banner } from './banner';
import { Empty, IconButton, Loading, Problem } from './basics';
import { useLoaded, useOwned, useServices } from './context';
import { StateBadge, StateIcon } from './icons';
import { Output } from './outputs';
import { RunLines } from './runrow';
import { text } from './values';

const MOST_ROWS = 500;
const LONGEST = 2000;

interface ISide {
  run: IFullRun;
  nodes: IRun[];
  cells: ICellOutputs[];
  source: string;
}

function short(value: unknown): string {
  const written = value === undefined ? '' : text(value);
  return written.length > LONGEST ? `${written.slice(0, LONGEST)} …` : written;
}

/** A run as the head of its column. */
function Head({ run, label }: { run: IFullRun; label: string }): JSX.Element {
  const { host } = useServices();
  return (
    <div className="hr-compare-head">
      <span className="hr-muted">{label}</span>
      <button type="button" className="hr-link" onClick={() => host.open({ page: 'run', id: run.id })}>
        <span className="hr-compare-name">{runName(run)}</span>
      </button>
      <StateBadge type={run.state_type} name={run.state_name} />
      <span>{exact(run.started_at ?? run.created_at)}</span>
      <span>{duration(run.duration_seconds)}</span>
      {run.error_summary && <span className="hr-compare-error">{run.error_summary}</span>}
    </div>
  );
}

/** How much longer or shorter the right side took. */
export function change(left: number | null, right: number | null): string {
  if (left === null || right === null) {
    return '';
  }
  const difference = right - left;
  if (Math.abs(difference) < 0.001 || Math.abs(difference) < 0.01 * Math.max(left, right)) {
    return '=';
  }
  const sign = difference > 0 ? '+' : '−';
  const part = left > 0 ? ` (${sign}${Math.round((100 * Math.abs(difference)) / left)} %)` : '';
  return `${sign}${duration(Math.abs(difference))}${part}`;
}

function Values({ left, right, only }: { left: IFullRun; right: IFullRun; only: boolean }): JSX.Element {
  const { trans } = useServices().host;
  const all = compareValues(left.parameters, right.parameters);
  const rows = only ? all.filter(row => !row.same) : all;
  if (!rows.length) {
    return (
      <p className="hr-muted">{all.length ? trans.__('All are the same.') : trans.__('Neither has parameters.')}</p>
    );
  }
  return (
    <table className="hr-table hr-compare-table">
      <thead>
        <tr>
          <th scope="col">{trans.__('Name')}</th>
          <th scope="col">{trans.__('Before')}</th>
          <th scope="col">{trans.__('After')}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(row => (
          <tr key={row.name} className={row.same ? undefined : 'hr-mod-differs'}>
            <th scope="row">{row.name}</th>
            <td>
              <code>{short(row.left)}</code>
            </td>
            <td>
              <code>{short(row.right)}</code>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Took({ part }: { part: IPart | null }): JSX.Element {
  if (!part) {
    return <td>–</td>;
  }
  return (
    <td>
      <span className="hr-compare-took">
        <StateIcon type={part.state_type} name={part.state_name} size={13} />
        {duration(part.seconds)}
      </span>
    </td>
  );
}

function Durations({ left, right, only }: { left: ISide; right: ISide; only: boolean }): JSX.Element {
  const { trans } = useServices().host;
  const all = React.useMemo(() => pairParts(left.nodes, right.nodes), [left, right]);
  const rows = only
    ? all.filter(
        row =>
          row.left?.state_type !== row.right?.state_type ||
          change(row.left?.seconds ?? null, row.right?.seconds ?? null) !== '='
      )
    : all;
  const whole: [number | null, number | null] = [left.run.duration_seconds, right.run.duration_seconds];
  return (
    <table className="hr-table hr-compare-table">
      <thead>
        <tr>
          <th scope="col">{trans.__('Part')}</th>
          <th scope="col">{trans.__('Before')}</th>
          <th scope="col">{trans.__('After')}</th>
          <th scope="col">{trans.__('Change')}</th>
        </tr>
      </thead>
      <tbody>
        <tr>
          <th scope="row">{trans.__('The whole run')}</th>
          <td>{duration(whole[0])}</td>
          <td>{duration(whole[1])}</td>
          <td>{change(...whole)}</td>
        </tr>
        {rows.slice(0, MOST_ROWS).map(row => (
          <tr key={row.key}>
            <th scope="row">{row.name}</th>
            <Took part={row.left} />
            <Took part={row.right} />
            <td>{change(row.left?.seconds ?? null, row.right?.seconds ?? null)}</td>
          </tr>
        ))}
      </tbody>
      {rows.length > MOST_ROWS && <caption>{trans.__('The first %1 of %2.', MOST_ROWS, rows.length)}</caption>}
    </table>
  );
}

const SIGNS = { same: ' ', out: '−', in: '+', gap: '' } as const;

function Diff({ left, right, title }: { left: string; right: string; title: string }): JSX.Element {
  const { trans } = useServices().host;
  const lines = React.useMemo(() => folded(diffLines(left, right)), [left, right]);
  return (
    <div className="hr-diff" role="group" aria-label={title}>
      <p className="hr-muted">{title}</p>
      <pre tabIndex={0}>
        {lines.map((line, at) =>
          line.kind === 'gap' ? (
            <div key={at} className="hr-diff-gap">
              {trans._n('%1 equal line', '%1 equal lines', line.count ?? 0, line.count ?? 0)}
            </div>
          ) : (
            <div key={at} className={`hr-diff-line hr-mod-${line.kind}`}>
              <span className="hr-diff-number">{line.left ?? ''}</span>
              <span className="hr-diff-number">{line.right ?? ''}</span>
              <span className="hr-diff-sign">{SIGNS[line.kind]}</span>
              <span>{line.text}</span>
            </div>
          )
        )}
      </pre>
    </div>
  );
}

function Code({ left, right }: { left: ISide; right: ISide }): JSX.Element {
  const { trans } = useServices().host;
  const pairs = pairCells(left.cells, right.cells).filter(pair => !pair.sameSource);
  const whole = left.source !== right.source;
  if (!pairs.length && !whole) {
    return <p className="hr-muted">{trans.__('The code is the same.')}</p>;
  }
  return (
    <>
      {whole && <Diff left={left.source} right={right.source} title={trans.__('Source')} />}
      {pairs.map(pair => (
        <Diff
          key={pair.key}
          left={pair.left?.source ?? ''}
          right={pair.right?.source ?? ''}
          title={trans.__('Cell %1', pair.index + 1)}
        />
      ))}
    </>
  );
}

function Outputs({ left, right, only }: { left: ISide; right: ISide; only: boolean }): JSX.Element {
  const { trans } = useServices().host;
  const all = pairCells(left.cells, right.cells).filter(
    pair => pair.left?.outputs.length || pair.right?.outputs.length
  );
  const pairs = only ? all.filter(pair => !pair.sameOutputs) : all;
  if (!pairs.length) {
    return <p className="hr-muted">{all.length ? trans.__('All are the same.') : trans.__('Neither has outputs.')}</p>;
  }
  return (
    <>
      {pairs.map(pair => (
        <section key={pair.key} className="hr-compare-cell">
          <p className="hr-muted">
            {trans.__('Cell %1', pair.index + 1)} · {pair.sameOutputs ? trans.__('the same') : trans.__('differs')}
          </p>
          <div className="hr-compare-pair">
            {[pair.left, pair.right].map((cell, side) => (
              <div key={side}>
                {cell?.outputs.length ? (
                  cell.outputs.map((output, at) => <Output key={at} output={output} />)
                ) : (
                  <span className="hr-muted">{trans.__('No output')}</span>
                )}
              </div>
            ))}
          </div>
        </section>
      ))}
    </>
  );
}

/** The runs that one is compared with: of the same deployment, notebook or flow. */
function Choose({ run, onChoose }: { run: IFullRun; onChoose: (other: IRun) => void }): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const filter = run.deployment_id
    ? { deploymentId: run.deployment_id }
    : run.document_id
      ? { documentId: run.document_id, kinds: [run.kind] }
      : { text: run.definition ?? '', kinds: [run.kind] };
  const model = useOwned(() => new RunListModel(manager, filter), [manager, run.id]);
  const others = model.items.filter(other => other.id !== run.id);
  return (
    <div className="hr-scroll hr-page">
      <h2>{trans.__('Compare %1 with', runName(run))}</h2>
      {model.error && <Problem message={model.error} onRetry={() => model.reload()} />}
      {model.loading ? (
        <Loading />
      ) : others.length ? (
        <RunLines
          runs={others}
          label={trans.__('Runs to compare with')}
          onEnd={model.more ? () => model.loadMore() : undefined}
          onOpen={onChoose}
        />
      ) : (
        <Empty title={trans.__('There is no other run of it yet')}>
          <p>{trans.__('Any two runs can be chosen in a list of runs and compared from there.')}</p>
        </Empty>
      )}
    </div>
  );
}

export function CompareView(props: {
  id: string;
  other: string | null;
  onOther: (id: string) => void;
  onTitle: (label: string, caption: string) => void;
}): JSX.Element {
  const { manager, host } = useServices();
  const { trans } = host;
  const { id, other, onTitle } = props;
  const [only, setOnly] = React.useState(true);
  const load = async (runId: string): Promise<ISide> => {
    const { api } = manager;
    const [run, graph, cells, source] = await Promise.all([
      api.run(runId),
      api.graph(runId),
      api.outputs(runId),
      api.source(runId)
    ]);
    return { run, nodes: graph.nodes.filter(node => node.state_type), cells, source: source.source ?? '' };
  };
  const loaded = useLoaded(async () => {
    const sides = await Promise.all([load(id), ...(other ? [load(other)] : [])]);
    const early = (side: ISide) => side.run.started_at ?? side.run.created_at ?? '';
    return sides.sort((a, b) => early(a).localeCompare(early(b)));
  }, [manager, id, other]);
  const sides = loaded.value;
  const name = sides?.map(side => runName(side.run)).join(' ↔ ');
  React.useEffect(() => {
    if (name) {
      onTitle(trans.__('Compare %1', name), trans.__('Two runs side by side: %1', name));
    }
  }, [name, onTitle, trans]);
  if (loaded.error) {
    return <Problem message={loaded.error} onRetry={loaded.reload} />;
  }
  if (!sides) {
    return <Loading />;
  }
  if (!other || sides.length < 2) {
    return (
      <div className="hr-runview hr-root">
        <Banner />
        <Choose run={sides[0].run} onChoose={run => props.onOther(run.id)} />
      </div>
    );
  }
  const [left, right] = sides;
  return (
    <div className="hr-runview hr-root">
      <Banner />
      <div className="hr-scroll hr-compare" tabIndex={0} role="region" aria-label={trans.__('Comparison')}>
        <div className="hr-compare-pair">
          <Head run={left.run} label={trans.__('Before')} />
          <Head run={right.run} label={trans.__('After')} />
        </div>
        <div className="hr-compare-tools">
          <label className="hr-check">
            <input type="checkbox" checked={only} onChange={event => setOnly(event.target.checked)} />
            {trans.__('Only what differs')}
          </label>
          <IconButton icon="refresh" label={trans.__('Load both again')} onClick={loaded.reload} />
        </div>
        <h2>{trans.__('Parameters')}</h2>
        <Values left={left.run} right={right.run} only={only} />
        <h2>{trans.__('Code')}</h2>
        <Code left={left} right={right} />
        <h2>{trans.__('Durations')}</h2>
        <Durations left={left} right={right} only={only} />
        <h2>{trans.__('Outputs')}</h2>
        <Outputs left={left} right={right} only={only} />
      </div>
    </div>
  );
}
