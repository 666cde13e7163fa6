import type Koa from 'koa';
import type { NoteReplay } from '../domain/protection/protection.js';
import { visitOf } from '../platform/web/surface.js';
import type { Payload } from './artefacts.js';
import { pushedId } from './pushed-requests.js';
import type { RequestScope } from './request-scope.js';

interface EngineContext {
  readonly oidc?: {
    readonly route?: string;
    readonly client?: { readonly clientId: string };
    readonly params?: Readonly<Record<string, unknown>>;
    readonly entities?: { readonly Interaction?: Payload };
  };
}

/** Puts on record that something that is used once came again. */
export async function noteRefusedReplay(
  ctx: Koa.Context,
  scope: RequestScope,
  note: NoteReplay,
  kind: string,
): Promise<void> {
  const clientId = (ctx as unknown as EngineContext).oidc?.client?.clientId;
  const fact = await note({ kind, clientId, address: visitOf(ctx).address });
  const actor =
    clientId === undefined ? { kind: 'person' as const } : { kind: 'client' as const, id: clientId };
  if (fact) scope.record(fact, actor);
}

const KIND = 'PushedAuthorizationRequest';

/** Notes a pushed request that the engine found used when it was about to issue a code (RFC 9126 §7.3). */
export async function notePushedAgain(
  ctx: Koa.Context,
  scope: RequestScope,
  note: NoteReplay,
): Promise<void> {
  const { route, params, entities } = (ctx as unknown as EngineContext).oidc ?? {};
  if (ctx.status !== 400 || (route !== 'authorization' && route !== 'resume')) return;
  const id = pushedId(params?.['request_uri']) ?? entities?.Interaction?.['parJti'];
  /* It was read along the way: no trip. */
  const pushed = typeof id === 'string' ? await scope.find(KIND, id) : undefined;
  if (pushed?.['consumed'] !== undefined) await noteRefusedReplay(ctx, scope, note, KIND);
}
