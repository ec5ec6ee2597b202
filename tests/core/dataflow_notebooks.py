"""Notebooks as people write them, on real data: Montréal's cycle counters and weather of 2012 (binder/data)."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

WEEKDAYS = [
    """import numpy as np
import pandas as pd

pd.set_option("display.max_columns", 20)
raw = pd.read_csv("data/bikes.csv", sep=";", encoding="latin-1", index_col=0)""",
    """raw.head()""",
    """def tidy(frame, *, dayfirst=True):
    frame = frame.dropna(axis="columns", how="all")
    frame.index = pd.to_datetime(frame.index, dayfirst=dayfirst)
    return frame

bikes = tidy(raw)""",
    """path = "Berri 1"
berri = bikes[[path]].copy()
berri.columns = ["riders"]""",
    """berri["weekday"] = berri.index.weekday
berri.head()""",
    """names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
counts = berri.groupby("weekday").riders.sum()
counts.index = names""",
    """busiest = counts.idxmax()
quietest = counts.idxmin()
print(f"{busiest} is busiest with {counts[busiest]:,} riders, {quietest} quietest")""",
    """found = []
for name, column in bikes.items():
    if column.mean() > 2_000:
        found.append(name)
found.sort()""",
    """summary = {name: int(bikes[name].max()) for name in found}
summary.update(total=sum(summary.values()))
best = max((v, k) for k, v in summary.items() if k != "total")""",
    """berri.drop(columns="weekday", inplace=True)
weekly = berri.resample("W").sum()
weekly.tail(3)""",
    """path = "Rachel1"
other = bikes[path].rename("riders").to_frame()
ratio = float(other.riders.mean() / berri.riders.mean())""",
]

WEATHER = [
    """from collections import Counter, defaultdict
import pandas as pd
from pathlib import Path
data = Path("data")
weather = pd.read_csv(data / "weather_2012.csv", parse_dates=["Date/Time"], index_col="Date/Time")""",
    """log = []

def note(text):
    log.append(text)
    return len(log)

note(f"{len(weather)} hours")""",
    """weather.columns = [c.split(" (")[0].lower().replace(" ", "_") for c in weather.columns]
weather.dtypes""",
    """seen = Counter()
for text in weather["weather"]:
    seen.update(text.split(","))
note(f"{len(seen)} kinds")""",
    """is_snowing = weather["weather"].str.contains("Snow")
snowy = is_snowing.astype(float).resample("ME").mean()
temperature = weather["temp"].resample("ME").median()""",
    """stats = pd.concat([snowy.rename("snow"), temperature], axis=1)
stats["cold"] = stats["temp"] < 0
stats""",
    """by_month = defaultdict(list)
for moment, row in stats.iterrows():
    by_month[bool(row["cold"])].append(moment.month)
cold, warm = by_month[True], by_month[False]""",
    """cold.append(13)
note(f"{len(cold)} cold months")""",
    """class Season:
    \"\"\"A name with its months.\"\"\"

    made = 0

    def __init__(self, name, months):
        self.name, self.months = name, months
        Season.made += 1

    def widen(self, by=1):
        self.months.append(self.months[-1] + by)
        return self

winter, summer = Season("winter", cold), Season("summer", list(warm))""",
    """winter.widen()
summer.widen(2)
widths = [len(s.months) for s in (winter, summer)]""",
    """try:
    hottest = weather.loc["2013"]
except KeyError as error:
    hottest = weather["temp"].idxmax()
    note(f"no 2013: {type(error).__name__}")
assert len(by_month[True]) == len(winter.months)""",
    """print(*log, sep="\\n")
report = "; ".join(log) + f"; {Season.made} seasons, {seen.most_common(1)[0][0]}"
del seen""",
]

ROUTES = [
    """import heapq
import itertools
import json
import re
from functools import lru_cache, partial""",
    """text = \"\"\"
Berri-Rachel 4
Rachel-Laurier 3
Berri-Maisonneuve 2
Maisonneuve-Rachel 1
\"\"\"
pattern = re.compile(r"(\\w+)-(\\w+) (\\d+)")""",
    """graph = {}
for a, b, km in pattern.findall(text):
    graph.setdefault(a, {})[b] = int(km)
    graph.setdefault(b, {})[a] = int(km)""",
    """def shortest(start, goal):
    todo, done = [(0, start, [start])], set()
    while todo:
        km, here, way = heapq.heappop(todo)
        if here == goal:
            return km, way
        if here in done:
            continue
        done.add(here)
        for there, more in graph[here].items():
            heapq.heappush(todo, (km + more * factor, there, [*way, there]))
    raise LookupError(goal)""",
    """factor = 1
length, way = shortest("Berri", "Laurier")""",
    """%%time
pairs = {}
for a, b in itertools.combinations(sorted(graph), 2):
    pairs[a, b] = shortest(a, b)[0]""",
    """graph["Berri"]["Rachel"] = 1  # a new path
closer = {pair: km for pair, km in pairs.items() if shortest(*pair)[0] < km}""",
    """factor = 2
doubled = shortest("Berri", "Laurier")[0]
from_berri = partial(shortest, "Berri")""",
    """!echo {length} km
kept = !echo {doubled}""",
    """@lru_cache
def steps(goal):
    return len(from_berri(goal)[1])

most = max(steps(place) for place in graph if place != "Berri")""",
    """match way:
    case [first, *middle, last] if (n := len(middle)) > 0:
        shape = f"{first} over {n} to {last}"
    case _:
        shape = "straight\"""",
    """queue = list(pairs.items())
heapq.heapify(queue)
heapq.heappush(queue, (("Verdun", "Berri"), factor))
text = json.dumps({"-".join(pair): km for pair, km in sorted(queue)})""",
    """import asyncio

async def ride(place):
    await asyncio.sleep(0)
    return place, steps(place)

rides = await asyncio.gather(*(ride(p) for p in sorted(graph) if p != "Berri"))""",
]


def binder() -> list[str]:
    """The cells of the notebook in binder/ as plain IPython: each task's magic line taken away."""
    book = json.loads((ROOT / "binder" / "montreal-cycling.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(c["source"]) for c in book["cells"] if c["cell_type"] == "code"]
    return ["\n".join(x for x in c.splitlines() if not x.startswith(("%%task", "%load_ext"))) for c in cells]


NOTEBOOKS = {"weekdays": WEEKDAYS, "weather": WEATHER, "routes": ROUTES, "binder": binder()}
