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

/** Reads the metadata anew and keeps it; says what changed. Whoever it was about before it must be about again. */
export async function readAgain(
  upstream: Upstream,
  settings: SamlSettings,
  now: Date,
): Promise<{ readonly theirs: TheirMetadata; readonly changed: boolean }> {
  const { provider, db, allowPrivateNetwork: allowHttp } = upstream;
  const kept = await store.findMetadata(db, provider.id);
  const source = sourceOf(settings);
  const before = kept?.source.equals(source) ? kept : undefined;
  const entityId = settings.entity_id ?? before?.entityId;
  const theirs = await readTheirMetadata(await fetched(upstream, settings), {
    allowHttp,
    now,
    ...(settings.metadata_certificate !== undefined && { signedBy: settings.metadata_certificate }),
    ...(entityId !== undefined && { entityId }),
  });
  await store.putMetadata(db, {
    providerId: provider.id,
    source,
    entityId: theirs.entityId,
    said: theirs,
    readAt: now,
    validUntil: theirs.validUntil,
    refreshAt:
      settings.metadata_url === undefined ? undefined : new Date(now.getTime() + REFRESH_HOURS * HOUR),
  });
  const changed = before !== undefined && JSON.stringify(presented(before.said)) !== JSON.stringify(theirs);
  return { theirs, changed };
}

async function fetched({ fetch }: Upstream, { metadata_url, metadata_xml }: SamlSettings): Promise<string> {
  if (metadata_url === undefined) return metadata_xml ?? '';
  const response = await fetch(metadata_url, { maxBytes: LONGEST_METADATA });
  if (response.status !== 200) throw new UpstreamTrouble('unreachable', 'metadata');
  return response.text();
}
