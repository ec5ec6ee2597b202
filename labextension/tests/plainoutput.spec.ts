/** What code displayed is drawn without rights: no script, no handler, nothing fetched (reliability.md S-30, S-32). */
import { beforeEach, describe, expect, it } from 'vitest';
import { renderPlain } from '../src/view/plainoutput';
import type { NotebookOutput } from '../src/wire/words';

const PAYLOADS = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<svg onload=alert(1)><script>alert(1)</script></svg>',
  '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
  '<iframe srcdoc="<script>parent.alert(1)</script>"></iframe>',
  '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>',
  '<form id=body name=cookie><input name=attributes></form>',
  '<a href="javascript:alert(1)">x</a>',
  '<meta http-equiv="refresh" content="0;url=http://evil.example">',
  '<base href="http://evil.example/">',
  '"><script>alert(1)</script>',
  "</iframe><script>alert(1)</script><iframe sandbox='allow-scripts'>",
  '{{constructor.constructor("alert(1)")()}}',
  '<button data-commandlinker-command="headrace:run-with-parameters">x</button>',
  '\u001b]0;owned\u0007'
];
const TYPES = ['text/html', 'image/svg+xml', 'text/plain', 'text/markdown', 'application/x-unknown', 'image/png'];

describe('an output without Lab', () => {
  let element: HTMLElement;
  beforeEach(() => {
    element = document.createElement('div');
    document.body.replaceChildren(element);
  });

  const cases = TYPES.flatMap(type => PAYLOADS.map((payload, at) => [type, at, payload] as const));
  it.each(cases)('shows %s, payload %i, without rights', (type, _, payload) => {
    renderPlain({ output_type: 'display_data', data: { [type]: payload }, metadata: {} } as NotebookOutput, element);
    expect(element.childElementCount).toBe(1);
    const shown = element.firstElementChild as HTMLElement;
    expect(shown.childElementCount).toBe(0);
    expect(['PRE', 'IMG', 'IFRAME']).toContain(shown.tagName);
    for (const { name, value } of [...shown.attributes]) {
      expect(name.startsWith('on')).toBe(false);
      if (name === 'src') {
        expect(value.startsWith('data:')).toBe(true);
      }
    }
    if (shown.tagName === 'IFRAME') {
      expect(shown.getAttribute('sandbox')).toBe('');
      const page = decodeURIComponent((shown.getAttribute('src') as string).split(',').slice(1).join(','));
      // The policy comes before whatever the output says.
      expect(page.indexOf('Content-Security-Policy')).toBeLessThan(page.indexOf(payload));
      expect(page).toContain("default-src 'none'");
    }
    if (shown.tagName === 'PRE') {
      expect(/[\u0000-\u0008\u000b-\u001f]/.test(shown.textContent ?? '')).toBe(false);
    }
    expect(document.querySelectorAll('script, form, a, base, meta, button')).toHaveLength(0);
  });
});
