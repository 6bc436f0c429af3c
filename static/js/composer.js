// The reply being written: saved on the server 800 ms after the last key, on this device until the server confirms,
// counted as the network counts, published with Ctrl+Enter. The server's count is the one that decides.

const PAUSE = 800;
const person = document.body.dataset.person;
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const ADDRESS = /https?:\/\/[^\s<>"']+/giu;
const REMOTE_NAME = /(?<![\w/])(@[\w.-]*\w)@[\w.-]*\w/gu;

let timer;
let failed = false;

const form = () => document.getElementById("reply");
const field = () => document.getElementById("reply-text");
const place = (id) => `ascolto:draft:${person}:${id}`;

// ── this device ──────────────────────────────────────────────────────────────────────────────────────────────────────

function keep(id, text) {
  try {
    localStorage.setItem(place(id), text);
  } catch {
    // storage is full or forbidden: the server's copy remains
  }
}

function forget(id, text) {
  if (localStorage.getItem(place(id)) === text) localStorage.removeItem(place(id));
}

// ── the count ────────────────────────────────────────────────────────────────────────────────────────────────────────

function length(text, rules) {
  let counted = text.trim();
  if (counted === "") return 0;
  if (rules.mention && !counted.toLowerCase().includes(rules.mention.toLowerCase())) counted = `${rules.mention} ${counted}`;
  if (rules.url) counted = counted.replace(ADDRESS, "x".repeat(Number(rules.url)));
  counted = counted.replace(REMOTE_NAME, "$1");
  return [...graphemes.segment(counted)].length;
}

function count() {
  const box = document.getElementById("box");
  const number = document.getElementById("count");
  if (!form() || !number) return;
  const { limit, over: pattern } = form().dataset;
  const now = length(field().value, form().dataset);
  const over = Math.max(0, now - Number(limit));
  number.textContent = now;
  box.querySelector(".ring .fg").setAttribute("stroke-dasharray", `${Math.min(100, (100 * now) / limit)} 100`);
  box.classList.toggle("over", over > 0);
  document.getElementById("publish").disabled = over > 0;
  const excess = document.getElementById("over");
  excess.hidden = over === 0;
  if (over === 0) return;
  excess.firstElementChild.textContent = [...graphemes.segment(field().value)].slice(-over).map((one) => one.segment).join("");
  state(pattern.replace("%s", over), true);
}

// ── the draft ────────────────────────────────────────────────────────────────────────────────────────────────────────

function state(text, bad = false) {
  const line = document.getElementById("draft-state");
  if (!line) return;
  line.textContent = text;
  line.classList.toggle("bad", bad);
}

async function save() {
  clearTimeout(timer);
  const reply = form();
  if (!reply || reply.dataset.dirty !== "yes") return;
  const text = field().value;
  const id = reply.dataset.thread;
  reply.dataset.dirty = "no";
  let saved = null;
  try {
    const answer = await fetch(reply.dataset.draft, {
      method: "POST",
      body: new FormData(reply),
      headers: { "HX-Request": "true" },
      keepalive: true,
    });
    if (answer.status === 200 && !answer.redirected) saved = (await answer.json()).saved;
  } catch {
    // no connection: said below, tried again with the next key
  }
  failed = saved === null;
  if (!failed) forget(id, text);
  else reply.dataset.dirty = "yes";
  if (form() !== reply) return;
  const over = document.getElementById("box").classList.contains("over");
  if (!over) state(failed ? reply.dataset.kept : reply.dataset.saved.replace("%s", saved), failed);
  if (failed) timer = setTimeout(save, 5000);
}

function typed() {
  const reply = form();
  reply.dataset.dirty = "yes";
  keep(reply.dataset.thread, field().value);
  if (!failed) state(reply.dataset.saving);
  clearTimeout(timer);
  timer = setTimeout(save, PAUSE);
  count();
}

function restore() {
  const reply = form();
  if (!reply || reply.dataset.ready) return;
  reply.dataset.ready = "yes";
  const kept = localStorage.getItem(place(reply.dataset.thread));
  if (kept !== null && kept !== field().value) {
    field().value = kept;
    typed();
  } else count();
}

// ── what was said meanwhile ──────────────────────────────────────────────────────────────────────────────────────────

function notice() {
  const version = form()?.elements.version;
  const shown = document.getElementById("timeline")?.dataset.version;
  if (!version || version.value === shown) return;
  if (field().value.trim() === "") version.value = shown; // nothing written yet, and it stands before their eyes
  else document.getElementById("news").hidden = false;
}

function read() {
  form().elements.version.value = document.getElementById("timeline").dataset.version;
  document.getElementById("news").hidden = true;
  const scroll = document.getElementById("scroll");
  scroll.scrollTop = scroll.scrollHeight;
}

// ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────

document.addEventListener("input", (event) => event.target === field() && typed());

document.addEventListener("change", (event) => {
  if (event.target.name !== "mode") return;
  const part = event.target.value === "note" ? "#note textarea" : ".reply-part :is(textarea, input:not([type=hidden]))";
  document.querySelector(`#box ${part}`)?.focus();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-read]")) read();
  const mode = event.target.closest("label[data-key]")?.querySelector("input");
  if (mode?.checked) mode.dispatchEvent(new Event("change", { bubbles: true })); // the key of the open tab: focus it
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const written = event.target.closest?.("textarea")?.form;
  const button = written?.querySelector(".btn:is(.primary, .advice), .btn:not([type=button])");
  if (!button || button.disabled) return;
  event.preventDefault();
  written.requestSubmit(button);
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target !== form()) save(); // going elsewhere: what is written goes to the server first
  else clearTimeout(timer);
});

document.addEventListener("htmx:afterRequest", (event) => {
  const sent = event.detail.requestConfig.elt; // the event comes from what took the form’s place
  if (!event.detail.successful) return;
  if (sent.id === "reply") localStorage.removeItem(place(sent.dataset.thread));
  if (sent.matches?.("[data-clears]")) sent.reset();
});

document.addEventListener("htmx:afterSettle", () => {
  restore();
  notice();
});
document.addEventListener("htmx:oobAfterSwap", notice);
addEventListener("pagehide", save);

// A post without htmx is going: the page that comes back knows. Logging out: save first, then let nothing stay here.
document.addEventListener("submit", async (event) => {
  if (!event.target.matches("[data-log-out]")) return;
  event.preventDefault();
  await save();
  if (!failed) {
    for (const key of Object.keys(localStorage)) if (key.startsWith("ascolto:draft:")) localStorage.removeItem(key);
  }
  event.target.submit();
});

restore();
