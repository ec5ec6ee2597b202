"""What changes an object in place and what only looks at it, as two tables; what can run is held against reality."""

from __future__ import annotations

import copy
import io
import random
from collections import Counter, deque
from pathlib import Path
from typing import Any

import pytest

from headrace.core.dataflow import analyse

#: Source (`;;` ends a line) → the names whose objects it changes.
CHANGES = """
xs.append(1)  -> xs
xs.extend(ys)  -> xs
xs.insert(0, 1)  -> xs
xs.remove(1)  -> xs
xs.pop()  -> xs
x = xs.pop(0)  -> xs
xs.clear()  -> xs
xs.sort()  -> xs
xs.reverse()  -> xs
xs[0] = 1  -> xs
xs[1:3] = []  -> xs
del xs[0]  -> xs
xs[0], xs[1] = xs[1], xs[0]  -> xs
for xs[0] in ys: pass  -> xs
d.update(a=1)  -> d
d.setdefault('new', 1)  -> d
v = d.pop('k')  -> d
d.popitem()  -> d
d['k'] = 1  -> d
d['k'] += 1  -> d
d['a']['b'] = 1  -> d
d.get('k').append(1)  -> d
for v in d.values(): v.append(1)  -> d
st.add(7)  -> st
st.discard(1)  -> st
st.difference_update(u)  -> st
c.update('abc')  -> c
c.subtract('abc')  -> c
dq.appendleft(1)  -> dq
dq.rotate(1)  -> dq
dq.popleft()  -> dq
df['a'] = 1  -> df
df.loc[0, 'a'] = 1  -> df
df.iloc[0, 0] = 1  -> df
df.at[0, 'a'] = 1  -> df
df.a = 1  -> df
df.columns = ['a']  -> df
df.index.name = 'x'  -> df
df.drop(columns='a', inplace=True)  -> df
df.fillna(0, inplace=True)  -> df
df.a.fillna(0, inplace=True)  -> df
df['a'].replace(1, 2, inplace=True)  -> df
df.insert(0, 'b', 1)  -> df
s = df.pop('a')  -> df
df.update(other)  -> df
df['a'][df.b > 1] = 0  -> df
df['a'].update(other)  -> df
df.attrs['y'] = 1  -> df
df.sort_values('a', inplace=True)  -> df
a.sort()  -> a
a.fill(0)  -> a
a.resize((2, 2))  -> a
a.put([0], 1)  -> a
a[0] = 1  -> a
a[a > 0] = 1  -> a
a[:, 0] *= 2  -> a
a.flat[0] = 1  -> a
a.setflags(write=False)  -> a
a.T[0] = 1  -> a
np.copyto(a, b)  -> a
np.put(a, [0], 1)  -> a
np.place(a, a > 0, 1)  -> a
np.putmask(a, a > 0, 1)  -> a
np.fill_diagonal(a, 0)  -> a
np.random.shuffle(a)  -> a
np.add(a, b, out=a)  -> a
np.add(a, b, a)  -> a
np.add.at(a, [0], 1)  -> a
np.nan_to_num(a, copy=False)  -> a
np.put_along_axis(a, i, v, 0)  -> a
rng.shuffle(a)  -> a rng
random.shuffle(xs)  -> xs
heapq.heappush(h, 1)  -> h
heapq.heapify(h)  -> h
x = heapq.heappop(h)  -> h
heapq.heappushpop(h, 9)  -> h
heapq.heapreplace(h, 9)  -> h
bisect.insort(xs, 1)  -> xs
setattr(o, 'x', 1)  -> o
delattr(o, 'x')  -> o
o.x = 1  -> o
del o.x  -> o
o.__dict__['x'] = 1  -> o
vars(o)['x'] = 1  -> o
next(it)  -> it
x = next(it, None)  -> it
list.append(xs, 1)  -> xs
dict.update(d, e)  -> d
operator.setitem(d, 'k', 1)  -> d
operator.iadd(xs, ys)  -> xs
f.write('x')  -> f
f.readline()  -> f
f.close()  -> f
print('x', file=f)  -> f
json.dump(d, f)  -> f
pickle.dump(d, f)  -> f
csv.writer(f).writerow(r)  -> f
writer.writerow(r)  -> writer
cur.execute(q)  -> cur
conn.commit()  -> conn
conn.execute(q)  -> conn
df.to_sql('t', conn)  -> conn
df.to_csv(buf)  -> buf
df.to_excel(writer)  -> writer
model.fit(X, y)  -> model
X2 = scaler.fit_transform(X)  -> scaler
model.partial_fit(X, y)  -> model
pipe.fit(X)  -> pipe
opt.step()  -> opt
loss.backward()  -> loss
net.train()  -> net
net.eval()  -> net
opt.zero_grad()  -> opt
w.data.fill_(0)  -> w
w.add_(1)  -> w
net.to(device)  -> net
net.load_state_dict(s)  -> net
model.compile(loss='mse')  -> model
h = model.fit(X, y, epochs=1)  -> model
g.add_node(1)  -> g
g.add_edge(1, 2)  -> g
g.add_edges_from(es)  -> g
g.remove_node(1)  -> g
ax.set_title('t')  -> ax
ax.plot(x, y)  -> ax
ax.scatter(x, y)  -> ax
ax.bar(x, y)  -> ax
ax.text(0, 0, 't')  -> ax
ax.legend()  -> ax
axes[0].plot(x)  -> axes
axes[0, 1].hist(x)  -> axes
df.plot(ax=ax)  -> ax
sns.histplot(df, ax=ax)  -> ax
fig.suptitle('t')  -> fig
fig.update_layout(title='t')  -> fig
fig.add_trace(t)  -> fig
ws['A1'] = 1  -> ws
q.put(1)  -> q
ev.set()  -> ev
t.start()  -> t
buf.seek(1)  -> buf
sys.path.append('x')  -> sys
os.environ['X'] = '1'  -> os
os.environ.update(e)  -> os
w.observe(f, 'value')  -> w
w.value = 1  -> w
slider.on_click(f)  -> slider
enc.fit(X).transform(X)  -> enc
shuffle(xs)  -> xs
arr.byteswap(inplace=True)  -> arr
list(map(xs.append, ys))  -> xs
[xs.append(y) for y in ys]  -> xs
_ = [xs.append(y) for y in ys]  -> xs
(xs.append(1), ys.append(2))  -> xs ys
xs.append(1) if c else ys.append(1)  -> xs ys
c and xs.append(1)  -> xs
for y in ys: xs.append(y)  -> xs
while xs: xs.pop()  -> xs
with lock: xs.append(1)  -> xs
xs.__setitem__(0, 1)  -> xs
bytearr.extend(b)  -> bytearr
tree.setdefault(a, {}).setdefault(b, []).append(c)  -> tree
getattr(o, 'xs').append(1)  -> o
o.xs.append(1)  -> o
o.d['k'].append(1)  -> o
xs[-1].append(1)  -> xs
(xs or ys).append(1)  -> xs ys
max(rows, key=len).append(1)  -> rows
sorted(rows)[0].append(1)  -> rows
list(rows)[0].append(1)  -> rows
rows[::2][0].append(1)  -> rows
zs = rows[:] ;; zs[0].append(1)  -> rows
zs = list(rows) ;; zs[0].append(1)  -> rows
zs = rows + [] ;; zs[0].append(1)  -> rows
zs = [*rows] ;; zs[0].append(1)  -> rows
e = {**d} ;; e['k'].append(1)  -> d
e = dict(d) ;; e['k'].append(1)  -> d
a, *b = rows ;; b[0].append(1)  -> rows
first = rows[0] ;; first['x'] = 1  -> rows
it2 = iter(rows) ;; next(it2).append(1)  -> rows
zs = copy.copy(rows) ;; zs[0].append(1)  -> rows
v = a[1:] ;; v[0] = 1  -> a
v = a.T ;; v[0] = 1  -> a
v = np.asarray(a) ;; v[0] = 1  -> a
v = a.ravel() ;; v[0] = 1  -> a
v = memoryview(a) ;; v[0] = 1  -> a
col = df['a'] ;; col[0] = 1  -> df
sub = df.loc[0:3] ;; sub['a'] = 1  -> df
"""

