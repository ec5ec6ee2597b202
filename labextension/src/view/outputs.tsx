/** The outputs of a notebook's cells, as they arrive. */
import * as React from 'react';
import type { RunModel } from '../model/run';
import { equal } from '../pure/equal';
import type { ICellOutputs, NotebookOutput } from '../wire/words';
import { AnsiText, Empty, Loading, Problem } from './basics';
import { useLoaded, useServices } from './context';
import { StateIcon } from './icons';
import { CodeBlock } from './values';

const SETTLE_MS = 300;

function joined(text: string | string[] | undefined): string {
  return Array.isArray(text) ? text.join('') : (text ?? '');
}

/** A display of any kind is drawn by the page: Lab's renderers, never trusted, or plain ones alone. */
function Rich({ output }: { output: NotebookOutput }): JSX.Element {
  const { host } = useServices();
  const element = React.useRef<HTMLDivElement>(null);
  // A layout effect: its end comes while the element is still on the page, which Lab's widgets insist on.
  React.useLayoutEffect(() => {
    let gone = false;
    let take: (() => void) | null = null;
    void host.renderOutput(output, element.current!).then(away => {
      if (gone) {
        away();
      } else {
        take = away;
      }
    });
    return () => {
      gone = true;
      take?.();
    };
  }, [host, output]);
  return <div className="hr-output-rich" ref={element} />;
}

export const Output = React.memo(
  function Output({ output }: { output: NotebookOutput }) {
    if (output.output_type === 'stream') {
      return (
        <pre className={`hr-output-stream hr-mod-${output.name === 'stderr' ? 'stderr' : 'stdout'}`}>
          <AnsiText text={joined(output.text)} links />
        </pre>
      );
    }
    if (output.output_type === 'error') {
      return (
        <pre className="hr-output-error">
          <AnsiText text={output.traceback?.join('\n') || `${output.ename}: ${output.evalue}`} links />
        </pre>
      );
    }
    return <Rich output={output} />;
  },
  (a, b) => equal(a.output, b.output)
);

function Cell({ cell, code, name }: { cell: ICellOutputs; code: boolean; name?: string }): JSX.Element {
  const { trans } = useServices().host;
  return (
    <section className="hr-outcell" data-cell-id={cell.cell_id}>
      <header>
        <StateIcon type={cell.state_type} name={cell.state_name} size={14} />
        <span>{name || trans.__('Cell %1', (cell.cell_index ?? 0) + 1)}</span>
      </header>
      {code && cell.source && <CodeBlock source={cell.source} />}
      {cell.outputs.map((output, at) => (
        <Output key={at} output={output} />
      ))}
      {cell.truncated && (
        <p className="hr-muted">{trans.__('The output is longer; the output notebook has all of it.')}</p>
      )}
    </section>
  );
}

function useOutputs(model: RunModel, cellRunId?: string) {
  const { manager } = useServices();
  const loaded = useLoaded(() => manager.api.outputs(model.id, cellRunId), [manager, model.id, cellRunId]);
  const { reload } = loaded;
  React.useEffect(() => {
    let timer = 0;
    const later = () => {
      timer ||= window.setTimeout(() => {
        timer = 0;
        reload();
      }, SETTLE_MS);
    };
    model.outputsChanged.connect(later);
    return () => {
      window.clearTimeout(timer);
      model.outputsChanged.disconnect(later);
    };
  }, [model, reload]);
  return loaded;
}

/** One cell's outputs. */
export function CellOutputs({ model, cellRunId }: { model: RunModel; cellRunId: string }): JSX.Element {
  const { trans } = useServices().host;
  const { value, error, reload } = useOutputs(model, cellRunId);
  if (error) {
    return <Problem message={error} onRetry={reload} />;
  }
  if (!value) {
    return <Loading />;
  }
  if (!value.some(cell => cell.outputs.length)) {
    return <Empty title={trans.__('No output')} />;
  }
  return (
    <>
      {value.map(cell => (
        <Cell key={cell.run_id} cell={cell} code={false} name={model.nodes.get(cell.run_id)?.name} />
      ))}
    </>
  );
}

/** All outputs of the run, in the notebook's order. */
export function OutputsTab({ model }: { model: RunModel }): JSX.Element {
  const { trans } = useServices().host;
  const [code, setCode] = React.useState(false);
  const { value, error, reload } = useOutputs(model);
  const cells = value?.filter(cell => code || cell.outputs.length) ?? [];
  return (
    <div className="hr-outputs">
      <div className="hr-toolbar">
        <label className="hr-check">
          <input type="checkbox" checked={code} onChange={event => setCode(event.target.checked)} />
          {trans.__('Show the code')}
        </label>
      </div>
      <div className="hr-scroll" tabIndex={0}>
        {error && <Problem message={error} onRetry={reload} />}
        {!value && !error && <Loading />}
        {value && !cells.length && <Empty title={trans.__('No outputs yet')} />}
        {cells.map(cell => (
          <Cell key={cell.run_id} cell={cell} code={code} name={model.nodes.get(cell.run_id)?.name} />
        ))}
      </div>
    </div>
  );
}
