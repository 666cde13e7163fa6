import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  type Failing,
  type FederationRoom,
  type Front,
  openFederationRoom,
  openFront,
} from '../../support/federation-room.js';
import { until } from '../../support/jobs.js';
import { openUpstream, type TestUpstream } from '../../support/upstream.js';

// R16: a provider that is down, slow, huge or broken is an outage, soon over for whoever waits, and nobody else's.

let room: FederationRoom;
let upstream: TestUpstream;
let front: Front;
let count = 0;

beforeAll(async () => {
  upstream = await openUpstream();
  front = await openFront(upstream.server.address().port);
  upstream.server.issuer.url = front.origin;
  room = await openFederationRoom({ timeout: 150, breaker: { failures: 5, probeAfter: 200 } });
  upstream.says({ sub: 'ada' });
});

afterAll(async () => {
  await room?.close();
  await front?.close();
  await upstream?.close();
});

/** A provider that this process knows nothing of yet. */
async function fresh(issuer = front.origin): Promise<string> {
  const id = `p${++count}`;
  await room.declare(id, issuer);
  /* What is noticed later would begin its count anew. */
  await until(async () => (await room.federation.offered()).some(each => each.id === id));
  return id;
}

const trouble = (id: string) => room.trip(id).catch((error: unknown) => error);
const resting = async () =>
  (await room.federation.offered()).filter(each => each.resting).map(({ id }) => id);
const UNREACHABLE = { name: 'UpstreamTrouble', kind: 'unreachable' };

const HOWS: readonly Failing[] = ['down', 'error', 'silent', 'endless', 'no json'];
const PARTS = ['openid-configuration', '/token', '/jwks', '/userinfo'];

test.each(HOWS.flatMap(how => PARTS.map(part => ({ how, part }))))(
  'C52: $part that is $how lets nobody in, and says so (R16)',
  async ({ how, part }) => {
    const id = await fresh();
    front.fail(how, part);
    const answer = await trouble(id);
    front.fail('not');
    const broken = how === 'no json' && part !== 'openid-configuration';
    expect(answer).toMatchObject(broken ? { name: 'UpstreamTrouble' } : UNREACHABLE);
    expect((await room.trip(id))?.identity.subject).toBe('ada');
  },
);

test('R16: a name that leads nowhere, and a port where nobody listens', async () => {
  expect(await trouble(await fresh('http://nowhere.invalid'))).toMatchObject(UNREACHABLE);
  expect(await trouble(await fresh('http://localhost:1'))).toMatchObject(UNREACHABLE);
});

test('a discovery document of another issuer is none', async () => {
  const liar = await fresh(`http://localhost:${upstream.server.address().port}`);
  expect(await trouble(liar)).toMatchObject(UNREACHABLE);
});

test('a provider that was known once goes on with what is known while its discovery document cannot be had', async () => {
  const id = await fresh();
  await room.trip(id);
  front.fail('error', 'openid-configuration');
  expect((await room.trip(id))?.identity.subject).toBe('ada');
  front.fail('not');
});

test('R16: after five outages in a row a provider rests, alone, and the first who gets through ends that', async () => {
  const [ill, well] = [await fresh(), await fresh()];
  front.fail('error', 'openid-configuration');
  for (let time = 0; time < 4; time++) await trouble(ill);
  expect(await resting()).toEqual([]);
  await trouble(ill);
  expect(await resting()).toEqual([ill]);
  expect(await trouble(ill)).toMatchObject({ ...UNREACHABLE, reason: 'resting' });
  front.fail('not');
  expect((await room.trip(well))?.identity.subject).toBe('ada');
  await until(async () => (await resting()).length === 0);
  expect((await room.trip(ill))?.identity.subject).toBe('ada');
  expect(await resting()).toEqual([]);
});

test('a probe that fails lets it rest again', async () => {
  const id = await fresh();
  front.fail('error', 'openid-configuration');
  for (let time = 0; time < 5; time++) await trouble(id);
  await until(async () => (await resting()).length === 0);
  expect(await trouble(id)).toMatchObject({ kind: 'unreachable', reason: 'server_error' });
  expect(await resting()).toEqual([id]);
  front.fail('not');
  await until(async () => (await resting()).length === 0);
});

test('what a provider answers in time is no outage, whatever it says', async () => {
  const id = await fresh();
  for (let time = 0; time < 6; time++) {
    await room
      .trip(id, {
        change: answer => {
          answer['code'] = 'made-up';
        },
      })
      .catch(() => undefined);
  }
  expect(await resting()).toEqual([]);
  expect((await room.trip(id))?.identity.subject).toBe('ada');
});

test('a provider that its operator changed is asked again at once', async () => {
  const id = await fresh('http://localhost:1');
  for (let time = 0; time < 5; time++) await trouble(id);
  expect(await resting()).toEqual([id]);
  await room.declare(id, front.origin);
  await until(async () => (await resting()).length === 0);
  expect((await room.trip(id))?.identity.subject).toBe('ada');
});
