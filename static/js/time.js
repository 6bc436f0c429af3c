// Keeps the times on the page true between two answers of the server: due chips, "3 min ago", "Leaving in 14 s".

const words = document.body.dataset;
const [DAY, HOUR, MINUTE] = words.units.split(" ");
const LOOKS = { ok: "clock", warn: "hourglass", bad: "triangle-alert" };
const fill = (pattern, text) => pattern.replace("%s", text);

function duration(seconds) {
  let minutes = Math.floor(seconds / 60);
  if (minutes < 1) return words.wordsShort;
  const days = Math.floor(minutes / 1440);
  const hours = Math.floor((minutes % 1440) / 60);
  minutes %= 60;
  if (days) return `${days}\u00a0${DAY}` + (hours ? ` ${hours}\u00a0${HOUR}` : "");
  if (hours) return `${hours}\u00a0${HOUR}` + (minutes ? ` ${String(minutes).padStart(2, "0")}` : "");
  return `${minutes}\u00a0${MINUTE}`;
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function refreshDue(chip, now) {
  const left = (Date.parse(chip.dataset.due) - now) / 1000;
  const look = left < 0 ? "bad" : now >= Date.parse(chip.dataset.soon) ? "warn" : "ok";
  if (!chip.classList.contains(look)) {
    chip.classList.remove(...Object.keys(LOOKS));
    chip.classList.add(look);
    const use = chip.querySelector("use");
    use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${LOOKS[look]}`));
    document.dispatchEvent(new CustomEvent("ascolto:refresh")); // it belongs under another heading now
  }
  say(chip.lastElementChild, fill(words[`words${look[0].toUpperCase()}${look.slice(1)}`], duration(Math.abs(left))));
}

function refresh() {
  const now = Date.now();
  for (const chip of document.querySelectorAll("[data-due]")) refreshDue(chip, now);
  for (const time of document.querySelectorAll("time[data-ago]")) {
    say(time, fill(words.wordsAgo, duration((now - Date.parse(time.dateTime)) / 1000)));
  }
}

function tick() {
  for (const element of document.querySelectorAll("[data-leaving]")) {
    const left = Math.ceil((Date.parse(element.dataset.leaving) - Date.now()) / 1000);
    if (left >= 0) say(element, fill(words.wordsLeaving, left));
    else {
      delete element.dataset.leaving;
      document.dispatchEvent(new CustomEvent("ascolto:refresh"));
    }
  }
}

setInterval(refresh, 30_000);
setInterval(tick, 1000);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
