(() => {
  const { startAuthentication, startRegistration, browserSupportsWebAuthnAutofill, WebAuthnAbortService } =
    globalThis.SimpleWebAuthnBrowser;
  const UPGRADE_LASTS = 10_000;
  // Browsers answer NotAllowedError for "cancelled" and for "timed out": only the clock tells them apart.
  const SOONEST_TIMEOUT = 55_000;

  /** What the server answered instead of yes (RFC 9457). */
  class Answer extends Error {
    constructor(problem, status, language) {
      super(problem.detail ?? '');
      this.name = 'Answer';
      this.code = problem.code;
      this.status = status;
      this.readable = language === document.documentElement.lang;
    }

    /** The server's own words where they are in the language of the page, else the page's. */
    said(words) {
      if (this.readable && this.message !== '') return this.message;
      if (this.code === 'passkey_unknown') return words.unknown;
      if (this.status === 429 || this.status === 503) return words.limited;
      return this.status === 403 || this.status === 410 ? words.expired : words.failed;
    }
  }

  async function post(box, url, body) {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        Accept: 'application/json',
        'X-CSRF-Token': box.dataset.csrf,
      },
      body: JSON.stringify(body),
      redirect: 'error',
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Answer(answer, response.status, response.headers.get('Content-Language'));
    return answer;
  }

  function say(box, words) {
    box.querySelector('[data-passkey-alert]').textContent = words;
  }

  function explain(box, error, begun) {
    const words = box.querySelector('[data-passkey-alert]').dataset;
    const cause = error.cause ?? error;
    if (error instanceof Answer) return error.said(words);
    if (cause.name === 'AbortError') return '';
    if (cause.name === 'NotAllowedError') {
      return performance.now() - begun > SOONEST_TIMEOUT ? words.timedOut : words.cancelled;
    }
    if (cause.name === 'SecurityError') return words.notAllowed;
    if (cause.name === 'InvalidStateError') return words.alreadyRegistered;
    if (cause.name === 'ConstraintError' || cause.name === 'NotSupportedError') return words.unsupported;
    if (cause instanceof TypeError) return navigator.onLine ? words.failed : words.offline;
    return words.failed;
  }

  /** Runs one ceremony at a time for a button, says what went wrong, and goes on where the server says. */
  function onPress(box, ceremony, afterwards) {
    const button = box.querySelector('button');
    button.addEventListener('click', async () => {
      if (button.getAttribute('aria-disabled') === 'true') return;
      button.setAttribute('aria-disabled', 'true');
      say(box, '');
      const begun = performance.now();
      try {
        const answer = await ceremony();
        if (answer !== undefined) return location.assign(answer.location);
      } catch (error) {
        say(box, explain(box, error, begun));
        afterwards();
      }
      button.removeAttribute('aria-disabled');
    });
  }

  function signIn(box) {
    const { options: optionsUrl, finish } = box.dataset;
    let pressed = false;
    let offered;

    // A second challenge would end the first, so whoever comes next uses the one that is there already.
    const takeOptions = async () => {
      const options = offered ?? post(box, optionsUrl, {});
      offered = undefined;
      return options;
    };
    const authenticate = async (optionsJSON, useBrowserAutofill) => {
      const credential = await startAuthentication({ optionsJSON, useBrowserAutofill });
      try {
        return await post(box, finish, { credential });
      } catch (error) {
        forgetUnknown(error, optionsJSON.rpId, credential.id);
        throw error;
      }
    };
    const autofill = async () => {
      const field = document.querySelector('input[autocomplete~="webauthn"]');
      if (field === null || !(await browserSupportsWebAuthnAutofill())) return;
      pressed = false;
      offered = post(box, optionsUrl, {});
      // The page works without autofill: only what happens after a passkey was picked is worth words.
      const options = await offered.catch(() => undefined);
      if (options === undefined || pressed) return;
      try {
        location.assign((await authenticate(options, true)).location);
      } catch (error) {
        if (!pressed) offered = undefined;
        if (error instanceof Answer) say(box, explain(box, error, 0));
      }
    };
    onPress(
      box,
      async () => {
        pressed = true;
        return authenticate(await takeOptions(), false);
      },
      autofill,
    );
    autofill();
    addEventListener('pageshow', event => event.persisted && autofill());
  }

  /** Tells the passkey's keeper that we do not know it, so that it is not offered again (WebAuthn L3 §5.1.10). */
  function forgetUnknown(error, rpId, credentialId) {
    if (error.code !== 'passkey_unknown') return;
    PublicKeyCredential.signalUnknownCredential?.({ rpId, credentialId }).catch(() => {});
  }

  function create(box) {
    const { options: optionsUrl, finish, form: formId, termsMissing } = box.dataset;
    const form = formId === undefined ? null : document.getElementById(formId);
    let upgradeEnds;
    let pressed = false;

    const details = () =>
      form === null
        ? { for: box.dataset.for }
        : { name: form.elements.name.value, terms: form.elements.terms.checked };
    const register = async (body, useAutoRegister) => {
      const optionsJSON = await post(box, optionsUrl, body);
      if (useAutoRegister && pressed) return undefined;
      if (useAutoRegister)
        upgradeEnds = setTimeout(() => WebAuthnAbortService.cancelCeremony(), UPGRADE_LASTS);
      const credential = await startRegistration({ optionsJSON, useAutoRegister });
      clearTimeout(upgradeEnds);
      return post(box, finish, { ...body, credential });
    };
    /** Makes a passkey without asking, where the password manager that just signed in can (never awaited). */
    const upgrade = async () => {
      const able = await PublicKeyCredential.getClientCapabilities?.();
      if (able?.conditionalCreate !== true || pressed) return;
      const answer = await register({ conditional: true }, true);
      if (answer !== undefined && !pressed) location.assign(answer.location);
    };
    onPress(
      box,
      async () => {
        if (form !== null && !form.elements.terms.checked) {
          form.elements.terms.focus();
          throw new Answer({ detail: termsMissing }, 400, document.documentElement.lang);
        }
        pressed = true;
        clearTimeout(upgradeEnds);
        return register(details(), false);
      },
      () => {},
    );
    if (box.dataset.upgrade !== undefined) upgrade().catch(() => {});
  }

  for (const box of document.querySelectorAll('[data-passkey]')) {
    if (!document.documentElement.classList.contains('passkeys')) continue;
    if (box.dataset.passkey === 'create') create(box);
    else signIn(box);
  }
  addEventListener('pagehide', () => WebAuthnAbortService.cancelCeremony());
})();
