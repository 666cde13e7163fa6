import { randomToken } from '../platform/crypto/tokens.js';
import { BINDING, FORMAT, isRequesters, NS, STATUS, statusOf, type Why } from './names.js';
import { joined, type Written, xml } from './xml.js';

/** To whom a message goes, in answer to what. */
export interface Addressed {
  /** Where it has to be known beforehand. */
  readonly id?: string;
  /** Our name. */
  readonly issuer: string;
  readonly destination: string;
  readonly inResponseTo: string | undefined;
  readonly at: Date;
}

/** What an app is told about somebody and their sign-in. */
export interface Statement {
  /** The app's name. */
  readonly audience: string;
  readonly nameId: { readonly format: keyof typeof FORMAT; readonly value: string };
  readonly sessionIndex: string;
  readonly authenticatedAt: Date;
  readonly contextClass: string;
  /** Until when the session lasts at most. */
  readonly sessionEnds: Date;
  readonly attributes: readonly { readonly name: string; readonly values: readonly string[] }[];
}

/* What an answer is good for: a minute for clocks that are behind, and long enough for a slow phone. */
const EARLY_MS = 60_000;
const GOOD_MS = 300_000;

/** An id of ours: 128 random bits, beginning as the name of XML that it is (Core §1.3.4). */
export const newId = (): string => `_${randomToken(16)}`;

const instant = (at: Date) => at.toISOString();
const inReply = (to: string | undefined): Written => (to === undefined ? xml`` : xml` InResponseTo="${to}"`);

const status = (why: Why | undefined): Written =>
  why === undefined
    ? xml`<samlp:Status><samlp:StatusCode Value="${STATUS.success}"/></samlp:Status>`
    : xml`<samlp:Status><samlp:StatusCode Value="${isRequesters(why) ? STATUS.requester : STATUS.responder}"><samlp:StatusCode Value="${statusOf(why)}"/></samlp:StatusCode></samlp:Status>`;

/** An assertion (Core §2.3.3): who signed in, when and how, for one app alone and only for minutes. */
export function assertion(
  statement: Statement,
  { issuer, destination, inResponseTo, at }: Addressed,
): Written {
  const { nameId, audience, sessionIndex, authenticatedAt, contextClass, sessionEnds } = statement;
  const until = instant(new Date(at.getTime() + GOOD_MS));
  const from = instant(new Date(at.getTime() - EARLY_MS));
  const qualifiers =
    nameId.format === 'email' ? xml`` : xml` NameQualifier="${issuer}" SPNameQualifier="${audience}"`;
  return xml`<saml:Assertion xmlns:saml="${NS.assertion}" ID="${newId()}" Version="2.0" IssueInstant="${instant(at)}"><saml:Issuer>${issuer}</saml:Issuer><saml:Subject><saml:NameID Format="${FORMAT[nameId.format]}"${qualifiers}>${nameId.value}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="${until}" Recipient="${destination}"${inReply(inResponseTo)}/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="${from}" NotOnOrAfter="${until}"><saml:AudienceRestriction><saml:Audience>${audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="${instant(authenticatedAt)}" SessionIndex="${sessionIndex}" SessionNotOnOrAfter="${instant(sessionEnds)}"><saml:AuthnContext><saml:AuthnContextClassRef>${contextClass}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>${attributesOf(statement)}</saml:Assertion>`;
}

function attributesOf({ attributes }: Statement): Written {
  if (attributes.length === 0) return xml``;
  const each = attributes.map(({ name, values }) => {
    const all = values.map(value => xml`<saml:AttributeValue>${value}</saml:AttributeValue>`);
    return xml`<saml:Attribute Name="${name}" NameFormat="${nameFormat(name)}">${joined(all)}</saml:Attribute>`;
  });
  return xml`<saml:AttributeStatement>${joined(each)}</saml:AttributeStatement>`;
}

const nameFormat = (name: string) =>
  `urn:oasis:names:tc:SAML:2.0:attrname-format:${/^(urn:|https?:)/.test(name) ? 'uri' : 'basic'}`;

