import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import Router from '@koa/router';
import type { Config } from './config.js';
import { endAudit } from './domain/audit/audit.js';
import { openClientCache } from './domain/clients/clients.js';
import { openPasswordHasher, relyingPartyOf } from './domain/credentials/credentials.js';
import { openFederation } from './domain/federation/federation.js';
import { openSchema } from './domain/profiles/profiles.js';
import { openProtection, openReplayNotes } from './domain/protection/protection.js';
import { openResourceCache } from './domain/resources/resources.js';
import { countDevices } from './journeys/device-grant/asking.js';
import { devicePages } from './journeys/device-grant/outcome.js';
import { allowSigningOutThere, signingOutThere } from './journeys/federated/signing-out.js';
import type { Parts } from './journeys/journey.js';
import { samlPages } from './journeys/onward/pages.js';
import { showProtocolProblem, showRefusal, signOutPages } from './journeys/sign-out/pages.js';
import { auditOf, jobsOf, NAME } from './later.js';
import {
  countSignIns,
  namesOf,
  observeJobs,
  traceOutbound,
  watchAudit,
  watchCommands,
  watchDormancy,
  watchLostPhones,
  watchQueues,
  watchSms,
} from './observe.js';
import { openClaims } from './oidc/claims.js';
import { openDeviceCodes } from './oidc/device-codes.js';
import { openDisclosing } from './oidc/disclosing.js';
import { exactPaths, pastRoutes } from './oidc/exact-paths.js';
import { noteRefusals } from './oidc/facts.js';
import { openInteractions } from './oidc/interaction.js';
import { KEYS_CHANNEL, loadSigningKeys } from './oidc/keys.js';
import { choosePeople } from './oidc/people.js';
import { postedRequests } from './oidc/posted-requests.js';
import { openProvider } from './oidc/provider.js';
import { openQuestions } from './oidc/questions.js';
import { straightOn } from './oidc/straight-on.js';
import { openSubjects } from './oidc/subjects.js';
import { flushing, preparedMetadata, unavailability } from './oidc/surface.js';
import { openDataUse } from './oidc/uses.js';
import { openKeyring } from './platform/crypto/keyring.js';
import { openJobs } from './platform/jobs/jobs.js';
import { openTransport } from './platform/mail/mail.js';
import { openOutbound } from './platform/outbound.js';
import { openPlaces } from './platform/places.js';
import { openSmsSender } from './platform/sms/sms.js';
import { DATABASE_LIMITS, openDatabase, openStatementPool } from './platform/storage/db.js';
import { openListener } from './platform/storage/listen.js';
import { traceStatements, watchPools } from './platform/storage/observed.js';
import type { Telemetry } from './platform/telemetry/telemetry.js';
import { openAssets } from './platform/web/assets.js';
import { openCsrf } from './platform/web/csrf.js';
import { securityHeaders } from './platform/web/headers.js';
import { health } from './platform/web/health.js';
import { openLoad } from './platform/web/load.js';
import { observing } from './platform/web/observing.js';
import { origins } from './platform/web/origin.js';
import { openPages } from './platform/web/pages.js';
import { notFound, problems } from './platform/web/problems.js';
import { openRenderer, type Renderer } from './platform/web/render.js';
import { routing } from './platform/web/routing.js';
import { knownHost, pinToIssuer, surface } from './platform/web/surface.js';
import { openWords, type Words } from './platform/web/words.js';
import { findResourceServer, registryOf } from './registry.js';
import { mountRoutes } from './routes.js';
import { openSamlKeys, tellByBrowser } from './saml/saml.js';

/** Keyhold, ready to be listened with. */
export interface App {
  /** Reads the current application at each request, so that a key rotation can swap the whole of it. */
  readonly listener: (request: IncomingMessage, response: ServerResponse) => void;
  /** Says that it is not ready any more, and takes no further job. */
  drain(): void;
  close(): Promise<void>;
}

