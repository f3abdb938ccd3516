// The button of those who decide: fits the head on the labels, or tells the command that does.

import { call, getJson } from "/static/api.js";
import { $ } from "/static/dom.js";

const PATH = "/v1/label/relabel", LOOK_MS = 5000;

function draw({ state, command, said }) {
  $("relabel").disabled = state === "started" || state === "running";
  $("relabel-note").textContent = {
    unavailable: `This server cannot start it; run: ${command}`,
    started: "Started; the new version is registered as a challenger.",
    running: `Running… ${said}`,
    idle: said,
  }[state];
  if ($("relabel").disabled) setTimeout(look, LOOK_MS);
}

async function look() {
  try { draw(await getJson(PATH)); } catch { setTimeout(look, LOOK_MS); }
}

async function start() {
  $("relabel").disabled = true;
  try {
    draw(await (await call(PATH, { method: "POST" })).json());
  } catch (error) {
    $("relabel").disabled = false;
    $("relabel-note").textContent = error.message;
  }
}

export function watchRelabel({ decides }) {
  $("relabel-box").hidden = !decides;
  $("relabel").onclick = start;
  if (decides) look();  // it may run since before this page was opened
}
