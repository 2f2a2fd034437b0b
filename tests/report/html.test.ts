import { describe, expect, it } from 'vitest';
import { escapeHtml, html, htmlText, page } from '../../pipeline/report/html.ts';
import { hostile } from './run-folders.ts';

describe('templates of markup', () => {
  it('escapes text in elements and in quoted attributes', () => {
    expect(htmlText(html`<p title="${hostile}">${hostile}</p>`)).not.toMatch(
      /<script|<img|" onerror|=x onerror="/,
    );
    expect(escapeHtml(`<>&"'`)).toBe('&lt;&gt;&amp;&quot;&#39;');
  });

  it('leaves markup as it is, also in lists, and escapes it only once', () => {
    const items = ['a<b', 'c'].map((text) => html`<li>${text}</li>`);
    expect(htmlText(html`<ul>${items}</ul>`)).toBe('<ul><li>a&lt;b</li><li>c</li></ul>');
  });

  it('leaves nothing for null, undefined and false, but writes 0', () => {
    expect(htmlText(html`[${null}${undefined}${false}${0}]`)).toBe('[0]');
  });

  it('replaces control characters and lone surrogates, but keeps line ends', () => {
    expect(escapeHtml('a\u0000b\ud800c\u001b[1m\n')).toBe('a\uFFFDb\uFFFDc\uFFFD[1m\n');
  });
});

describe('a page', () => {
  const head = { title: 'T <i>', verdict: 'V & V', sound: false, facts: [{ name: 'Kept', value: '<1' }] };
  const text = page(head, [{ id: 'one', title: 'First', body: html`<p>body</p>` }]);

  it('forbids scripts and everything fetched', () => {
    expect(text).toContain(
      `http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; img-src data:; style-src &#39;unsafe-inline&#39;"`,
    );
    expect(text).not.toMatch(/<script/i);
  });

  it('escapes its head and leads to its sections', () => {
    expect(text).toContain('<h1>T &lt;i&gt;</h1>');
    expect(text).toContain('V &amp; V');
    expect(text).toContain('<dd>&lt;1</dd>');
    expect(text).toContain('<a href="#one">First</a>');
    expect(text).toContain('<section id="one"');
  });

  it('marks a verdict that is not sound', () => {
    expect(text).toContain('class="verdict unsound"');
    expect(page({ ...head, sound: true }, [])).toContain('class="verdict sound"');
  });
});