/** Opens everything once, and the application on top of it anew whenever the signing keys change. */
export async function openApp(config: Config, telemetry: Telemetry, tryUrl?: string): Promise<App> {
  const { issuer } = config;
  const { log } = telemetry;
  const base = openBase(config, telemetry);
  let stopping = false;
  const { db, keyring, pages } = base;
  const subjectOf = openSubjects(keyring);

  const assemble = async () => {
    const profile = await openSchema(db);
    const claims = openClaims(profile, issuer);
    const disclosing = openDisclosing({ schema: profile, keyring, claims });
    const provider = openProvider({
      issuer,
      keyring,
      subjectOf,
      jwks: await loadSigningKeys(db, keyring),
      clients: registryOf(base.clients, issuer, NAME),
      claims,
      questions: openQuestions(profile, base.pool),
      dataUse: openDataUse(profile),
      languages: pages.languages.map(({ code }) => code),
      findResourceServer: findResourceServer(base.resources, issuer),
      mayDeviceAsk: countDevices(base.protection),
      secondStepRoles: config.secondStepRoles,
      fetch: base.outbound.fetch as typeof globalThis.fetch,
      pages: {
        ...signOutPages(pages, (ctx, uid) => allowSigningOutThere(ctx, base, uid)),
        ...devicePages(pages),
        problem: (ctx, problem) => showProtocolProblem(ctx, pages, problem),
      },
    });
    noteRefusals(provider, log);
    const parts: Parts = {
      ...base,
      issuer,
      production: config.production,
      emailCodeSignIn: config.emailCodeSignIn,
      secondStepRoles: config.secondStepRoles,
      sms: base.sms && { countries: config.smsCountries, perDay: config.smsPerDay },
      provider,
      interactions: countSignIns(openInteractions(provider), telemetry),
      devices: openDeviceCodes(provider, base.pool, keyring),
      subjectOf,
      rp: relyingPartyOf(issuer, NAME),
      lostPhoneWait: config.lostPhoneWait,
      deletionWait: config.deletionWait,
      support: config.support,
      profile,
      disclosing,
      claims,
      samlPages: samlPages(pages),
    };
    const router = new Router();
    mountRoutes(router, parts, { claims, tryUrl });

    pinToIssuer(provider, issuer);
    provider.use(health(db, () => stopping));
    provider.use(surface(config.trustedProxies));
    provider.use(observing(telemetry, namesOf));
    provider.use(knownHost(issuer));
    provider.use(securityHeaders(issuer));
    provider.use(base.assets.middleware);
    provider.use(problems(log, (ctx, refusal) => showRefusal(ctx, pages, refusal)));
    provider.use(base.load.counting);
    provider.use(origins(keyring));
    provider.use(notFound);
    provider.use(preparedMetadata());
    provider.use(exactPaths());
    provider.use(postedRequests());
    provider.use(flushing(base.pool, keyring, base.noteReplay, { disclosing, subjectOf, log }));
    provider.use(signingOutThere(parts));
    provider.use(unavailability(provider));
    provider.use(choosePeople(provider, base.csrf, issuer, subjectOf));
    provider.use(tellByBrowser(parts));
    provider.use(straightOn(provider, issuer, pastRoutes(routing(router))));
    return { provider, listener: provider.callback() };
  };

  let current = await assemble();
  let reloading = Promise.resolve();
  /* One after the other, so that keys read earlier never take the place of those read later. */
  const reload = () => {
    reloading = reloading
      .then(async () => {
        current = await assemble();
      })
      .catch(error => log.error({ err: error }, 'keys could not be reloaded'));
  };
  const listener = openListener(config.databaseUrl, KEYS_CHANNEL, {
    heard: reload,
    /* What was notified before this moment, or in a gap, never arrives. */
    listening: on => {
      if (on) reload();
    },
  });
  await settled(Promise.all([base.clients.ready, base.federation.ready]));
  const jobs = await openJobs({
    url: config.databaseUrl,
    log,
    jobs: jobsOf(config, base, log, () => current.provider),
    /* Several processes on one machine share its jobs; while apps are told, one more is left for everything else. */
    concurrency: Math.max(2, Math.ceil(4 / config.workers)),
    observe: observeJobs(telemetry),
  });
  watchQueues(telemetry, base, jobs);
  watchSms(telemetry, base, config.smsPerDay);
  watchDormancy(telemetry, base.dormancyTally);
  watchLostPhones(telemetry, base);
  watchCommands(telemetry, base);
  watchAudit(telemetry, base);
  let jobsStopped: Promise<void> | undefined;
  return {
    listener: (request, response) => {
      if (!base.load.turnsAway(request, response)) void current.listener(request, response);
    },
    drain: () => {
      stopping = true;
      jobsStopped ??= jobs.stop();
    },
    close: async () => {
      await (jobsStopped ?? jobs.stop());
      await listener.close();
      await reloading;
      await endAudit(auditOf(config, base, log));
      await base.close();
    },
  };
}

