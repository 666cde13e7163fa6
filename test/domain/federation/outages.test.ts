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

/** Waits for answers as long as any, and rests a provider for ever. */
let room: FederationRoom;
/** Does not wait long. */
let hasty: FederationRoom;
/** Asks again soon. */
let soon: FederationRoom;
let upstream: TestUpstream;
let front: Front;
let count = 0;

beforeAll(async () => {
  upstream = await openUpstream();
  front = await openFront(upstream.server.address().port);
  upstream.server.issuer.url = front.origin;
  const failures = 5;
  room = await openFederationRoom({ breaker: { failures, probeAfter: 1e9 } });
  hasty = await openFederationRoom({ timeout: 150 });
  soon = await openFederationRoom({ breaker: { failures, probeAfter: 50 } });
  upstream.says({ sub: 'ada' });
});

afterAll(async () => {
  await Promise.all([room?.close(), hasty?.close(), soon?.close()]);
  await front?.close();
  await upstream?.close();
});

/** A provider that this process knows nothing of yet. */
async function fresh(issuer = front.origin, where = room): Promise<string> {
  const id = `p${++count}`;
  await where.declare(id, issuer);
  /* What is noticed later would begin its count anew. */
  await until(async () => (await where.federation.offered()).some(each => each.id === id));
  return id;
}

const trouble = (id: string, where = room) => where.trip(id).catch((error: unknown) => error);
const resting = async (where = room) =>
  (await where.federation.offered()).filter(each => each.resting).map(({ id }) => id);
const UNREACHABLE = { name: 'UpstreamTrouble', kind: 'unreachable' };

const HOWS: readonly Failing[] = ['down', 'error', 'silent', 'endless', 'no json'];
const PARTS = ['openid-configuration', '/token', '/jwks', '/userinfo'];

test.each(HOWS.flatMap(how => PARTS.map(part => ({ how, part }))))(
  'C52: $part that is $how lets nobody in, and says so (R16)',
  async ({ how, part }) => {
    const where = how === 'silent' ? hasty : room;
    const id = await fresh(front.origin, where);
    front.fail(how, part);
    const answer = await trouble(id, where);
    front.fail('not');
    const broken = how === 'no json' && part !== 'openid-configuration';
    expect(answer).toMatchObject(broken ? { name: 'UpstreamTrouble' } : UNREACHABLE);
    if (where === room) expect((await room.trip(id))?.identity.subject).toBe('ada');
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

test('R16: after five outages in a row a provider rests, and no other', async () => {
  const [ill, well] = [await fresh(), await fresh()];
  front.fail('error', 'openid-configuration');
  for (let time = 0; time < 4; time++) await trouble(ill);
  expect(await resting()).toEqual([]);
  await trouble(ill);
  expect(await resting()).toEqual([ill]);
  front.fail('not');
  expect(await trouble(ill)).toMatchObject({ ...UNREACHABLE, reason: 'resting' });
  expect((await room.trip(well))?.identity.subject).toBe('ada');
});

test('R16: after a while one may try, and the first who gets through ends the rest', async () => {
  const id = await fresh(front.origin, soon);
  front.fail('error', 'openid-configuration');
  for (let time = 0; time < 5; time++) await trouble(id, soon);
  await until(async () => (await resting(soon)).length === 0);
  expect(await trouble(id, soon)).toMatchObject({ kind: 'unreachable', reason: 'server_error' });
  front.fail('not');
  await until(async () => (await resting(soon)).length === 0);
  expect((await soon.trip(id))?.identity.subject).toBe('ada');
  front.fail('error', '/token');
  for (let time = 0; time < 4; time++)
    expect(await trouble(id, soon)).toMatchObject({ reason: 'server_error' });
  front.fail('not');
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
  expect(await resting()).not.toContain(id);
  expect((await room.trip(id))?.identity.subject).toBe('ada');
});

test('a provider that its operator changed is asked again at once', async () => {
  const id = await fresh('http://localhost:1');
  for (let time = 0; time < 5; time++) await trouble(id);
  expect(await resting()).toContain(id);
  await room.declare(id, front.origin);
  await until(async () => !(await resting()).includes(id));
  expect((await room.trip(id))?.identity.subject).toBe('ada');
});