#: What a notebook says all day without changing anything, three spaces between.
LOOKS = """
df.head()   df.head(10)   df.describe()   df.info()   df.plot()   df.plot.bar(x='a')   df.hist()   df.boxplot()
df.sample(5)   df.to_csv('x.csv')   df.to_parquet('x.parquet')   df.groupby('a').sum()   df.value_counts()
df['a'].value_counts()   df.a.unique()   df.columns   df.shape   df.dtypes   df.iloc[0]   df.loc[df.a > 1, 'b']
df.sort_values('a')   df.sort_index()   df.drop(columns='a')   df.rename(columns={'a': 'b'})   df.fillna(0)
df.assign(x=1)   df.merge(other, on='k')   df.join(other)   df.append(other).head()   df.isna().sum()
df.query('a > 1')   df.eval('a + b')   df.apply(f)   df.map(f)   df.pipe(f)   df.set_index('a')   df.reset_index()
df.reindex(idx)   df.round(2)   df.clip(0, 1)   df.rolling(7).mean()   df.resample('D').sum()
df.pivot_table(index='a')   df.melt()   df.stack()   df.T   df.corr()   df.style.format('{:.1f}')
df.style.set_caption('t')   df.replace(1, 2)   df.nlargest(3, 'a')   df.set_axis(names, axis=1)   df.sub(1)
df.rank()   df.cumsum()   df.transpose()   df.copy()   df.equals(other)   df.items()   df.iterrows()   df.itertuples()
df.memory_usage()   df.to_numpy()   df.to_dict()   df.duplicated()   df.drop_duplicates()   df.explode('a')
df.filter(like='a')   df.select_dtypes('number')   df.astype(float)   df.sum()   df.mean(axis=1)   s.str.strip()
s.str.replace('a', 'b')   s.str.partition('-')   s.dt.month   s.cat.set_categories(c)   s.cat.add_categories(c)
s.add(t, fill_value=0).head()   s.between(1, 2)   s.isin(xs)   s.rename('x')   pd.concat([df, other])
pd.merge(df, other)   pd.to_datetime(s)   pd.DataFrame(rows)   pd.crosstab(df.a, df.b)   pd.get_dummies(df)
pd.testing.assert_frame_equal(df, other)   np.append(a, b)   np.insert(a, 0, b)   np.delete(a, 0)   np.sort(a)
np.argsort(a)   np.partition(a, 2)   np.sum(a)   np.concatenate([a, b])   np.resize(a, 3)   np.where(a > 0, a, b)
np.random.permutation(a)   np.random.choice(a)   np.flip(a)   np.random.default_rng(seed)   np.linalg.solve(a, b)
np.save('f.npy', a)   np.copy(a)   np.clip(a, 0, 1)   np.add(a, b)   np.unique(a)   a.sum()   a.mean(axis=0)
a.reshape(2, -1)   a.T   a.copy()   a.astype(int)   a.argsort()   a.tolist()   a.dot(b)   a @ b   a.flatten()
a.round(2)   a.clip(0)   a.max()   a.any()   a.tobytes()   len(xs)   sum(xs)   max(xs)   sorted(xs)   reversed(xs)
list(xs)   print(xs)   print(*xs, sep=',')   repr(xs)   str(xs)   enumerate(xs)   zip(xs, ys)   isinstance(x, int)
type(x)   id(x)   hash(x)   dir(x)   help(f)   display(df)   any(x > 1 for x in xs)   all(xs)   map(str, xs)
filter(None, xs)   getattr(x, 'a')   hasattr(x, 'a')   iter(xs)   xs.index(1)   xs.count(1)   xs.copy()   xs[0]
xs[1:3]   xs + ys   x in xs   d.get(k)   d.get(k, default)   d.keys()   d.items()   d.values()   d[k]   d.copy()
st.union(u)   st.difference(u)   st.issubset(u)   text.strip()   text.split(',')   text.replace('a', 'b')
text.join(xs)   text.format(x)   text.format_map(d)   text.partition('=')[0]   text.encode()   text.upper()
text.startswith('a')   text.find('a')   path.exists()   path.read_text()   path.joinpath('x')   path.glob('*.csv')
path.stat()   path.is_file()   path.with_suffix('.x')   json.dumps(d)   json.loads(t)   pickle.dumps(x)   copy.copy(x)
copy.deepcopy(x)   math.sqrt(x)   statistics.mean(xs)   itertools.chain(xs, ys)   functools.reduce(f, xs)
collections.Counter(xs)   operator.itemgetter(1)(xs)   re.findall('a', text)   re.sub('a', 'b', text)
random.choice(xs)   random.sample(xs, 3)   random.choices(xs, k=2)   heapq.nlargest(3, xs)   heapq.nsmallest(3, xs)
heapq.merge(xs, ys)   bisect.bisect(xs, x)   bisect.bisect_left(xs, x)   os.path.join(a, b)   datetime.now()
model.predict(X)   model.score(X, y)   model.predict_proba(X)   model.transform(X)   model.get_params()
model.summary()   cross_val_score(model, X, y)   train_test_split(X, y)   sns.scatterplot(data=df, x='a', y='b')
sns.heatmap(df.corr())   px.line(df, x='a')   plt.plot(xs, ys)   plt.hist(xs)   plt.bar(xs, ys)   fig.show()
fig.savefig('a.png')   requests.get(url)   response.json()   response.text   pd.read_sql(q, conn)   con.sql(q).df()
con.query(q)   t.detach()   t.numpy()   t.size()   net(x)   torch.no_grad()   pl.col('a').sum()   lf.collect()
lf.filter(pl.col('a') > 1)   lf.with_columns(pl.col('a'))   lf.group_by('a').agg(x)   f'{df.head()} {x!r}'
df.groupby('a').apply(lambda g: g.sum())   [x for x in xs]   {k: v for k, v in d.items()}   sum(x for x in xs)   f(x)
f(*xs, **d)   obj.method(x)   obj.compute()   obj.run()   client.submit(f, x)   client.get(url)   lock.locked()
q.qsize()   logger.info('x %s', x)   logging.info(x)   warnings.warn(text)   assert x   x == y   not xs
x if y else z   xs[-1]   await f(x)   time.sleep(1)   tqdm(xs)   for x in tqdm(xs): print(x)
with open(p) as f: text = f.read()   with open(p) as f: d = json.load(f)   subprocess.run(cmd)   ax.get_title()
fig.get_axes()   df.xs('a')   df.at[0, 'a']   df.index.get_level_values(0)   s.index.union(t.index)
s.sort_values().head()   s.mask(s > 0)   s.where(s > 0)   s.shift(1)   s.diff()   s.append(t).sum()   pd.Timestamp(x)
dt.isoformat()   dt.replace(day=1)   date.strftime('%Y')   img.copy()   d |= e   a += 1
zs = copy.deepcopy(rows) ;; zs[0].append(1)   g = df.groupby('a') ;; h = g.sum() ;; h['x'] = 1
e = df.assign(x=1) ;; e['y'] = 1   e = df.drop(columns='a') ;; e['y'] = 1   e = df[['a', 'b']] ;; e['c'] = 1
e = df.copy() ;; e['c'] = 1   e = pd.concat([df, df]) ;; e['c'] = 1   e = df.reset_index() ;; e['c'] = 1
e = df.query('a > 1') ;; e['c'] = 1
"""


