// Looks every second and a half whether something was said, and shows it without disturbing who is writing.
const posts = document.getElementById("posts");
const trip = document.getElementById("trip");
const news = document.getElementById("news");
let stamp = null;

async function look() {
  if (document.hidden) return;
  const answer = await fetch(`/_feed${location.search}`, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const feed = await answer.json();
  if (feed.stamp === stamp) return;
  const first = stamp === null;
  stamp = feed.stamp;
  if (posts.contains(document.activeElement) || trip.contains(document.activeElement)) {
    const id = document.activeElement.closest("article")?.id;
    posts.innerHTML = feed.posts;
    trip.innerHTML = feed.trip;
    document.getElementById(id)?.querySelector("a, button")?.focus();
  } else {
    posts.innerHTML = feed.posts;
    trip.innerHTML = feed.trip;
  }
  if (!first && feed.news !== news.textContent) news.textContent = feed.news;
}

function again() {
  look().catch(() => {}).finally(() => setTimeout(again, 1500));
}

again();
