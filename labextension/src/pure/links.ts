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
