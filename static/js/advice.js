// The consultant's page: words selected in a message become the quotation of the advice, which moves beside that message.

const form = document.getElementById("advise");

function selected() {
  const selection = getSelection();
  if (!selection || selection.isCollapsed) return null;
  const from = selection.anchorNode?.parentElement?.closest("[data-message]");
  const to = selection.focusNode?.parentElement?.closest("[data-message]");
  const words = selection.toString().trim().replace(/\s+/g, " ");
  return from && from === to && words ? { message: from, words: words.slice(0, 1000) } : null;
}

function quote() {
  const found = selected();
  if (!found) return;
  form.elements.quote.value = found.words;
  form.elements.message.value = found.message.dataset.message;
  document.querySelector(".msg.marked")?.classList.remove("marked");
  const article = found.message.closest(".msg");
  article.classList.add("marked");
  const margin = form.closest(".margin");
  if (article.nextElementSibling !== margin) article.after(margin);
}

if (form) {
  document.addEventListener("pointerup", () => setTimeout(quote));
  document.addEventListener("keyup", (event) => event.shiftKey && quote());
}
