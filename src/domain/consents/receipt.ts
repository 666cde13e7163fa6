import type { ConsentEvent, ConsentParty } from './consent.js';

/** A purpose as it was agreed to or refused, for a receipt. */
export interface ReceiptPurpose {
  readonly id: string;
  readonly name: string;
  /** Of the notice that was shown. */
  readonly version: number;
  readonly notice?: { readonly text: string; readonly digest: string } | undefined;
  /** Terms of the Data Privacy Vocabulary. */
  readonly types: readonly string[];
  readonly basis: string;
  readonly attributes: readonly string[];
}

/** All that a receipt is written from. */
export interface ReceiptFacts {
  readonly id: string;
  readonly issuer: string;
  readonly issuedAt: Date;
  readonly event: ConsentEvent;
  /** The app, as it is called now. */
  readonly app: string;
  /** What stood on the page, word for word. */
  readonly wording: string | undefined;
  readonly purposes: readonly ReceiptPurpose[];
}

const PROFILE = 'https://w3id.org/dpv/schema/dpv-27560#';

/*
 * The names are those of ISO/IEC TS 27560:2023; what each means in the W3C Data Privacy Vocabulary says the context, so that
 * the same text is JSON for whoever knows the one and linked data for whoever knows the other.
 */
const CONTEXT = {
  dpv: 'https://w3id.org/dpv#',
  'eu-gdpr': 'https://w3id.org/dpv/legal/eu/gdpr#',
  dct: 'http://purl.org/dc/terms/',
  xsd: 'http://www.w3.org/2001/XMLSchema#',
  schema_version: { '@id': 'dct:conformsTo', '@type': '@id' },
  receipt_id: 'dct:identifier',
  record_id: 'dct:identifier',
  issuer: { '@id': 'dct:publisher', '@type': '@id' },
  issued_at: { '@id': 'dct:issued', '@type': 'xsd:dateTime' },
  consent_record: { '@id': 'dpv:hasRecordOfActivity' },
  pii_principal_id: { '@id': 'dpv:hasDataSubject', '@type': '@id' },
  pii_processing: { '@id': 'dpv:hasProcess' },
  privacy_notice: { '@id': 'dpv:hasNotice' },
  notice_version: 'dct:hasVersion',
  notice_text: 'dct:description',
  language: 'dct:language',
  purposes: { '@id': 'dpv:hasPurpose' },
  purpose: 'dct:title',
  purpose_type: { '@id': 'dpv:hasType', '@type': '@id' },
  lawful_basis: { '@id': 'dpv:hasLegalBasis', '@type': '@id' },
  pii_information: { '@id': 'dpv:hasPersonalData' },
  pii_type: 'dct:title',
  retention_period: { '@id': 'dpv:hasStorageCondition' },
  recipient_third_parties: { '@id': 'dpv:hasRecipient' },
  pii_controllers: { '@id': 'dpv:hasDataController' },
  party_name: 'dpv:hasName',
  party_address: 'dpv:hasAddress',
  party_contact: 'dpv:hasContact',
  jurisdiction: 'dpv:hasJurisdiction',
  withdrawal_method: { '@id': 'dpv:hasWithdrawalMethod', '@type': '@id' },
  data_uses: { '@id': 'dpv:hasPermission' },
  purpose_id: 'dct:identifier',
  event: { '@id': 'dct:hasPart' },
  event_time: { '@id': 'dct:date', '@type': 'xsd:dateTime' },
  event_type: 'dct:type',
  event_state: { '@id': 'dpv:hasConsentStatus', '@type': '@id' },
  validity_duration: { '@id': 'dct:valid', '@type': 'xsd:dateTime' },
  entity_id: { '@id': 'dpv:isIndicatedBy', '@type': '@id' },
} as const;

/** What a receipt says: the whole record of one event (ISO/IEC TS 27560:2023 §6), as JSON-LD. */
export function receiptOf({ id, issuer, issuedAt, event, app, wording, purposes }: ReceiptFacts) {
  const principal = `urn:uuid:${event.subject}`;
  return {
    '@context': CONTEXT,
    '@id': `urn:uuid:${id}`,
    '@type': 'dpv:ConsentReceipt',
    schema_version: `${PROFILE}receipt-record`,
    receipt_id: id,
    issuer,
    issued_at: issuedAt.toISOString(),
    consent_record: {
      '@id': `urn:uuid:${event.id}`,
      '@type': 'dpv:ConsentRecord',
      schema_version: `${PROFILE}record`,
      record_id: event.id,
      pii_principal_id: principal,
      pii_processing: {
        '@type': 'dpv:Process',
        services: { name: app, client_id: event.clientId },
        privacy_notice: noticeOf(event, wording),
        purposes: purposes.map(purpose => purposeOf(event, purpose)),
        pii_information: [
          ...informationOf(event.scopes, 'scope', true),
          ...informationOf(event.claims, 'claim', true),
          ...informationOf(event.refusedScopes, 'scope', false),
          ...informationOf(event.refusedClaims, 'claim', false),
        ],
        data_uses: [
          ...event.uses.map(purpose_id => ({ purpose_id, allowed: true })),
          ...event.refusedUses.map(purpose_id => ({ purpose_id, allowed: false })),
        ],
        resources: event.resources,
        pii_controllers: event.controllers.map(partyOf),
        recipient_third_parties: event.recipients.map(partyOf),
        jurisdiction: event.jurisdiction,
        ...(event.withdrawal !== undefined && { withdrawal_method: event.withdrawal }),
      },
      event: [
        {
          event_time: event.at.toISOString(),
          event_type: event.event,
          event_state: event.state,
          ...(event.validUntil && { validity_duration: event.validUntil.toISOString() }),
          entity_id: event.by === 'person' ? principal : `urn:keyhold:${event.by}`,
          collection_method: event.method,
        },
      ],
    },
  };
}

/** A receipt as it is signed. */
export type Receipt = ReturnType<typeof receiptOf>;

function noticeOf({ language, wording: digest }: ConsentEvent, wording: string | undefined) {
  return {
    '@type': 'dpv:ConsentNotice',
    ...(language !== undefined && { language }),
    ...(digest !== undefined && { sha256: digest }),
    ...(wording !== undefined && { notice_text: wording }),
  };
}

function purposeOf({ retention }: ConsentEvent, purpose: ReceiptPurpose) {
  const { id, name, version, notice, types, basis, attributes } = purpose;
  return {
    '@type': 'dpv:Purpose',
    purpose_id: id,
    purpose: name,
    purpose_type: types,
    lawful_basis: basis,
    pii_information: attributes.map(pii_type => ({ pii_type })),
    ...(retention[id] !== undefined && { retention_period: retention[id] }),
    privacy_notice: {
      notice_version: version,
      ...(notice && { sha256: notice.digest, notice_text: notice.text }),
    },
  };
}

const informationOf = (names: readonly string[], kind: 'scope' | 'claim', allowed: boolean) =>
  names.map(pii_type => ({ '@type': 'dpv:PersonalData', pii_type, kind, allowed }));

function partyOf({ name, client_id, address, contact, country }: ConsentParty) {
  return {
    '@type': 'dpv:LegalEntity',
    party_name: name,
    ...(client_id !== undefined && { party_id: client_id }),
    ...(address !== undefined && { party_address: address }),
    ...(contact !== undefined && { party_contact: contact }),
    ...(country !== undefined && { party_country: country }),
  };
}
