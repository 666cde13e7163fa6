// Tells the keeper of somebody's passkeys which of them still sign in, and by which name (WebAuthn L3 §5.1.10).
for (const box of document.querySelectorAll('[data-passkeys-known]')) {
  const { rp: rpId, user: userId, known, name } = box.dataset;
  const allAcceptedCredentialIds = known === '' ? [] : known.split(' ');
  const keeper = globalThis.PublicKeyCredential;
  keeper?.signalAllAcceptedCredentials?.({ rpId, userId, allAcceptedCredentialIds }).catch(() => {});
  if (allAcceptedCredentialIds.length > 0)
    keeper?.signalCurrentUserDetails?.({ rpId, userId, name, displayName: name }).catch(() => {});
}
