/**
 * Text of unknown origin made safe to show: colours of SGR sequences become names of CSS classes, every other
 * control character becomes visible, and so do the characters that change the direction of text.
 * Rule: reliability.md S-31. The text of the answer has no C0 or C1 control but newline and tab.
 */

export interface ISpan {
  text: string;
  /** Class names separated by blanks; empty for plain text. */
  classes: string;
}

interface IStyle {
  fg: string;
  bg: string;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  strike: boolean;
  inverse: boolean;
}

const PLAIN: IStyle = {
  fg: '',
  bg: '',
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  strike: false,
  inverse: false
};

const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
// ESC [ parameters m; C1's one-byte CSI means the same.

const SGR = /(?:\u001b\[|\u009b)([0-9;:]*)m/g;

const UNSAFE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff]/g;

function visible(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) {
    return String.fromCharCode(0x2400 + code);
  }
  return code === 0x7f ? '\u2421' : `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
}

/** The text with every control character but newline and tab made visible. */
export function clean(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(UNSAFE, visible);
}

/** The nearest of the eight names for one of the 256 colours or a colour in full. */
function nearest(red: number, green: number, blue: number): string {
  const high = Math.max(red, green, blue);
  if (high < 60) {
    return 'black';
  }
  const bit = (value: number) => (value > high * 0.6 ? 1 : 0);
  return NAMES[bit(red) + 2 * bit(green) + 4 * bit(blue)];
}

function indexed(index: number): string {
  if (index < 16) {
    return NAMES[index % 8];
  }
  if (index > 231) {
    const grey = 8 + (index - 232) * 10;
    return nearest(grey, grey, grey);
  }
  const cube = index - 16;
  const level = (step: number) => (step ? 55 + step * 40 : 0);
  return nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

function apply(style: IStyle, codes: number[]): IStyle {
  let next = { ...style };
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at];
    if (code === 0) {
      next = { ...PLAIN };
    } else if (code === 1) {
      next.bold = true;
    } else if (code === 2) {
      next.dim = true;
    } else if (code === 3) {
      next.italic = true;
    } else if (code === 4) {
      next.underline = true;
    } else if (code === 7) {
      next.inverse = true;
    } else if (code === 9) {
      next.strike = true;
    } else if (code === 22) {
      next.bold = next.dim = false;
    } else if (code === 23) {
      next.italic = false;
    } else if (code === 24) {
      next.underline = false;
    } else if (code === 27) {
      next.inverse = false;
    } else if (code === 29) {
      next.strike = false;
    } else if (code === 38 || code === 48) {
      const target = code === 38 ? 'fg' : 'bg';
      if (codes[at + 1] === 5) {
        next[target] = indexed(codes[at + 2] ?? 7);
        at += 2;
      } else if (codes[at + 1] === 2) {
        next[target] = nearest(codes[at + 2] ?? 0, codes[at + 3] ?? 0, codes[at + 4] ?? 0);
        at += 4;
      }
    } else if (code === 39) {
      next.fg = '';
    } else if (code === 49) {
      next.bg = '';
    } else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) {
      next.fg = NAMES[code % 10];
    } else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) {
      next.bg = NAMES[code % 10];
    }
  }
  return next;
}

function classes(style: IStyle): string {
  const names: string[] = [];
  const [fg, bg] = style.inverse ? [style.bg || 'invert', style.fg || 'invert'] : [style.fg, style.bg];
  if (fg) {
    names.push(`hr-ansi-${fg}`);
  }
  if (bg) {
    names.push(`hr-ansi-bg-${bg}`);
  }
  for (const flag of ['bold', 'dim', 'italic', 'underline', 'strike'] as const) {
    if (style[flag]) {
      names.push(`hr-ansi-${flag}`);
    }
  }
  return names.join(' ');
}

/** Split a text into spans of one look each. */
export function spans(text: string): ISpan[] {
  const result: ISpan[] = [];
  let style = PLAIN;
  let from = 0;
  const push = (part: string) => {
    if (part) {
      result.push({ text: clean(part), classes: classes(style) });
    }
  };
  for (const match of text.matchAll(SGR)) {
    push(text.slice(from, match.index));
    const codes = match[1].split(/[;:]/).map(code => (code === '' ? 0 : Number(code)));
    style = apply(style, codes);
    from = match.index + match[0].length;
  }
  push(text.slice(from));
  return result;
}

/** The text alone, without colours: for copying and for titles. */
export function plain(text: string): string {
  return clean(text.replace(SGR, ''));
}
