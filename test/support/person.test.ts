import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { newPerson } from './person.js';

const FORM = `<!doctype html><h1>Sign in</h1>
<p role="alert">That did not match.</p>
<form method="post" action="/take?step=1">
  <input type="hidden" name="csrf" value="a&amp;b">
  <label for="email">Email</label><input id="email" name="email" value="old@example.test">
  <label>Remember <input type="checkbox" name="remember" value="yes" checked></label>
  <label><input type="checkbox" name="allow" value="claim:birthdate"> Your birthday, so that the app can greet you</label>
  <select name="language" aria-label="Language"><option value="en" selected>English<option value="de">Deutsch</select>
  <input name="locked" value="never sent" disabled>
  <button name="way" value="password">Continue</button>
  <button name="way" value="code" formaction="/other">Email me a code</button>
  <button hidden>Sign in with a passkey</button>
</form>`;

let server: Server;
let origin: string;

async function read(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) body += chunk;
  return body;
}

beforeAll(async () => {
  server = createServer(async (request, response) => {
    response.setHeader('Content-Type', 'text/html');
    if (request.url === '/') {
      response.setHeader('Set-Cookie', ['a=1; HttpOnly', 'b=2; Path=/away', '__Host-c=3; Path=/; Secure']);
      return response.end(FORM);
    }
    if (request.url === '/hop') return response.writeHead(303, { Location: '/echo' }).end();
    if (request.url === '/leave') {
      return response.writeHead(302, { Location: 'https://app.example/callback?code=1' }).end();
    }
    const { cookie = '', origin: said = '' } = request.headers;
    const parts = [request.method, request.url, cookie, said, await read(request)];
    return response.end(`<p>${parts.map(part => encodeURIComponent(String(part))).join('|')}</p>`);
  });
  await new Promise<void>(resolve => server.listen(0, 'localhost', resolve));
  origin = `http://localhost:${(server.address() as AddressInfo).port}`;
});

afterAll(() => new Promise(resolve => server.close(resolve)));

const said = (text: string) => text.split('|').map(decodeURIComponent);

test('a form is sent as a browser sends it: hidden fields, ticks, choices and the pressed button', async () => {
  const person = newPerson({ origin });
  await person.goto(origin);
  expect(person.page.heading).toBe('Sign in');
  expect(person.page.alerts).toEqual(['That did not match.']);
  expect(person.page.buttons).toEqual(['Continue', 'Email me a code']);
  person.fill('Email', 'ann@example.test');
  person.untick('Remember');
  person.tick('Your birthday');
  person.fill('Language', 'Deutsch');
  await person.press('Continue');
  expect(said(person.page.text)).toEqual([
    'POST',
    '/take?step=1',
    'a=1; __Host-c=3',
    origin,
    'csrf=a%26b&email=ann%40example.test&allow=claim%3Abirthdate&language=de&way=password',
  ]);
});

test("a button's own address wins over the form's", async () => {
  const person = newPerson({ origin });
  await person.goto(origin);
  await person.press('Email me a code');
  expect(person.page.url.pathname).toBe('/other');
  expect(said(person.page.text).at(-1)).toContain('way=code');
});

test('what is not on the page cannot be filled or pressed, and the message says what is', async () => {
  const person = newPerson({ origin });
  await person.goto(origin);
  expect(() => person.fill('Password', 'x')).toThrow(/no field is called "Password".*"Email"/);
  expect(() => person.press('Sign in with a passkey')).toThrow(/no button is called/);
});

test('redirects are followed, and an app that is not running is arrived at', async () => {
  const person = newPerson({ origin, away: ['https://app.example/'] });
  await person.post(`${origin}/hop`, { a: 'b' });
  expect(said(person.page.text)[0]).toBe('GET');
  await person.goto(`${origin}/leave`);
  expect(person.page.url.href).toBe('https://app.example/callback?code=1');
  expect(person.trail).toHaveLength(2);
});
