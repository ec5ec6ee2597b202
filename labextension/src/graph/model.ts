/** What the graph draws: a run's tree, or the cells of an open notebook. */
import type { ISignal } from '@lumino/signaling';
import type { IEdge, IRun } from '../wire/words';

export interface IGraphModel {
  /** The run or document whose children are drawn. */
  readonly id: string;
  readonly title: string;
  /** The run whose tasks have a time in common; none for a notebook's cells, each of which ran when it did. */
  readonly run: IRun | null;
  readonly nodes: ReadonlyMap<string, IRun>;
  readonly edges: readonly IEdge[];
  /** Grows when nodes or edges come or go; states alone do not count. */
  readonly structure: number;
  readonly graphLoaded: boolean;
  readonly nodesChanged: ISignal<unknown, ReadonlySet<string>>;
  readonly version: number;
  readonly subscribe: (listener: () => void) => () => void;
}