/** A response (Core §3.3.3) with what it carries, or with why it carries nothing. */
export function response(
  { issuer, destination, inResponseTo, at }: Addressed,
  content: { readonly carries: Written } | { readonly unmet: Why },
): Written {
  const why = 'unmet' in content ? content.unmet : undefined;
  const carried = 'carries' in content ? content.carries : xml``;
  return xml`<samlp:Response xmlns:samlp="${NS.protocol}" ID="${newId()}" Version="2.0" IssueInstant="${instant(at)}" Destination="${destination}"${inReply(inResponseTo)}><saml:Issuer xmlns:saml="${NS.assertion}">${issuer}</saml:Issuer>${status(why)}${carried}</samlp:Response>`;
}

/** An answer to an app that wanted somebody signed out (Core §3.7.2). */
export function logoutResponse(
  { issuer, destination, inResponseTo, at }: Addressed,
  why: Why | undefined,
): Written {
  return xml`<samlp:LogoutResponse xmlns:samlp="${NS.protocol}" ID="${newId()}" Version="2.0" IssueInstant="${instant(at)}" Destination="${destination}"${inReply(inResponseTo)}><saml:Issuer xmlns:saml="${NS.assertion}">${issuer}</saml:Issuer>${status(why)}</samlp:LogoutResponse>`;
}

/** Whom an app is asked to sign out (Core §3.7.1). */
export interface SignedOut extends Pick<Statement, 'nameId' | 'audience' | 'sessionIndex'> {}

/** What tells an app that a session is over; good for as long as an answer is. */
export function logoutRequest(
  { id = newId(), issuer, destination, at }: Addressed,
  { nameId, audience, sessionIndex }: SignedOut,
): Written {
  const until = instant(new Date(at.getTime() + GOOD_MS));
  const qualifiers =
    nameId.format === 'email' ? xml`` : xml` NameQualifier="${issuer}" SPNameQualifier="${audience}"`;
  return xml`<samlp:LogoutRequest xmlns:samlp="${NS.protocol}" xmlns:saml="${NS.assertion}" ID="${id}" Version="2.0" IssueInstant="${instant(at)}" Destination="${destination}" NotOnOrAfter="${until}"><saml:Issuer>${issuer}</saml:Issuer><saml:NameID Format="${FORMAT[nameId.format]}"${qualifiers}>${nameId.value}</saml:NameID><samlp:SessionIndex>${sessionIndex}</samlp:SessionIndex></samlp:LogoutRequest>`;
}

/** Our metadata (Metadata §2.4.3): where we are found, and every certificate that answers may be signed under. */
export function ourMetadata(
  {
    entityId,
    signOn,
    logout,
  }: { readonly entityId: string; readonly signOn: string; readonly logout: string },
  certificates: readonly string[],
): Written {
  const keys = certificates.map(
    certificate =>
      xml`<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="${NS.signature}"><ds:X509Data><ds:X509Certificate>${certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`,
  );
  const at = (name: 'SingleSignOnService' | 'SingleLogoutService', location: string) =>
    joined(
      [BINDING.redirect, BINDING.post].map(binding =>
        name === 'SingleSignOnService'
          ? xml`<md:SingleSignOnService Binding="${binding}" Location="${location}"/>`
          : xml`<md:SingleLogoutService Binding="${binding}" Location="${location}"/>`,
      ),
    );
  const formats = [FORMAT.persistent, FORMAT.transient].map(
    format => xml`<md:NameIDFormat>${format}</md:NameIDFormat>`,
  );
  return xml`<?xml version="1.0" encoding="UTF-8"?>
<md:EntityDescriptor xmlns:md="${NS.metadata}" entityID="${entityId}" cacheDuration="P1D"><md:IDPSSODescriptor WantAuthnRequestsSigned="true" protocolSupportEnumeration="${NS.protocol}">${joined(keys)}${at('SingleLogoutService', logout)}${joined(formats)}${at('SingleSignOnService', signOn)}</md:IDPSSODescriptor></md:EntityDescriptor>
`;
}
