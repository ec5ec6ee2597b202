/**
 * Outputs load nothing from elsewhere: whoever wrote them would learn when, and from where, they are looked at
 * (reliability.md S-32). Pictures of other hosts are links instead; files beside the notebook stay pictures.
 */
import type { IRenderMime } from '@jupyterlab/rendermime';

function isElsewhere(address: string): boolean {
  try {
    const url = new URL(address, window.location.href);
    return !['data:', 'blob:'].includes(url.protocol) && url.origin !== window.location.origin;
  } catch {
    return true;
  }
}

function withoutElsewhere(html: string): string {
  // A document of its own: nothing of it is loaded or run.
  const page = new DOMParser().parseFromString(html, 'text/html');
  page.querySelectorAll('[srcset], [poster]').forEach(node => {
    node.removeAttribute('srcset');
    node.removeAttribute('poster');
  });
  // Lab lets buttons of outputs carry commands (CommandLinker).
  page.querySelectorAll('[data-commandlinker-command]').forEach(node => {
    node.removeAttribute('data-commandlinker-command');
    node.removeAttribute('data-commandlinker-args');
  });
  page.querySelectorAll('[style*="url" i]').forEach(node => node.removeAttribute('style'));
  page.querySelectorAll('style').forEach(node => node.remove());
  page.querySelectorAll('[src]').forEach(node => {
    const address = node.getAttribute('src') ?? '';
    if (isElsewhere(address)) {
      const link = page.createElement('a');
      link.href = address;
      link.rel = 'noopener noreferrer';
      link.target = '_blank';
      link.textContent = node.getAttribute('alt') || address;
      node.replaceWith(link);
    }
  });
  // eslint-disable-next-line no-restricted-properties -- it is read, and Lab's sanitizer has the last word.
  return page.body.innerHTML;
}

/** Nothing from elsewhere, then Lab's sanitizer. */
export function nearby(sanitizer: IRenderMime.ISanitizer): IRenderMime.ISanitizer {
  return {
    allowCommandLinker: false,
    allowNamedProperties: sanitizer.allowNamedProperties,
    getAutolink: () => sanitizer.getAutolink?.() ?? false,
    sanitize: (dirty, options) => sanitizer.sanitize(withoutElsewhere(dirty), options)
  };
}
