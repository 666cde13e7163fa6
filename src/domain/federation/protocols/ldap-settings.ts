import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { isLoopbackHost } from '../../../platform/addresses.js';

/** The name of an attribute type (RFC 4512 §2.5), by its description or its OID. */
const attribute = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$|^\d+(\.\d+){1,30}$/, 'must be the name of an attribute');
const dn = z
  .string()
  .min(3)
  .max(1_000)
  .regex(/^[^=]+=/, 'must be a distinguished name');
/* The operator's own, and a constant: what somebody types never becomes part of a filter's text. */
const filter = z
  .string()
  .max(1_000)
  .regex(/^\(.+\)$/s, 'must stand in brackets, such as (objectClass=person)');
const scope = z.enum(['sub', 'one']).default('sub');

const urlSchema = z.string().refine(text => {
  const url = URL.parse(text);
  if (!url || !/^ldaps?:$/.test(url.protocol) || url.hostname === '') return false;
  return `${url.pathname}${url.search}${url.hash}`.replace('/', '') === '' && url.username === '';
}, 'must be ldaps://HOST or ldap://HOST, with nothing after it but a port');

const groupsSchema = z.discriminatedUnion('by', [
  /** The entry names its groups itself. */
  z.strictObject({ by: z.literal('entry'), attribute: attribute.default('memberOf') }),
  /** Each group names its members; `nested` asks Active Directory for the groups of groups as well. */
  z.strictObject({
    by: z.literal('search'),
    base: dn,
    filter: filter.default('(objectClass=groupOfNames)'),
    member: attribute.default('member'),
    nested: z.boolean().default(false),
  }),
]);

/** How a directory is reached and asked. */
export const ldapSettingsSchema = z
  .strictObject({
    /** Asked in this order until one can be reached. */
    urls: z.array(urlSchema).min(1).max(5),
    /** TLS on an ldap:// connection, before anything else is said (RFC 4513 §3). */
    start_tls: z.boolean().default(false),
    /** Passwords in the clear, on this very machine only. */
    plain_on_loopback: z.boolean().default(false),
    /** A file with the certificates (PEM) that the directory's own is checked against; those of the system without. */
    ca_file: z.string().refine(isAbsolute, 'must be a whole path').optional(),
    /** Who looks people up. */
    bind_dn: dn,
    base: dn,
    scope,
    filter: filter.default('(objectClass=person)'),
    /** Attributes that one of must be what was typed. */
    login: z.array(attribute).min(1).max(5).default(['mail']),
    /** Whether that is the whole address, or what stands before its @. */
    login_is: z.enum(['address', 'name']).default('address'),
    /** What is the same for ever, whatever somebody is called: entryUUID (RFC 4530), or objectGUID of Active Directory. */
    subject: attribute.default('entryUUID'),
    email: attribute.default('mail'),
    groups: groupsSchema.optional(),
    /** Only who is in one of these groups gets in: names or distinguished names. */
    only_groups: z.array(z.string().min(1).max(1_000)).max(50).optional(),
    /** Milliseconds for one try, all in all. */
    timeout: z.int().min(500).max(30_000).default(8_000),
  })
  .superRefine(({ urls, start_tls, plain_on_loopback, groups, only_groups }, context) => {
    for (const [at, text] of urls.entries()) {
      const { protocol, hostname } = new URL(text);
      if (protocol === 'ldaps:' || start_tls) continue;
      const why = isLoopbackHost(hostname) && plain_on_loopback ? undefined : UNSAFE;
      if (why) context.addIssue({ code: 'custom', path: ['urls', at], message: why });
    }
    if (only_groups && !groups) {
      context.addIssue({
        code: 'custom',
        path: ['only_groups'],
        message: 'needs "groups", which says where they stand',
      });
    }
  });

const UNSAFE =
  'would send passwords in the clear: use ldaps://, or "start_tls", or on this machine alone "plain_on_loopback"';

export type LdapSettings = Readonly<z.output<typeof ldapSettingsSchema>>;
