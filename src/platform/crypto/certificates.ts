/** A private key (PKCS #8) and a certificate that says whose it is, both as PEM. */
export interface CertifiedKey {
  readonly privateKey: string;
  readonly certificate: string;
}

/** What makes a certificate out of a new key. */
export interface Certifying {
  /** Whose it is: the common name. */
  readonly name: string;
  readonly from: Date;
  readonly years: number;
}

const BITS = 2_048;
const YEAR = 365.25 * 86_400_000;

/** Makes an RSA key and a certificate that it signs itself: whoever is to trust it is given it by hand, or by metadata. */
export async function makeCertifiedKey({ name, from, years }: Certifying): Promise<CertifiedKey> {
  /* Loaded where a key is made, which is seldom: it brings half of what there is about certificates along. */
  const { generate } = await import('selfsigned');
  const made = await generate([{ name: 'commonName', value: name }], {
    keySize: BITS,
    algorithm: 'sha256',
    notBeforeDate: from,
    notAfterDate: new Date(from.getTime() + years * YEAR),
    extensions: [{ name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true }],
  });
  return { privateKey: made.private, certificate: `${made.cert.trim()}\n` };
}