#: Views in pandas before 3, copies since.
COPIES = ("col = df", "sub = df")


def rows(table: str) -> list[tuple[str, frozenset[str]]]:
    found = []
    for line in table.strip().replace("   ", "\n").splitlines():
        source, _, names = line.partition("  -> ")
        found.append((source.replace(" ;; ", "\n"), frozenset(names.split())))
    return found


@pytest.mark.parametrize(("source", "names"), rows(CHANGES), ids=[c[0] for c in rows(CHANGES)])
def test_a_call_that_changes_an_object_is_known_to(source: str, names: frozenset[str]) -> None:
    assert analyse(source).mutates == names


@pytest.mark.parametrize("source", [c[0] for c in rows(LOOKS)])
def test_looking_at_an_object_is_no_change(source: str) -> None:
    assert analyse(source).mutates == frozenset()


def objects() -> dict[str, Any]:
    """One of each that the tables talk about."""
    import numpy as np
    import pandas as pd

    random.seed(1)
    np.random.seed(1)
    frame = pd.DataFrame({"a": [2.0, None, 1.0], "b": [5, 4, 6]})
    space: dict[str, Any] = {
        "xs": [3, 1, 2],
        "ys": [5, 4],
        "h": [3, 1, 2],
        "rows": [[3], [1], [2]],
        "d": {"k": [1], "a": {}},
        "e": {"k": [2]},
        "st": {1, 2},
        "u": {2},
        "c": Counter("ab"),
        "dq": deque([1, 2, 3]),
        "df": frame,
        "other": pd.DataFrame({"a": [9]}),
        "s": pd.Series([1.5, 2.5]),
        "t": pd.Series([1.0, 2.0]),
        "a": np.array([3.0, np.nan, 2.0]),
        "b": np.array([1.0, 1.0, 1.0]),
        "it": iter([1, 2, 3]),
        "text": "a=1,b",
        "rng": np.random.default_rng(1),
        "bytearr": bytearray(b"x"),
        "buf": io.StringIO("text"),
        "x": 2,
        "k": "k",
        "f": len,
    }
    return space


