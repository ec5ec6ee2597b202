"""The dataflow of a notebook with 500 cells, beside what Python's and IPython's own parsers take for it."""

from __future__ import annotations

import ast
import statistics
import time
from collections.abc import Callable

from IPython.core.inputtransformer2 import TransformerManager
from run import Row, tell

from headrace.core.dataflow import CellInput, analyse, build_graph, plan_rerun, sparing

REPEATS = 9
CELLS = 500

FIRST = """import json
import numpy as np
import pandas as pd
import matplotlib.pyplot as plt
from lib import Base, Model, score
results = []"""
#: What cells are like; {i} is the cell's number, {a} to {e} those of cells one to five above.
KINDS = (
    "df{i} = pd.read_csv('data/part{i}.csv', parse_dates=['day'])\ndf{i} = df{i}.dropna()\nprint(df{i}.shape)\ndf{i}.head()",
    "def clean{i}(frame, limit=10):\n    '''Clean.'''\n    out = frame[frame.value > limit].copy()\n"
    "    out['ratio'] = out.value / out.value.mean()\n    for column in out.columns:\n"
    "        if out[column].dtype == object:\n            out[column] = out[column].str.strip()\n    return out",
    "c{i} = clean{a}(df{b})\nc{i}['month'] = c{i}.day.dt.month\n"
    "monthly{i} = c{i}.groupby('month').agg(total=('value', 'sum'), n=('value', 'size'))",
    "fig, axes = plt.subplots(1, 2, figsize=(8, 3))\nfor ax, (name, part) in zip(axes, c{a}.groupby('kind')):\n"
    "    ax.plot(part.day, part.value, label=f'{{name}} {{len(part)}}')\n    ax.legend()\nplt.show()",
    "!ls data | head -n {i}\nfiles = !ls\n%matplotlib inline",
    "%%time\nmodel{i} = Model(alpha={i})\nmodel{i}.fit(c{c}[['ratio']], c{c}.value)\npred{i} = model{i}.predict(c{c}[['ratio']])",
    "class Model{i}(Base):\n    def __init__(self, alpha):\n        self.alpha = alpha\n        self.seen = []\n"
    "    def fit(self, X, y):\n        self.seen.append(len(X))\n        return self\n"
    "    def predict(self, X):\n        return [self.alpha * x for x in X]",
    "results.append({{'i': {i}, 'score': score(pred{b}, c{e}.value)}})\nbest = max(results, key=lambda r: r['score'])\nbest",
    "try:\n    with open('out{i}.json', 'w') as f:\n        json.dump({{k: v for k, v in best.items() if k != 'i'}}, f)\n"
    "except OSError as error:\n    print(f'not written: {{error}}')",
    "kept{i} = [row for row in results if row['score'] > 0.5]\n"
    "total{i} = sum(r['score'] for r in kept{i}) / max(1, len(kept{i}))\nassert total{i} >= 0",
)


def notebook(cells: int = CELLS) -> list[str]:
    """Return a notebook's cells: reading, functions, frames, plots, shell, magics, classes, files."""
    found = [FIRST]
    for i in range(10, cells + 9):
        found.append(KINDS[i % 10].format(i=i, a=i - 1, b=i - 2, c=i - 3, e=i - 5))
    return found


def median_ms(work: Callable[[], object]) -> float:
    """Return the median processor time of some repeats, in milliseconds; nothing here waits, so on a quiet machine that is the time."""
    spent = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        spent.append(1000 * (time.process_time() - began))
    return statistics.median(spent)


def measure() -> list[Row]:
    """Measure."""
    sources = notebook()
    plain_transform = TransformerManager().transform_cell
    transform = sparing(plain_transform)
    plain = [transform(source) for source in sources]
    flows = [analyse(source) for source in plain]
    inputs = [CellInput(id=str(i), flow=flow) for i, flow in enumerate(flows)]
    graph = build_graph(inputs)
    assert graph.problems == () and len(graph.edges) > len(sources)
    whole = [CellInput(id=str(i), source=source) for i, source in enumerate(sources)]

    transforming = median_ms(lambda: [plain_transform(source) for source in sources])
    parsing = median_ms(lambda: [ast.parse(source) for source in plain])
    analysing = median_ms(lambda: [analyse(source) for source in plain])
    joining = median_ms(lambda: build_graph(inputs))
    everything = median_ms(lambda: build_graph(whole, transform=transform))
    planning = median_ms(lambda: plan_rerun(graph, [graph.ids[0]]))
    size = f"{len(sources)} cells, {sum(map(len, sources)) // 1000} kB"

    def row(what: str, ours: float, beside: str, other: float, goal: str = "") -> Row:
        return Row(what, f"{ours:.0f} ms", f"{beside} {other:.0f} ms", round(ours / other, 2), goal)

    return [
        row(
            f"dataflow of {size}, IPython's syntax included",
            everything,
            "IPython's transformer",
            transforming,
            "≤ 300 ms",
        ),
        row("analysis of its cells", analysing, "ast.parse", parsing),
        row("its graph, after one cell was edited", joining, "ast.parse", parsing),
        row("what must run again after the first cell changed", planning, "ast.parse", parsing),
    ]


if __name__ == "__main__":
    tell(measure())
