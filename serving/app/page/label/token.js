// Asks for a token, and changes it only when no answer waits that was given under another name.

import { getJson } from "/static/api.js";
import { $ } from "/static/dom.js";
import { forgetAll, keep, kept } from "./kept.js";
import { clear } from "./pictures.js";

// Beside the field: on a phone the open menu covers the page's own message.
function sayOfToken(text) {
  $("more").open = true;
  $("token-note").hidden = !text;
  $("token-note").textContent = text;
}

export function askForToken(error) {
  const unknown = "The server does not know this token: it may be mistyped, or replaced by another.";
  const asked = kept("token") ? unknown : "This server asks for a token: give yours.";
  sayOfToken(error.status === 401 ? asked : error.message);
  $("token").focus();
}

// Whether answers that wait would be sent under another name than they were given.
async function belongsToAnother(token, queue) {
  if (!queue.pending().length) return false;
  const headers = { authorization: `Bearer ${token}` };
  const { labeller } = await getJson("/v1/label/setup", { headers });
  return labeller !== kept("setup")?.labeller;
}

export function watchToken(queue) {
  $("token-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const token = $("token").value.trim();
    try {
      if (await belongsToAnother(token, queue)) {
        sayOfToken(`Answers of ${kept("setup")?.labeller} are not sent yet; give a token of that name first.`);
        return;
      }
    } catch (error) {
      sayOfToken(error.status ? error.message : "Answers given under the last token are not sent yet; reconnect first.");
      return;
    }
    keep("token", token);
    $("token").value = "";
    location.reload();
  });
  $("forget").addEventListener("click", async () => {
    if (queue.pending().length) { sayOfToken("Some answers are not sent yet; reconnect first."); return; }
    forgetAll();
    await clear();
    location.reload();
  });
}
