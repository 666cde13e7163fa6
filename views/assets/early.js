// Runs before the first paint, so that nothing moves under a finger later.
document.documentElement.classList.add('script');
if (globalThis.PublicKeyCredential && globalThis.isSecureContext) {
  document.documentElement.classList.add('passkeys');
}
