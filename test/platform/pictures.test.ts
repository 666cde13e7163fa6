import { deflateSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import sharp from 'sharp';
import { makeAnew } from '../../src/platform/pictures.js';

/* The product blocks every reader but four; what is made here needs none. */
const plain = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#336699' } });

const made = async (sent: Buffer): Promise<Buffer> => {
  const answer = await makeAnew(sent);
  if ('problem' in answer) throw new Error(answer.problem);
  return answer.jpeg;
};

/** A PNG that says it is so large, of which almost nothing was written. */
function png(width: number, height: number, ...more: Buffer[]): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([1, 0, 0, 0, 0], 8);
  const rows = deflateSync(Buffer.alloc(Math.min((Math.ceil(width / 8) + 1) * height, 50_000_000)));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    ...more,
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, body: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), body]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc(named));
  return Buffer.concat([length, named, sum]);
}

function crc(bytes: Buffer): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return (sum ^ 0xffffffff) >>> 0;
}

test.each(['jpeg', 'png', 'webp', 'gif'] as const)('a %s becomes a square JPEG of one size', async format => {
  const jpeg = await made(await plain(700, 300).toFormat(format).toBuffer());
  const { format: found, width, height, pages } = await sharp(jpeg).metadata();
  expect([found, width, height, pages ?? 1]).toEqual(['jpeg', 512, 512, 1]);
  expect(jpeg.length).toBeLessThan(524_288);
});

test('where, when and with what it was taken is gone, and the picture stands upright', async () => {
  const sent = await sharp({ create: { width: 40, height: 20, channels: 3, background: '#ff0000' } })
    .withExif({
      IFD0: { Make: 'Spy Camera', Artist: 'Ada Lovelace' },
      IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1' },
    })
    .withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/"><secret/></x:xmpmeta>')
    .jpeg()
    .toBuffer();
  expect(sent.toString('latin1')).toContain('Spy Camera');
  const jpeg = await made(sent);
  const { exif, xmp, iptc, icc, orientation } = await sharp(jpeg).metadata();
  expect([exif, xmp, iptc, icc, orientation]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  for (const word of ['Spy Camera', 'Ada', 'GPS', 'xmpmeta', 'secret']) {
    expect(jpeg.toString('latin1')).not.toContain(word);
  }
});

test('of several frames the first remains', async () => {
  const frames = await sharp(
    [
      { create: { width: 32, height: 32, channels: 3, background: '#ff0000' } },
      { create: { width: 32, height: 32, channels: 3, background: '#0000ff' } },
    ].map(input => input) as never,
    { join: { animated: true } } as never,
  )
    .gif()
    .toBuffer();
  expect((await sharp(frames).metadata()).pages).toBe(2);
  const jpeg = await made(frames);
  const { data } = await sharp(jpeg).raw().toBuffer({ resolveWithObject: true });
  expect([Number(data[0]) > 200, Number(data[2]) < 60]).toEqual([true, true]);
});

test('what can be seen through is white, and never black', async () => {
  const clear = sharp({
    create: { width: 9, height: 9, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
  });
  const { data } = await sharp(await made(await clear.png().toBuffer()))
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([...data.subarray(0, 3)]).toEqual([255, 255, 255]);
});

const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';

test.each<readonly [string, Buffer]>([
  ['nothing', Buffer.alloc(0)],
  ['text', Buffer.from('hello')],
  ['an SVG', Buffer.from(SVG)],
  ['an SVG with a byte order mark', Buffer.from(`\ufeff<?xml version="1.0"?>${SVG}`)],
  ['a page', Buffer.from('<!doctype html><script>alert(1)</script>')],
  ['a PDF', Buffer.from('%PDF-1.7\n1 0 obj\n')],
  ['a TIFF', Buffer.from('II*\0\x08\0\0\0', 'latin1')],
  ['a HEIF', Buffer.from('\0\0\0\x18ftypheic\0\0\0\0', 'latin1')],
  ['a program for ImageMagick', Buffer.from('push graphic-context\nviewbox 0 0 1 1\n')],
  [
    'the beginning of a JPEG and then a page',
    Buffer.from('\xff\xd8\xff\xe0<script>alert(1)</script>', 'latin1'),
  ],
  ['the beginning of a PNG and then an SVG', Buffer.from(`\x89PNG\r\n\x1a\n${SVG}`, 'latin1')],
  ['the beginning of a GIF and nothing more', Buffer.from('GIF89a', 'latin1')],
  ['the beginning of a WebP and nothing more', Buffer.from('RIFF\x10\0\0\0WEBPVP8 ', 'latin1')],
])('%s is no picture', async (_what, sent) => {
  expect(await makeAnew(sent)).toEqual({ problem: 'unreadable' });
});

test('a picture that was cut off is refused, and one that is also something else is only a picture afterwards', async () => {
  const whole = await plain(64, 64).jpeg().toBuffer();
  expect(await makeAnew(whole.subarray(0, Math.floor(whole.length / 2)))).toEqual({ problem: 'unreadable' });
  const both = Buffer.concat([
    whole,
    Buffer.from('<script>alert(1)</script>PK\x03\x04<?php phpinfo();', 'latin1'),
  ]);
  const jpeg = await made(both);
  expect(jpeg.toString('latin1')).not.toMatch(/script|php/);
  const comment = Buffer.from('\xff\xfe\x00\x1b<script>alert(1)</script>', 'latin1');
  const within = Buffer.concat([whole.subarray(0, 2), comment, whole.subarray(2)]);
  expect((await made(within)).toString('latin1')).not.toContain('script');
  const text = chunk('tEXt', Buffer.from('Comment\0<script>alert(1)</script>', 'latin1'));
  expect((await made(png(64, 64, text))).toString('latin1')).not.toContain('script');
});

test('a small file that unpacks to very many points is turned away before it is unpacked', async () => {
  const bomb = png(20_000, 20_000);
  expect(bomb.length).toBeLessThan(200_000);
  const before = process.memoryUsage().rss;
  expect(await makeAnew(bomb)).toEqual({ problem: 'too_wide' });
  expect(await makeAnew(png(60_000, 4_000))).toEqual({ problem: 'too_wide' });
  expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000);
  const lying = png(4_000_000_000, 4_000_000_000 % 65_536);
  expect(await makeAnew(lying)).toHaveProperty('problem');
});

test('a few are made at a time, the next wait, and more than that are asked to come back', async () => {
  const sent = await plain(3_000, 3_000).png().toBuffer();
  const answers = await Promise.allSettled(Array.from({ length: 14 }, () => makeAnew(sent)));
  const refused = answers.filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(4);
  for (const { reason } of refused as PromiseRejectedResult[]) expect(reason).toMatchObject({ kind: 'busy' });
  expect(await makeAnew(sent)).toHaveProperty('jpeg');
});

test('the event loop goes on meanwhile', async () => {
  const sent = await plain(3_900, 3_900).png().toBuffer();
  let turns = 0;
  const counting = setInterval(() => {
    turns += 1;
  }, 1);
  await makeAnew(sent);
  clearInterval(counting);
  expect(turns).toBeGreaterThan(5);
});
