// What happens around an htmx swap: scripts' settings, the current row, the place to read on, focus, failures.

if (window.Idiomorph) Idiomorph.defaults.ignoreActiveValue = true; // a morph never touches the field being typed in

const words = document.body.dataset;

function markCurrentRow() {
  for (const row of document.querySelectorAll("#list a.t")) {
    if (new URL(row.href).pathname === location.pathname) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

function scrollToNews() {
  const scroll = document.querySelector("#conversation #scroll");
  if (!scroll) return;
  const first = document.getElementById("first-new");
  const last = [...scroll.querySelectorAll(".msg")].at(-1);
  if (first) first.scrollIntoView({ block: "start" });
  else if (last?.offsetHeight > scroll.clientHeight) last.scrollIntoView({ block: "start" });
  else scroll.scrollTop = scroll.scrollHeight;
}

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "conversation") return;
  markCurrentRow();
  scrollToNews();
  const title = document.getElementById("conv-title");
  const writing = event.detail.requestConfig?.elt?.id === "reply"; // a refused reply: stay with the text
  if (title && !writing) title.focus({ preventScroll: true });
});

// A refused move keeps its address: that of the form is no page.
document.addEventListener("htmx:beforeHistoryUpdate", (event) => {
  if (event.detail.xhr.status >= 400) event.detail.history.type = null;
});

for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => {
    document.dispatchEvent(new CustomEvent("ascolto:say", { detail: { text: words.wordsFailed, failed: true } }));
  });
}

scrollToNews();
