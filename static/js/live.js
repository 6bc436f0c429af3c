// Asks whether anything moved: every 5 s while the page is in use, every 15 s when idle, never when hidden.
// Nothing moved: 204. Else the page is asked for again and its regions marked `data-live` are morphed; the composer isn't one.

const IN_USE = 5000;
const IDLE = 15_000;
const RECENTLY = 60_000;

let used = Date.now();
let timer;
let asking = false;

function schedule() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(ask, Date.now() - used < RECENTLY && document.hasFocus() ? IN_USE : IDLE);
}

function connected(yes) {
  const bar = document.getElementById("offline");
  if (!bar || bar.hidden === yes) return;
  bar.textContent = yes ? "" : document.body.dataset.wordsLost;
  bar.hidden = yes;
}

function redraw() {
  const live = document.getElementById("live");
  const regions = [...document.querySelectorAll("[data-live]")].map((region) => `#${region.id}:morph`);
  return htmx.ajax("GET", location.pathname + location.search, {
    source: live,
    target: live,
    swap: "none",
    selectOOB: [...regions, "#live:morph"].join(","),
  });
}

async function ask() {
  const live = document.getElementById("live");
  if (!live || asking) return;
  asking = true;
  try {
    const answer = await fetch(`${live.dataset.url}?stamp=${encodeURIComponent(live.dataset.stamp)}`, {
      headers: { "HX-Request": "true" },
    });
    connected(answer.status < 500);
    if (answer.status === 404) return location.reload(); // the engagement has ended: the page says so
    if (answer.status === 200 && !answer.redirected) await redraw();
    if (answer.headers.get("HX-Redirect")) location.reload(); // signed out: log in and come back to this page
  } catch {
    connected(false);
  } finally {
    asking = false;
    schedule();
  }
}

for (const name of ["pointerdown", "keydown", "scroll", "focus"]) {
  addEventListener(name, () => (used = Date.now()), { capture: true, passive: true });
}
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : ask()));
document.addEventListener("ascolto:refresh", () => document.getElementById("live") && redraw());
schedule();
