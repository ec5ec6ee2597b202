/** What differs between two texts, line by line: the longest common lines stay, the rest went out or came in. */

export interface IDiffLine {
  kind: 'same' | 'out' | 'in' | 'gap';
  text: string;
  /** Line numbers from 1; null where the side has no such line. */
  left: number | null;
  right: number | null;
  /** How many equal lines a gap stands for. */
  count?: number;
}

/** Beyond this many compared pairs everything between the equal ends counts as changed. */
const MOST_PAIRS = 4_000_000;
/** Equal lines kept around a change. */
const CONTEXT = 3;

function lines(text: string): string[] {
  return text === '' ? [] : text.replace(/\r\n?/g, '\n').split('\n');
}

/** Every line of both texts, in order. */
export function diffLines(left: string, right: string): IDiffLine[] {
  const [a, b] = [lines(left), lines(right)];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) {
    head += 1;
  }
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) {
    tail += 1;
  }
  const result: IDiffLine[] = [];
  const same = (i: number, j: number) => result.push({ kind: 'same', text: a[i], left: i + 1, right: j + 1 });
  for (let at = 0; at < head; at += 1) {
    same(at, at);
  }
  middle(a, b, head, a.length - tail, b.length - tail, result);
  for (let at = tail; at > 0; at -= 1) {
    same(a.length - at, b.length - at);
  }
  return result;
}

function middle(a: string[], b: string[], from: number, endA: number, endB: number, result: IDiffLine[]): void {
  const [rows, columns] = [endA - from, endB - from];
  const out = (i: number) => result.push({ kind: 'out', text: a[i], left: i + 1, right: null });
  const into = (j: number) => result.push({ kind: 'in', text: b[j], left: null, right: j + 1 });
  if (rows * columns > MOST_PAIRS) {
    for (let i = from; i < endA; i += 1) {
      out(i);
    }
    for (let j = from; j < endB; j += 1) {
      into(j);
    }
    return;
  }
  // common[i][j]: the most lines that a from i on and b from j on have in common.
  const common = Array.from({ length: rows + 1 }, () => new Uint32Array(columns + 1));
  for (let i = rows - 1; i >= 0; i -= 1) {
    for (let j = columns - 1; j >= 0; j -= 1) {
      common[i][j] =
        a[from + i] === b[from + j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  let [i, j] = [0, 0];
  while (i < rows || j < columns) {
    if (i < rows && j < columns && a[from + i] === b[from + j]) {
      result.push({ kind: 'same', text: a[from + i], left: from + i + 1, right: from + j + 1 });
      i += 1;
      j += 1;
    } else if (j >= columns || (i < rows && common[i + 1][j] >= common[i][j + 1])) {
      out(from + i);
      i += 1;
    } else {
      into(from + j);
      j += 1;
    }
  }
}

/** The changes with a few lines around them; the rest are gaps. */
export function folded(all: readonly IDiffLine[]): IDiffLine[] {
  const near = new Set<number>();
  all.forEach((line, at) => {
    if (line.kind !== 'same') {
      for (let other = at - CONTEXT; other <= at + CONTEXT; other += 1) {
        near.add(other);
      }
    }
  });
  const result: IDiffLine[] = [];
  let hidden = 0;
  const close = () => {
    if (hidden) {
      result.push({ kind: 'gap', text: '', left: null, right: null, count: hidden });
      hidden = 0;
    }
  };
  all.forEach((line, at) => {
    if (near.has(at)) {
      close();
      result.push(line);
    } else {
      hidden += 1;
    }
  });
  close();
  return result;
}