/* Until notices of changes arrive, every client is asked of the database: worth a moment at start, not a start that fails. */
async function settled(ready: Promise<unknown>): Promise<void> {
  const patience = new AbortController();
  await Promise.race([ready, pause(2_000, undefined, { signal: patience.signal }).catch(() => undefined)]);
  patience.abort();
}

/** What is opened once, under every application that is put on top of it. */
export type Base = ReturnType<typeof openBase>;

function openBase(config: Config, { log, metrics, traces }: Telemetry) {
  const keyring = openKeyring(config.secret);
  const note = (trouble: unknown) => log.warn({ err: trouble }, 'database connection failed');
  const db = openDatabase(config.databaseUrl, DATABASE_LIMITS, note);
  /* What happens later has connections of its own, so that it never keeps somebody waiting. */
  const laterDb = openDatabase(config.databaseUrl, { ...DATABASE_LIMITS, poolSize: 3 }, note, 'keyhold-jobs');
  const pool = openStatementPool(config.databaseUrl);
  pool.on('error', error => log.warn({ err: error }, 'database connection lost'));
  if (traces) traceStatements(traces, db, pool);
  watchPools(metrics, db, pool);
  const clients = openClientCache(db, config.databaseUrl);
  const resources = openResourceCache(db, config.databaseUrl);
  const outbound = traceOutbound(openOutbound({ allowPrivateNetwork: config.allowPrivateNetwork }), traces);
  const federation = openFederation({
    db,
    listenUrl: config.databaseUrl,
    keyring,
    outbound,
    issuer: config.issuer,
    allowPrivateNetwork: config.allowPrivateNetwork,
  });
  const transport = openTransport(config, laterDb);
  const sms = openSmsSender(config, laterDb, outbound);
  const hasher = openPasswordHasher({
    pepper: keyring.derive('password-pepper', 48),
    scheme: config.passwordHashScheme,
    bcryptCost: config.bcryptCost,
  });
  const protection = openProtection(db, pool, { enabled: config.rateLimits });
  const words = openWords();
  const assets = openAssets();
  const renderer = openRenderer(words, assets);
  const csrf = openCsrf(keyring, config.issuer);
  return {
    db,
    laterDb,
    pool,
    keyring,
    clients,
    resources,
    outbound,
    federation,
    transport,
    sms,
    hasher,
    assets,
    renderer,
    words,
    places: openPlaces(trouble => log.error({ err: trouble }, 'places are unknown'), config.places),
    csrf,
    dormancyTally: { notice: 0, stopped: 0, archive: 0 },
    load: openLoad({ limit: config.maxInFlight, page: busyPages(words, renderer), log }),
    pages: openPages(renderer, words, csrf, config.issuer),
    protection,
    samlKeys: openSamlKeys(db, keyring, config.issuer),
    noteReplay: openReplayNotes(protection),
    close: async () => {
      transport.close();
      await Promise.allSettled([
        clients.close(),
        resources.close(),
        federation.close(),
        outbound.close(),
        hasher.close(),
      ]);
      await Promise.allSettled([pool.end(), db.destroy(), laterDb.destroy()]);
    },
  };
}

/** The page for whoever is turned away, made once for each language. */
function busyPages(words: Words, renderer: Renderer): (acceptLanguage: string | undefined) => string {
  const frame = { csrf: '', issuerName: NAME, seconds: 2 };
  const pages = new Map(
    words.languages.map(language => [language, renderer.page('busy', { ...frame, language })]),
  );
  return acceptLanguage => pages.get(words.choose({ acceptLanguage })) ?? '';
}
