import { expect, test } from '@jest/globals';
import { signed, signedPartOf } from '../../src/saml/signing.js';
import { readXml, xml } from '../../src/saml/xml.js';
import { newPair } from '../support/service-provider.js';

test('whatever stands in a value stays a value, and is read as it was written', () => {
  for (const value of [
    '"><script>alert(1)</script>',
    ']]><!-- & -->&amp;&#0;',
    `'"\` ${'{ID}'} $& $1`,
    'tab\tline\nreturn\r',
    'ü 🔑 \u2028 \u00a0 العربية',
  ]) {
    const { attributes, children, name } = readXml(xml`<a b="${value}"><c>${value}</c></a>`.xml);
    const read = value.replace(/\r\n?|\u0085|\u2028/g, '\n');
    expect([name, attributes['b'], children[0]?.text]).toEqual(['a', read, read.trim()]);
  }
  expect(readXml(xml`<a b="${'nul\0 and half a pair \ud800'}"/>`.xml).attributes['b']).toBe(
    'nul\ufffd and half a pair \ufffd',
  );
});

test('what was signed is what others read, whatever stands in it', async () => {
  const { privateKey, certificate: pem } = await newPair();
  const certificate = pem.replace(/-----[^-]+-----|\s/g, '');
  for (const value of ['a\rb\r\nc\u2028d\u0085e', '\t\n "<&>\' ', 'ü 🔑 \u0000 \ud800', ']]>']) {
    const message = xml`<a ID="_1" b="${value}"><Issuer>${value}</Issuer><c> ${value} </c></a>`;
    const { xml: text } = signed(message, { privateKey, certificate });
    const sent = readXml(text);
    const read = signedPartOf(text, [certificate]);
    expect([read.attributes['b'], read.children.at(-1)?.text]).toEqual([
      sent.attributes['b'],
      sent.children.at(-1)?.text,
    ]);
  }
});

test('what stands in no value is refused before it is parsed', () => {
  for (const text of [
    '<!DOCTYPE a><a/>',
    '<a><![CDATA[x]]></a>',
    '<a><?php x?></a>',
    '<a><!-- x --></a>',
    '<a',
    '<a/><b/>',
    '',
  ])
    expect([text, codeOf(text)]).toEqual([text, 'saml_unreadable']);
  expect(codeOf(`<a>${'x'.repeat(70_000)}</a>`)).toBe('saml_unreadable');
  expect(codeOf(`<a>${'<b/>'.repeat(1_000)}</a>`)).toBe('saml_unreadable');
});

function codeOf(text: string): unknown {
  try {
    return readXml(text);
  } catch (error) {
    return (error as { code?: string }).code;
  }
}
