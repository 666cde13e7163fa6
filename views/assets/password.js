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

// A second press while the first is on its way would do it twice; what is typed anew, or shown again, may be sent again.
for (const form of new Set([...document.querySelectorAll('[data-reveal]')].map(button => button.form))) {
  let sentAt = Number.NEGATIVE_INFINITY;
  const forget = () => {
    sentAt = Number.NEGATIVE_INFINITY;
  };
  form.addEventListener('submit', event => {
    if (event.timeStamp - sentAt < 5_000) event.preventDefault();
    else sentAt = event.timeStamp;
  });
  form.addEventListener('input', forget);
  addEventListener('pageshow', forget);
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
