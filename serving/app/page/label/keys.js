// Answers and commands by keyboard.

import { $ } from "/static/dom.js";

// `schemeOf` is null until the scheme is known; `commands` are functions by key.
export function watchKeys(schemeOf, answer, commands) {
  document.addEventListener("keydown", (event) => {
    const scheme = schemeOf();
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !scheme || $("guide").open) return;
    if (event.target === $("note") && ["Enter", "Escape"].includes(event.key)) {
      event.preventDefault();
      $("note").blur();
      return;
    }
    if (event.target.matches?.("input:not([type=checkbox])")) return;
    const key = event.key.toLowerCase(), value = answerOf(scheme, key);
    if (!value && !commands[key]) return;
    event.preventDefault();
    if (value) answer(value); else commands[key]();
  });
}

function answerOf(scheme, key) {
  const values = [
    ...scheme.states.map((state) => [state.key, state.name]),
    [scheme.cannot_tell.key, "cannot tell"], [scheme.not_a_crater.key, "not a crater"],
  ];
  return values.find(([other]) => other === key)?.[1];
}
