/** Addresses in text that may be followed: http, https and mailto, nothing else (reliability.md S-33). */

const ADDRESS = /\b(?:https?:\/\/|mailto:)[^\s<>"'`\u0000-\u001f]+/gi;
const ALLOWED = ['http:', 'https:', 'mailto:'];

/** The address if it may be a link, else null. */
export function safeUrl(text: string): string | null {
  try {
    const url = new URL(text);
    return ALLOWED.includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** The address if it may be shown as a picture: of the web, or the picture itself; no SVG as data, for it may be a page. */
export function safePicture(text: string): string | null {
  if (/^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*$/.test(text)) {
    return text;
  }
  const url = safeUrl(text);
  return url && !url.startsWith('mailto:') ? url : null;
}

/** A cell's prompt in a traceback: `In[3]`, `In [3]`. */
const PROMPT = /\bIn ?\[(\d+)\]/g;

/** Split a text where tracebacks name cells by their prompt. */
export function prompts(text: string): { text: string; prompt: number | null }[] {
  const result: { text: string; prompt: number | null }[] = [];
  let from = 0;
  for (const match of text.matchAll(PROMPT)) {
    if (match.index > from) {
      result.push({ text: text.slice(from, match.index), prompt: null });
    }
    result.push({ text: match[0], prompt: Number(match[1]) });
    from = match.index + match[0].length;
  }
  if (from < text.length) {
    result.push({ text: text.slice(from), prompt: null });
  }
  return result;
}

/**
 * The file that a kernel gives a cell's own code in a traceback of this cell, null if there is none: the file of its
 * outermost frame outside of libraries, which is the cell's top level.
 */
export function cellFile(traceback: string): string | null {
  return /File "([^"]*ipykernel_[^"]*\.py|<ipython-input-[^"]*>)", line \d+, in <module>/.exec(traceback)?.[1] ?? null;
}

export interface IPiece {
  text: string;
  url: string | null;
}

/** Split a text into plain pieces and links. */
export function pieces(text: string): IPiece[] {
  const result: IPiece[] = [];
  let from = 0;
  for (const match of text.matchAll(ADDRESS)) {
    // A full stop or bracket after an address belongs to the sentence.
    const address = match[0].replace(/[).,;:!?\]]+$/, '');
    const url = safeUrl(address);
    if (!url) {
      continue;
    }
    if (match.index > from) {
      result.push({ text: text.slice(from, match.index), url: null });
    }
    result.push({ text: address, url });
    from = match.index + address.length;
  }
  if (from < text.length) {
    result.push({ text: text.slice(from), url: null });
  }
  return result;
}
