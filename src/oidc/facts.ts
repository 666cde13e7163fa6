import type Provider from 'oidc-provider';

/** What this floor says happened. */
export const PROTOCOL_FACTS = [
  'session.authenticated',
  'session.ended',
  'app.entered',
  'grant.reuse_detected',
  'device.allowed',
  'device.denied',
  'logout.undelivered',
  'signing_key.published',
  'signing_key.activated',
  'signing_key.retired',
  'signing_key.reset',
] as const;

/** Where refused protocol requests are noted. */
export interface ProtocolLog {
  info(about: object, message: string): void;
  error(about: object, message: string): void;
}

const REFUSALS = [
  'authorization.error',
  'grant.error',
  'userinfo.error',
  'introspection.error',
  'access_evaluation.error',
  'revocation.error',
  'end_session.error',
  'pushed_authorization_request.error',
  'device_authorization.error',
  'device_resume.error',
] as const;

interface EngineFailure {
  readonly error?: string;
  readonly error_description?: string;
  readonly error_detail?: string;
}

interface EngineContext {
  readonly oidc?: { readonly client?: { readonly clientId?: string } };
}

/** Notes why the engine turned requests down: the detail that apps are not told. */
export function noteRefusals(provider: Provider, log: ProtocolLog): void {
  for (const event of REFUSALS) {
    provider.on(event as 'grant.error', (ctx: unknown, failure: unknown) => {
      const { error, error_description, error_detail } = failure as EngineFailure;
      const client = (ctx as EngineContext).oidc?.client?.clientId;
      log.info(
        { event, client, error, description: error_description, detail: error_detail },
        'request refused',
      );
    });
  }
  /* Else Koa would write to the console: what is left to it are requests that break off, and bytes that are no HTTP. */
  provider.on(
    'error' as never,
    ((error: unknown) => log.info({ err: error }, 'request broken off')) as never,
  );
  provider.on('server_error', (_ctx: unknown, error: unknown) =>
    log.error({ err: error }, 'protocol request failed'),
  );
}
