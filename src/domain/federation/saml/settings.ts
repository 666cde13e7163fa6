import { z } from 'zod';

/** How the subject of an assertion becomes the subject of a link. */
export const NAME_ID_FORMATS = {
  persistent: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
  email: 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
  unspecified: 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified',
} as const;

const SHORT = z.string().min(1).max(1_024);
const PEM = z
  .string()
  .max(16_384)
  .regex(/^-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----\s*$/);

/** What an operator says about a SAML identity provider; all but its metadata has a default. */
export const samlSettings = z
  .strictObject({
    /** Where its metadata is fetched, again and again, or the metadata itself. */
    metadata_url: z
      .url({ protocol: /^https?$/ })
      .max(1_024)
      .optional(),
    metadata_xml: z.string().max(1_048_576).optional(),
    /** The certificate that the metadata must be signed with. */
    metadata_certificate: PEM.optional(),
    /** Who the metadata must be about. */
    entity_id: SHORT.optional(),
    binding: z.enum(['redirect', 'post']).optional(),
    /** By what people are known: a persistent name; an e-mail address only where nothing else is to be had. */
    name_id: z.enum(['persistent', 'email', 'unspecified']).default('persistent'),
    /** Or by this attribute, whatever the name. */
    subject_attribute: SHORT.optional(),
    email_attribute: SHORT.optional(),
    /** What must be asked for and answered: classes of SAML Authentication Context. */
    contexts: z.array(SHORT).max(20).default([]),
    must_encrypt: z.boolean().default(false),
    clock_skew: z.int().min(0).max(300).default(60),
  })
  .refine(({ metadata_url, metadata_xml }) => (metadata_url === undefined) !== (metadata_xml === undefined), {
    error: 'Give either metadata_url or metadata_xml.',
    path: ['metadata_url'],
  });

/** The settings of a SAML identity provider. */
export type SamlSettings = z.output<typeof samlSettings>;
