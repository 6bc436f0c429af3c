// One handler for all keys, off while somebody types. What a key does stands on the element it presses: data-key="a".

const ROWS = "#list a.t, #rows a.t";

function typing(target) {
  return target.isContentEditable || target.matches("textarea, select, input:not([type=radio], [type=checkbox])");
}

function visible(element) {
  return element.checkVisibility?.() ?? element.offsetParent !== null;
}

function press(key) {
  const open = document.querySelector("dialog[open], [popover]:popover-open");
  const places = open ? [open] : [document.getElementById("toast"), document];
  for (const place of places) {
    const found = [...(place?.querySelectorAll(`[data-key="${CSS.escape(key)}"]`) ?? [])].find(visible);
    if (found) {
      found.click();
      return true;
    }
  }
  return false;
}

function move(step) {
  const rows = [...document.querySelectorAll(ROWS)];
  const here = rows.indexOf(document.activeElement);
  const current = rows.findIndex((row) => row.hasAttribute("aria-current"));
  const next = rows[(here >= 0 ? here : current) + step] ?? (here < 0 && current < 0 ? rows[0] : null);
  if (!next) return;
  const reading = here < 0 && current >= 0;
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  if (reading) next.click();
}

function back() {
  const current = document.querySelector("#list a.t[aria-current]");
  const link = document.querySelector("[data-back]");
  if (current && visible(current)) current.focus();
  else if (link && visible(link)) link.click();
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  "?": () => document.getElementById("keys")?.showModal(),
  Escape: () => back(),
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target)) {
    if (event.key === "Escape" && !event.target.closest("dialog, [popover]")) document.getElementById("conv-title")?.focus();
    return;
  }
  const open = document.querySelector("dialog[open], [popover]:popover-open");
  const act = KEYS[event.key];
  if (act && open) return; // Esc closes it by itself
  if (act) act();
  else if (event.key.length !== 1 || !press(event.key.toLowerCase())) return;
  event.preventDefault();
});
