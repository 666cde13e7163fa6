/** The version of the terms in force; a new text is a new version. */
export const TERMS_VERSION = '2026-01';
