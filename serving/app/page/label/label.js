// Asks about one crater after the other.

import { getJson, setToken } from "/static/api.js";
import { $ } from "/static/dom.js";
import { forget, keep, kept } from "./kept.js";
import { watchKeys } from "./keys.js";
import { aroundPath, clear, cropPath, detailPath, picture, setAlike, setEdition } from "./pictures.js";
import { workOffline } from "./offline.js";
import { newId, Queue } from "./queue.js";
import { watchRelabel } from "./relabel.js";
import { askForToken, watchToken } from "./token.js";
import { drawLast, drawProgress, drawQueue, drawScheme, drawStretch, drawTask, ring, zoom } from "./view.js";

const AHEAD = 30, LOW = 15, AROUND_AHEAD = 6;
const REFRESH_MS = 10_000;

let setup = null, tasks = [], current = null, shownAt = 0, last = null;
let fetching = null, offline = false, ready = false;
const answered = new Set();  // tasks whose answer the server may not know of yet
const seen = new Set();  // craters about which something was shown that is not blind

const queue = new Queue(() => drawSaved(), confirmed);

const drawSaved = () => drawQueue(queue, offline);

function say(text) {
  $("message").hidden = !text;
  $("message").textContent = text;
}

// -- tasks ------------------------------------------------------------------------------------

function takeIn(found) {
  const shown = current && found.find((task) => task.task_id === current.task_id);
  const rest = found.filter((task) => !answered.has(task.task_id) && task.task_id !== current?.task_id);
  tasks = current && (shown || !answered.has(current.task_id)) ? [current, ...rest] : rest;
  keep("tasks", tasks);
}

function refill() {
  fetching ??= fetchTasks().finally(() => { fetching = null; });
  return fetching;
}

async function fetchTasks() {
  const unsent = queue.pending().length;
  try {
    const count = Math.min(AHEAD + unsent, 200);
    const found = await getJson(`/v1/label/tasks?count=${count}`);
    offline = false;
    say("");
    takeIn(found.tasks);
    drawProgress(found.progress, found.tasks.length < count ? tasks.length : null);
  } catch (error) {
    if (error.status === 401 || error.status === 403) { askForToken(error); return; }
    offline = true;
    if (error.status) say(error.message);
  }
  drawSaved();
  prefetch();
  if (!current) next();
}

function prefetch() {
  const ahead = (paths) => { for (const path of paths) picture(path).catch(() => {}); };
  for (const task of tasks) ahead([detailPath(task.crater_id)]);
  for (const task of tasks) ahead(Object.values(task.examples).flat().map(cropPath));
  if (setup.surroundings) ahead(tasks.slice(0, AROUND_AHEAD).map((task) => aroundPath(task.crater_id)));
}

async function next() {
  current = tasks[0] ?? null;
  ready = false;
  $("note").value = "";
  $("note-row").hidden = true;
  zoom(false);
  $("work").hidden = !current;
  $("done").hidden = Boolean(current) || offline;
  if (!current && offline) say("No more craters on this device; they come when the server answers.");
  if (tasks.length < LOW) refill();
  if (!current) return;
  const task = current;
  const drawn = await drawTask(task, setup);
  if (task !== current) return;
  if (!drawn) { noPicture(task); return; }
  if (!offline) say("");
  prefetch();
  shownAt = performance.now();
  ready = true;
  document.body.dataset.task = task.task_id;
}

// Without its picture nobody can answer: those that are here come first.
function noPicture(task) {
  say("This picture cannot be had at the moment; it is tried again.");
  setTimeout(() => { if (task === current && !ready) next(); }, 3000);
}

// -- answers ----------------------------------------------------------------------------------

function record(task, fields) {
  const vote = {
    vote_id: newId(), task_id: task.task_id, crater_id: task.crater_id,
    scheme_version: setup.scheme.version, time_utc: new Date().toISOString(),
    seconds: Math.min((performance.now() - shownAt) / 1000, 86_400),
    blind: !seen.has(task.crater_id), note: "", supersedes: null, ...fields,
  };
  try {
    queue.add(vote);
  } catch {
    say("This device has no room left for answers: reconnect, so that they can be sent.");
    return null;
  }
  return vote;
}

