import { afterEach, describe, expect, it, vi } from 'vitest';
import { DocumentModel } from '../src/model/document';
import type { ICellNode, IRun } from '../src/wire/words';
import { closePages, edge, makePage, makeRun } from './make';

afterEach(closePages);

function cell(id: string, latest: IRun | null = null, fields: Partial<ICellNode> = {}): ICellNode {
  return {
    cell_id: id,
    index: 0,
    name: id,
    is_task: true,
    source_preview: '',
    options: {},
    reads: [],
    binds: [],
    mutates: [],
    undefined: [],
    error: null,
    latest_run: latest,
    stale: !latest,
    stale_reasons: latest ? [] : ['never ran'],
    ...fields
  };
}

async function open(cells: ICellNode[]) {
  const shown = { cells };
  const page = await makePage({
    'PUT /documents': ({ body }) => ({ document_id: 'd', revision: (body as { revision: number }).revision }),
    '/notebooks/graph': () => ({ document_id: 'd', revision: 1, cells: shown.cells, edges: [edge('a', 'b')] })
  });
  const model = new DocumentModel(page.manager, 'work/x.ipynb');
  await model.push([{ id: 'a', cell_type: 'code', source: '%%task a', metadata: {} }], {}, null);
  return { page, model, shown };
}

describe('an open notebook', () => {
  it('tells the server what it holds and shows the flow before anything has run', async () => {
    const { page, model } = await open([cell('a'), cell('b')]);
    expect(page.server.requests).toContain('PUT /documents');
    expect([...model.nodes.values()].map(node => [node.id, node.state_type, node.stale])).toEqual([
      ['a', null, true],
      ['b', null, true]
    ]);
    expect(model.edges).toHaveLength(1);
    expect(model.title).toBe('x.ipynb');
  });

  it('shows a cell’s newest run as soon as the stream names it', async () => {
    const { page, model, shown } = await open([cell('a'), cell('b')]);
    const ran = makeRun({ kind: 'cell', cell_id: 'a', state_type: 'RUNNING' });
    shown.cells = [cell('a', ran), cell('b')];
    const { structure } = model;
    page.change({ runs: [ran] });
    await vi.waitFor(() => expect(model.nodes.get('a')?.state_type).toBe('RUNNING'));
    expect(model.runOf('a')?.id).toBe(ran.id);
    expect(model.structure).toBe(structure);
  });

  it('lets a cell go that was deleted', async () => {
    const { model, shown } = await open([cell('a'), cell('b')]);
    shown.cells = [cell('a')];
    model.reload();
    await vi.waitFor(() => expect([...model.nodes.keys()]).toEqual(['a']));
  });

  it('gives each push a higher revision than the one before', async () => {
    const { page, model } = await open([cell('a')]);
    await model.push([], {}, null);
    const sent = page.server.bodies.filter(body => body !== undefined) as { revision: number }[];
    expect(sent[1].revision).toBeGreaterThan(sent[0].revision);
  });

  it('asks for the flow even when a newer tab has told already', async () => {
    const page = await makePage({
      'PUT /documents': () => Response.json({ message: 'A newer revision is known.' }, { status: 409 }),
      '/notebooks/graph': () => ({ document_id: 'd', revision: 9, cells: [cell('a')], edges: [] })
    });
    const model = new DocumentModel(page.manager, 'x.ipynb');
    await model.push([], {}, null);
    expect(model.error).toBeNull();
    expect(model.nodes.size).toBe(1);
  });
});
