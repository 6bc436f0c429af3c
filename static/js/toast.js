// A toast leaves after 8 s, later while somebody points at it or stands on it. `ascolto:say` shows one from a script.

const STAY = 8000;
let timer;

function start() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const toast = document.querySelector("[data-toast]");
    if (toast?.matches(":hover, :focus-within")) start();
    else toast?.remove();
  }, STAY);
}

document.addEventListener("ascolto:say", (event) => {
  const place = document.getElementById("toast");
  if (!place) return;
  const toast = document.createElement("div");
  const text = document.createElement("span");
  text.textContent = event.detail.text;
  toast.className = "toast";
  toast.dataset.toast = "";
  toast.append(text);
  place.setAttribute("role", event.detail.failed ? "alert" : "status");
  place.replaceChildren(toast);
  start();
});

document.addEventListener("htmx:afterSettle", () => document.querySelector("[data-toast]") && start());
document.addEventListener("htmx:oobAfterSwap", (event) => event.detail.target.id === "toast" && start());
if (document.querySelector("[data-toast]")) start();