function answer(value) {
  if (!current || !ready) return;
  const task = current;
  const vote = record(task, { value, note: $("note").value.trim() });
  if (!vote) return;
  answered.add(task.task_id);
  last = { task, vote_id: vote.vote_id, crater_id: task.crater_id, value, note: vote.note };
  tasks = tasks.filter((other) => other.task_id !== task.task_id);
  keep("tasks", tasks);
  drawLast(last, null);
  next();
}

function undo() {
  if (!last) return;
  const { task, vote_id: supersedes, note } = last;
  if (!record(task, { value: null, supersedes, seconds: 0 })) return;
  answered.delete(task.task_id);
  tasks = [task, ...tasks.filter((other) => other.task_id !== task.task_id)];
  keep("tasks", tasks);
  last = null;
  drawLast(null);
  next();  // which empties the note of the crater before
  $("note").value = note;
  $("note-row").hidden = !note;
}

async function confirmed(votes) {
  if (!votes.length) return;
  refill();
  if (!last || !votes.some((vote) => vote.vote_id === last.vote_id)) return;
  await showAfter(last);
}

// Training is always explained; a model's guess and others' labels only to who asks.
async function showAfter(answer) {
  let after;
  try {
    const others = $("show-after").checked;  // the server puts on record what it shows
    after = await getJson(`/v1/label/after/${encodeURIComponent(answer.crater_id)}?others=${others}`);
  } catch {
    return;  // not to be seen, or offline
  }
  if (answer !== last) return;
  if (after.expected || after.guess || after.others?.length) seen.add(answer.crater_id);
  drawLast(last, after);
}

// -- keys and buttons -----------------------------------------------------------------------

function stretchAlike() {
  const on = $("alike").getAttribute("aria-pressed") !== "true";
  setAlike(on);
  drawStretch(setup, on);
  if (current) drawTask(current, setup);
  prefetch();
}

function writeNote() {
  $("note-row").hidden = false;
  $("note").focus();
}

function toggleAfter() {
  $("show-after").checked = !$("show-after").checked;
  keep("after", $("show-after").checked);
  if (last) showAfter(last);
}

const commands = {
  u: undo,
  n: writeNote,
  r: ring,
  c: stretchAlike,
  z: () => zoom(!$("frame").classList.contains("zoomed")),
  m: () => $("guide").showModal(),
  g: toggleAfter,
};

async function begin() {
  setToken(kept("token") ?? "");
  try {
    const found = await getJson("/v1/label/setup");
    const before = kept("setup");
    // The next person on this device begins with their own tasks.
    if (before && before.labeller !== found.labeller) forget("tasks");
    if (before && before.edition !== found.edition) {
      forget("tasks");
      await clear();
    }
    keep("setup", found);
    setup = found;
    offline = false;
  } catch (error) {
    if (error.status) {
      if (error.status === 401 || error.status === 403) askForToken(error); else say(error.message);
      return;
    }
    offline = true;
    setup = kept("setup");
    if (!setup) { say("The server does not answer; this page opens offline once it has been online."); return; }
  }
  setEdition(setup.edition ?? "");
  $("more").open = false;
  $("who").textContent = setup.labeller;
  $("who").hidden = false;
  watchRelabel(setup);
  $("show-after").checked = kept("after") ?? false;
  drawScheme(setup, answer);
  drawStretch(setup, false);
  for (const vote of queue.pending()) {
    if (vote.value === null) answered.delete(vote.task_id); else answered.add(vote.task_id);
  }
  tasks = (kept("tasks") ?? []).filter((task) => !answered.has(task.task_id));
  drawSaved();
  if (offline) { prefetch(); next(); } else { queue.send(); await refill(); }
}

$("resend").addEventListener("click", () => queue.resend());
$("drop").addEventListener("click", () => queue.drop());
$("undo").addEventListener("click", undo);
$("undo-last").addEventListener("click", undo);
$("open-note").addEventListener("click", writeNote);
$("zoom").addEventListener("click", commands.z);
$("ring").addEventListener("click", ring);
$("alike").addEventListener("click", stretchAlike);
$("open-guide").addEventListener("click", commands.m);
$("show-after").addEventListener("change", () => { keep("after", $("show-after").checked); if (last) showAfter(last); });
watchKeys(() => setup?.scheme, answer, commands);
watchToken(queue);
setInterval(() => { if (setup && (offline || !current)) refill(); }, REFRESH_MS);
addEventListener("online", () => { if (setup) refill(); });
if ("serviceWorker" in navigator) workOffline().catch(() => {});
begin();
