// Menus and dialogs are the platform's (popover, <dialog>, command). This adds what it leaves open: a browser without
// `command`, the focus on the first thing of an opened menu, arrow keys inside it, and menus that close after a choice.

if (!("commandForElement" in HTMLButtonElement.prototype)) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[commandfor]");
    const dialog = button && document.getElementById(button.getAttribute("commandfor"));
    if (!dialog) return;
    if (button.getAttribute("command") === "show-modal") dialog.showModal();
    else dialog.close();
  });
}

document.addEventListener(
  "toggle",
  (event) => {
    const menu = event.target;
    if (event.newState === "open" && menu.matches?.(".menu")) menu.querySelector("button, a, input:not([type=hidden])")?.focus();
  },
  true,
);

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.(".menu[popover]");
  if (!menu || !["ArrowDown", "ArrowUp"].includes(event.key) || event.target.matches("input")) return;
  const items = [...menu.querySelectorAll(".menu-item")];
  const step = event.key === "ArrowDown" ? 1 : -1;
  items.at((items.indexOf(event.target) + step) % items.length)?.focus();
  event.preventDefault();
});

document.addEventListener("htmx:beforeRequest", (event) => {
  event.target.closest?.("[popover]:popover-open")?.hidePopover();
});

document.addEventListener("click", (event) => {
  if (event.target.closest(".menu [commandfor]")) event.target.closest(".menu").hidePopover();
  if (event.target.closest("[data-print]")) print();
});

// A person decides about an uncertain reply only after having looked (the buttons wait for the link).
function armDecisions(root = document) {
  for (const place of root.querySelectorAll("[data-look]:has([data-opens])")) {
    for (const button of place.querySelectorAll("[data-after]")) button.disabled = !place.dataset.seen;
  }
}

document.addEventListener("click", (event) => {
  const place = event.target.closest("[data-opens]")?.closest("[data-look]");
  if (!place) return;
  place.dataset.seen = "yes";
  armDecisions();
});
document.addEventListener("htmx:afterSettle", () => armDecisions());
armDecisions();
