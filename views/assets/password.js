for (const button of document.querySelectorAll('[data-reveal]')) {
  const input = document.getElementById(button.dataset.reveal);
  const show = visible => {
    input.type = visible ? 'text' : 'password';
    button.textContent = visible ? button.dataset.hide : button.dataset.show;
  };
  button.addEventListener('click', () => show(input.type === 'password'));
  // A password manager saves what a password field held, so it is one again before it is sent.
  input.form.addEventListener('submit', () => show(false));
}

// Where this device can make a passkey, one is offered after the password.
for (const field of document.querySelectorAll('[data-passkeys]')) {
  globalThis.PublicKeyCredential?.isUserVerifyingPlatformAuthenticatorAvailable?.().then(
    able => {
      field.value = able ? 'yes' : '';
    },
    () => {},
  );
}
