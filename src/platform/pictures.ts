import sharp from 'sharp';
import { Refusal } from './errors.js';

/** So large a file may be, in megabytes. */
export const PICTURE_MEGABYTES = 8;
/** The side of the square that every picture becomes. */
const SIDE = 512;
/* A camera's JPEG is shrunk while it is read; of the others every point is in memory at once. */
const MOST_POINTS = { jpeg: 60_000_000, png: 16_000_000, webp: 16_000_000, gif: 16_000_000 } as const;
const AT_ONCE = 2;
const MOST_WAITING = 8;
const SECONDS = 10;

/* Nothing but the four readers that are needed, whatever a file says it is: no SVG, no PDF, no raw camera format. */
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: [
    'VipsForeignLoadJpegBuffer',
    'VipsForeignLoadPngBuffer',
    'VipsForeignLoadWebpBuffer',
    'VipsForeignLoadNsgifBuffer',
  ],
});
sharp.cache(false);
sharp.concurrency(1);

type Format = keyof typeof MOST_POINTS;

const STARTS: readonly (readonly [format: Format, start: RegExp])[] = [
  ['jpeg', /^\xff\xd8\xff/],
  ['png', /^\x89PNG\r\n/],
  ['gif', /^GIF8[79]a/],
  ['webp', /^RIFF[\s\S]{4}WEBP/],
];

/** A picture made anew, or why there is none. */
export type MadeAnew = { readonly jpeg: Buffer } | { readonly problem: 'unreadable' | 'too_wide' };

let working = 0;
const waiting: (() => void)[] = [];

/**
 * Makes a square JPEG out of a picture that somebody sent: of what was sent only the points of its first frame remain, and
 * nothing that was written beside them. Runs outside of the event loop, and only so many at once.
 */
export async function makeAnew(sent: Buffer): Promise<MadeAnew> {
  const format = STARTS.find(([, start]) => start.test(sent.toString('latin1', 0, 16)))?.[0];
  if (!format) return { problem: 'unreadable' };
  if (waiting.length >= MOST_WAITING)
    throw new Refusal('busy', 'busy', 'Many pictures are on their way.', { retryAfter: 5 });
  if (working >= AT_ONCE) await new Promise<void>(resolve => waiting.push(resolve));
  else working += 1;
  try {
    return await squared(sent, format);
  } finally {
    const next = waiting.shift();
    if (next) next();
    else working -= 1;
  }
}

async function squared(sent: Buffer, format: Format): Promise<MadeAnew> {
  try {
    const limits = {
      limitInputPixels: MOST_POINTS[format],
      failOn: 'error',
      pages: 1,
      sequentialRead: true,
    } as const;
    const {
      width,
      height,
      format: found,
    } = await sharp(sent, { ...limits, limitInputPixels: false }).metadata();
    if (found !== format) return { problem: 'unreadable' };
    if (width * height > MOST_POINTS[format]) return { problem: 'too_wide' };
    const jpeg = await sharp(sent, limits)
      .autoOrient()
      .resize(SIDE, SIDE, { fit: 'cover' })
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .jpeg({ quality: 82 })
      .timeout({ seconds: SECONDS })
      .toBuffer();
    return { jpeg };
  } catch {
    return { problem: 'unreadable' };
  }
}
