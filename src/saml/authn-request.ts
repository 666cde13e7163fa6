import type { SamlApp } from './app.js';
import { type NameId, nameIdFor, usualAcs } from './app.js';
import { BINDING, CLASSES, NS, type Why } from './names.js';
import { childOf, childrenOf, misdirected, unreadable, type XmlElement } from './xml.js';

/** What an app asks for, held against its registration. */
export interface AskedSignOn {
  /** Undefined where a person starts the app from here. */
  readonly requestId: string | undefined;
  readonly acs: string;
  readonly relayState: string | undefined;
  readonly nameId: NameId;
  readonly force: boolean;
  readonly passive: boolean;
  /** The context classes of which one will do, as the app calls them; any will where there are none. */
  readonly classes: readonly string[];
  /** Why it cannot be met, which the app is told. */
  readonly unmet?: Why;
}

/** The longest RelayState that is given back: the 80 bytes of Bindings §3.4.3 are too few for what apps send. */
export const LONGEST_STATE = 1_024;

/**
 * What an AuthnRequest (Core §3.4.1) asks for. The address to answer to is one that is registered, or the request is refused:
 * from there on, whatever cannot be met is told to the app.
 */
export function askedBy(request: XmlElement, app: SamlApp, relayState: string | undefined): AskedSignOn {
  const policy = childOf(request, NS.protocol, 'NameIDPolicy')?.attributes ?? {};
  const nameId = nameIdFor(app, policy['Format']);
  const qualifier = policy['SPNameQualifier'];
  const context = contextAsked(childOf(request, NS.protocol, 'RequestedAuthnContext'));
  const isOthers = qualifier !== undefined && qualifier !== '' && qualifier !== app.saml.entity_id;
  const unmet = childOf(request, NS.assertion, 'Subject')
    ? 'RequestUnsupported'
    : nameId === undefined || isOthers
      ? 'InvalidNameIDPolicy'
      : context === undefined
        ? 'NoAuthnContext'
        : undefined;
  return {
    requestId: request.attributes['ID'],
    acs: acsOf(request, app),
    relayState,
    nameId: nameId ?? 'transient',
    force: flag(request, 'ForceAuthn'),
    passive: flag(request, 'IsPassive'),
    classes: context ?? [],
    ...(unmet && { unmet }),
  };
}

/** What a person asks for who starts an app from here. */
export function startOf(app: SamlApp): AskedSignOn {
  return {
    requestId: undefined,
    acs: usualAcs(app),
    relayState: app.saml.start_state,
    nameId: nameIdFor(app, undefined) ?? 'persistent',
    force: false,
    passive: false,
    classes: [],
  };
}

function acsOf({ attributes }: XmlElement, app: SamlApp): string {
  const {
    AssertionConsumerServiceURL: url,
    AssertionConsumerServiceIndex: index,
    ProtocolBinding,
  } = attributes;
  if (ProtocolBinding !== undefined && ProtocolBinding !== BINDING.post) throw misdirected('saml_acs');
  if (url !== undefined && index !== undefined) throw unreadable();
  if (url === undefined && index === undefined) return usualAcs(app);
  const found = app.saml.acs.find(each =>
    url === undefined ? String(each.index) === index : each.url === url,
  );
  if (!found) throw misdirected('saml_acs');
  return found.url;
}

function flag({ attributes }: XmlElement, name: string): boolean {
  const value = attributes[name] ?? 'false';
  if (!['true', 'false', '1', '0'].includes(value)) throw unreadable();
  return value === 'true' || value === '1';
}

const strengths = ['aal1', 'aal2', 'phr'] as const;
const strengthOf = (name: string) => CLASSES.find(([each]) => each === name)?.[1];

/*
 * A class is met by whatever is as strong: nobody is made to type a password who has a passkey. What asks for more than
 * a class is met by the next stronger one; undefined where nothing that is asked is known here.
 */
function contextAsked(requested: XmlElement | undefined): readonly string[] | undefined {
  if (!requested) return [];
  const names = childrenOf(requested, NS.assertion, 'AuthnContextClassRef').map(({ text }) => text);
  const { Comparison: comparison = 'exact' } = requested.attributes;
  if (comparison === 'maximum') return [];
  const known = names.filter(name => strengthOf(name) !== undefined);
  if (comparison !== 'better') return known.length > 0 ? known : undefined;
  const strongest = Math.max(-1, ...known.map(name => strengths.indexOf(strengthOf(name) ?? 'aal1')));
  const next = CLASSES.find(([, strength]) => strength === strengths[strongest + 1]);
  return strongest === -1 || !next ? undefined : [next[0]];
}

/** The weakest strength that will do for one of these classes. */
export function strengthFor(classes: readonly string[]): (typeof strengths)[number] | undefined {
  return strengths.find(strength => classes.some(name => strengthOf(name) === strength));
}

/** How the app is told how strongly somebody signed in: by the strongest of its own words that is true. */
export function classFor(classes: readonly string[], reached: string | undefined): string | undefined {
  const rank = (strength: string | undefined) => strengths.findIndex(each => each === (strength ?? 'aal1'));
  const level = rank(reached);
  /* Nothing that apps know says more than that there were two factors. */
  const [usual] = CLASSES.find(([, strength]) => rank(strength) === Math.min(level, rank('aal2'))) ?? [];
  if (classes.length === 0) return usual;
  const told = classes.filter(name => rank(strengthOf(name)) <= level);
  return told.sort((a, b) => rank(strengthOf(b)) - rank(strengthOf(a)))[0];
}
