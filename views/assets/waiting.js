// Looks now and then whether the other phone has done its part, and shows the page anew when it has.
for (const box of document.querySelectorAll('[data-watch]')) {
  const { watch, state } = box.dataset;
  const look = async () => {
    if (document.hidden) return;
    const answer = await fetch(watch, { headers: { Accept: 'application/json' }, redirect: 'manual' }).catch(
      () => undefined,
    );
    if (answer === undefined || answer.status === 429 || answer.status >= 500) return;
    const now = answer.ok ? await answer.json() : {};
    if (now.state !== state) return location.reload();
    const left = box.querySelector('[data-left]');
    if (left !== null && now.left !== undefined) left.textContent = now.left;
  };
  setInterval(look, 2_000);
  document.addEventListener('visibilitychange', look);
}
