import { isDeepStrictEqual } from 'node:util';
import { digest } from '../../../platform/crypto/tokens.js';
import { type Upstream, UpstreamTrouble } from '../upstream.js';
import type { SamlSettings } from './settings.js';
import * as store from './store.js';
import { LONGEST_METADATA, readTheirMetadata, type TheirMetadata } from './their-metadata.js';

const HOUR = 3_600_000;
/** Metadata that is fetched is fetched again so often: a company that changes its key tells the next one long before. */
export const REFRESH_HOURS = 6;

/** Where metadata comes from and how it is trusted, as one: what was read under other settings counts no more. */
function sourceOf({ metadata_url, metadata_xml, metadata_certificate, entity_id }: SamlSettings): Buffer {
  return digest(JSON.stringify([metadata_url, metadata_xml, metadata_certificate, entity_id]));
}

interface Said extends Omit<TheirMetadata, 'validUntil'> {
  readonly validUntil?: string;
}

const presented = (said: object): TheirMetadata => {
  const { validUntil, ...rest } = said as Said;
  return { ...rest, ...(validUntil !== undefined && { validUntil: new Date(validUntil) }) };
};

/** What a provider says about itself: as it was read last, or read now when nothing stands. */
export async function theirMetadata(
  upstream: Upstream,
  settings: SamlSettings,
  now: Date,
): Promise<TheirMetadata> {
  const kept = await store.findMetadata(upstream.db, upstream.provider.id);
  const stands = kept?.source.equals(sourceOf(settings)) && (kept.validUntil ?? now) >= now;
  return kept && stands ? presented(kept.said) : (await readAgain(upstream, settings, now)).theirs;
}

/** Reads the metadata anew and keeps it; says what it says and whether that is different. */
export async function readAgain(
  upstream: Upstream,
  settings: SamlSettings,
  now: Date,
): Promise<{ readonly theirs: TheirMetadata; readonly changed: boolean }> {
  const { provider, db } = upstream;
  const { theirs, before } = await lookAtMetadata(upstream, settings, now);
  await store.putMetadata(db, {
    providerId: provider.id,
    source: sourceOf(settings),
    entityId: theirs.entityId,
    said: theirs,
    readAt: now,
    validUntil: theirs.validUntil,
    refreshAt:
      settings.metadata_url === undefined ? undefined : new Date(now.getTime() + REFRESH_HOURS * HOUR),
  });
  const changed = before !== undefined && !isDeepStrictEqual(presented(before.said), theirs);
  return { theirs, changed };
}

/**
 * Reads the metadata and keeps nothing. Whoever it was about first it must be about again, from wherever it comes, unless an
 * operator names another: the names of another company are other people's.
 */
export async function lookAtMetadata(
  { provider, db, fetch, allowPrivateNetwork: allowHttp }: Upstream,
  settings: SamlSettings,
  now: Date,
): Promise<{ readonly theirs: TheirMetadata; readonly before: store.KeptMetadata | undefined }> {
  const before = await store.findMetadata(db, provider.id);
  const { entity_id: named = before?.entityId, metadata_certificate: signedBy } = settings;
  const theirs = await readTheirMetadata(await fetched(fetch, settings), {
    allowHttp,
    now,
    ...(signedBy !== undefined && { signedBy }),
    ...(named !== undefined && { entityId: named }),
  });
  return { theirs, before };
}

async function fetched(
  fetch: Upstream['fetch'],
  { metadata_url, metadata_xml }: SamlSettings,
): Promise<string> {
  if (metadata_url === undefined) return metadata_xml ?? '';
  const response = await fetch(metadata_url, { maxBytes: LONGEST_METADATA });
  if (response.status !== 200) throw new UpstreamTrouble('unreachable', 'metadata');
  return response.text();
}
