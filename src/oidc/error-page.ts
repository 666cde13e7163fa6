import type { KoaContextWithOIDC } from 'oidc-provider';

/** What went wrong with a protocol request, for the person and for the developer beside them. */
export interface ProtocolProblem {
  readonly error: string;
  readonly description: string | undefined;
  readonly clientId: string | undefined;
  /** For a redirect mismatch: the redirect URI that was sent. */
  readonly sent: string | undefined;
  readonly kind: 'redirect' | 'client' | 'expired' | 'generic' | 'internal';
}

/** A form that the engine wants posted back as it is. */
export interface EngineForm {
  readonly action: string;
  readonly xsrf: string;
}

/** Why a device's request does not go on: turned away, too late, or failed. */
export type DeviceStop = 'denied' | 'over' | 'failed';

/** The pages that the engine asks for by itself: of signing out, and of devices. */
export interface EnginePages {
  deviceAllowed(ctx: KoaContextWithOIDC): Promise<void>;
  deviceStopped(ctx: KoaContextWithOIDC, why: DeviceStop, problem: ProtocolProblem): Promise<void>;
  signOut(ctx: KoaContextWithOIDC, form: string): Promise<void>;
  signedOut(ctx: KoaContextWithOIDC): Promise<void>;
}

/** The action and token of the form that the engine hands over as HTML. */
export function engineForm(html: string): EngineForm {
  return {
    action: /action="([^"]+)"/.exec(html)?.[1] ?? '',
    xsrf: /name="xsrf" value="([^"]+)"/.exec(html)?.[1] ?? '',
  };
}

interface EngineError {
  readonly error?: string | undefined;
  readonly error_description?: string | undefined;
}

/** Sorts the engine's error into what a page can help with. */
export function protocolProblem(ctx: KoaContextWithOIDC, out: EngineError): ProtocolProblem {
  const params = ctx.oidc?.params;
  const sent = typeof params?.['redirect_uri'] === 'string' ? params['redirect_uri'] : undefined;
  const clientId = typeof params?.['client_id'] === 'string' ? params['client_id'] : undefined;
  const error = out.error ?? 'server_error';
  const description = out.error_description;
  return { error, description, clientId, sent, kind: kindOf(error, description) };
}

function kindOf(error: string, description: string | undefined): ProtocolProblem['kind'] {
  if (error === 'server_error') return 'internal';
  if (error === 'invalid_redirect_uri' || /redirect_uri.*registered/.test(description ?? ''))
    return 'redirect';
  if (error === 'invalid_client') return 'client';
  if (/session.*(not found|mismatch|expired)|request has expired/i.test(description ?? '')) return 'expired';
  return 'generic';
}