def looks_of(value: Any) -> Any:
    """A value as something that differs when the value was changed."""
    if type(value).__name__ == "list_iterator":
        return list(copy.copy(value))
    if type(value).__name__ == "Generator":
        return str(value.bit_generator.state)
    if isinstance(value, io.StringIO):
        return value.getvalue(), value.tell()
    return repr(value), repr(getattr(value, "attrs", None)), getattr(getattr(value, "flags", None), "writeable", None)


@pytest.mark.lab
def test_the_tables_are_true_where_they_can_be_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import bisect
    import heapq
    import itertools
    import json
    import operator
    import statistics

    import numpy as np
    import pandas as pd

    tools = {"np": np, "pd": pd, "heapq": heapq, "bisect": bisect, "random": random, "json": json, "copy": copy}
    tools |= {"itertools": itertools, "operator": operator, "statistics": statistics}
    monkeypatch.chdir(tmp_path)  # some write files
    tried = 0
    for source, names in (*rows(CHANGES), *rows(LOOKS)):
        space = objects() | tools
        before = {name: looks_of(space[name]) for name in objects()}
        held = {name: space[name] for name in before}
        try:
            exec(compile(source, "<table>", "exec"), space)
        except Exception:  # what this machine has no object for, or pandas no longer offers
            continue
        tried += 1
        changed = {name for name, value in held.items() if looks_of(value) != before[name]}
        assert changed <= names | analyse(source).augments, source
        assert changed or not names or source.startswith(COPIES), source
    assert tried > 200
