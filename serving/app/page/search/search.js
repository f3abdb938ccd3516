// Finds craters like those that are marked: marks, searches, refines, saves as a tag.

import { craterPath, getJson, jsonLines, place, postJson, setToken } from "/static/api.js";
import { $, count, element } from "/static/dom.js";
import { Marks } from "./marks.js";
import { onFailure, show } from "./pictures.js";
import { Results } from "./results.js";
import { Tags } from "./tags.js";

const TOKEN = "lunar-label:token";  // given once for all pages that label
const MOST_RESULTS = 5000;

const marks = new Marks(drawMarks);
const results = new Results(mark, closer);
const tags = new Tags(marks, { say, fail, taken: search, kept: () => results.focus() });
let asked = 0, ranked = false, reading = null, seed = 0;

function say(text, good = false) {
  $("message").hidden = !text;
  $("message").classList.toggle("good", good);
  $("message").textContent = text;
}

function fail(error) {
  say(error.status === 401 ? "This server asks for a token: open “More” and give yours." : error.message);
  if (error.status === 401) { $("more").open = true; $("token").focus(); }
}

onFailure((error) => { if (error.status && error.status !== 401) say(`Pictures: ${error.message}`); });

// -- marks ------------------------------------------------------------------------------------

function mark(id, side) {
  if (side === undefined && marks.isSaved(id)) {
    say(`${id} stays in the tag ${marks.name}: mark it as not of the kind, and save, to take it out.`);
  }
  marks.set(id, side);
}

function drawMarks(id) {
  for (const [name, side, empty] of [["yes", true, "None yet: mark some below."], ["no", false, "None yet."]]) {
    const ids = marks.side(side);
    $(`${name}-title`).textContent = `${side ? "Of the kind" : "Not of the kind"} · ${count(ids.length)}`;
    $(name).dataset.empty = empty;
    const there = new Map([...$(name).children].map((button) => [button.dataset.id, button]));
    $(name).replaceChildren(...ids.slice(0, 60).map((each) => there.get(each) ?? thumbnail(each)));
  }
  results.redress(id);
  $("go").disabled = !marks.side(true).length;
  $("undo").disabled = !marks.history.length;
  const unsaved = marks.unsaved.size;
  $("saved").textContent = unsaved ? `${count(unsaved)} ${unsaved === 1 ? "mark" : "marks"} not saved` : marks.sides.size ? "marks saved" : "no marks yet";
  $("saved").className = `chip ${unsaved ? "waiting" : "ok"}`;
  drawPrecision();
}

function thumbnail(id) {
  const button = element("button");
  button.type = "button";
  button.dataset.id = id;
  button.title = `Take away the mark of ${id}`;
  button.setAttribute("aria-label", button.title);
  const image = element("img");
  image.alt = "";
  show(image, id);
  button.append(image);
  button.addEventListener("click", () => mark(id, undefined));
  return button;
}

function drawPrecision() {
  const { marked, right } = results.counts();
  $("precision").textContent = ranked && marked ? `Of ${count(marked)} marked here ${count(right)} are of the kind.` : "";
}

// -- craters ------------------------------------------------------------------------------------

// Only the newest question may change the page.
async function ask(question) {
  const mine = ++asked;
  reading?.abort();
  reading = new AbortController();
  document.body.dataset.state = "asking";
  try {
    await question(() => mine === asked, reading.signal);
    if (mine === asked) document.body.dataset.state = "answered";
  } catch (error) {
    if (mine !== asked) return;
    document.body.dataset.state = "failed";
    fail(error);
  }
}

function showOthers() {
  seed += 1;
  return ask(async (current) => {
    const craters = await getJson(`/v1/search/sample?count=60&seed=${seed}`);
    if (!current()) return;
    say("");
    ranked = false;
    results.clear();
    results.add(craters, (id) => marks.of(id));
    $("title").textContent = "Craters at random: mark some of the kind that you look for";
    drawPrecision();
    results.focus();
  });
}

function search() {
  if (!marks.side(true).length) { say("Mark at least one crater of the kind first."); return; }
  ask(async (current, signal) => {
    const reply = await postJson("/v1/search", { ...marks.examples(), limit: MOST_RESULTS }, { signal });
    let head = null;
    for await (const lines of jsonLines(reply)) {
      if (!current()) return;
      if (!head) {
        head = lines.shift();
        begin(head);
      }
      results.add(lines, (id) => marks.of(id));
      if (lines.length && !results.list.contains(document.activeElement)) results.focus();
    }
  });
}

function begin(head) {
  say("");
  ranked = true;
  results.clear();
  const cut = head.total > MOST_RESULTS ? `, the best ${count(MOST_RESULTS)} shown` : "";
  $("title").textContent = `${count(head.total)} craters ranked${cut}; the probe was fitted in ${head.fit_ms.toFixed(0)} ms`;
  drawPrecision();
  scrollTo(0, 0);
}

function closer(crater) {
  $("closer-title").textContent = `${crater.crater_id} · ${place(crater)}`;
  show($("large"), crater.crater_id);
  $("closer").showModal();
}

// -- keys, buttons, token -----------------------------------------------------------------------

function markCurrent(side) {
  const card = results.current();
  if (!card) return;
  mark(card.dataset.id, side);
  if (side === undefined) results.focus(card); else results.step(1);
}

function undo() {
  const id = marks.undo();
  if (id !== null) results.focusOn(id);
}

const field = (name) => () => { if (!$(name).closest("form").hidden) { $(name).focus(); $(name).select(); } };
const commands = {
  arrowleft: () => results.step(-1), arrowright: () => results.step(1),
  arrowup: () => results.row(-1), arrowdown: () => results.row(1),
  y: () => markCurrent(true), n: () => markCurrent(false),
  delete: () => markCurrent(undefined), backspace: () => markCurrent(undefined),
  u: undo, o: showOthers, enter: search, i: field("crater-id"), s: field("name"),
  z: () => { const card = results.current(); if (card) closer(card.crater); },
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("work").hidden || $("closer").open) return;
  if (event.target.matches?.("input")) {
    if (event.key === "Escape") results.focus();
    return;
  }
  const key = event.key.toLowerCase();
  if (key === "enter" && event.target.matches?.("button, summary, a")) return;
  if (event.repeat && !key.startsWith("arrow")) return;
  if (!commands[key]) return;
  event.preventDefault();
  commands[key]();
}

async function addById() {
  const id = $("crater-id").value.trim();
  try {
    await getJson(`${craterPath(id)}?top_k=0`);
  } catch (error) {
    fail(error);
    return false;
  }
  say("");
  mark(id, true);
  $("crater-id").value = "";
  return true;
}

async function beginPage() {
  setToken(JSON.parse(localStorage.getItem(TOKEN) ?? '""'));
  try {
    const { model } = await getJson("/v1/model");
    $("model").textContent = `${model.name ?? "model"}${model.version ? ` v${model.version}` : ""}`;
    $("model").hidden = false;
  } catch (error) {
    if (error.status === 503) { say("The server has no model yet; this page waits for it."); setTimeout(beginPage, 2000); return; }
    fail(error);
    return;
  }
  say("");
  $("more").open = false;
  $("work").hidden = false;
  drawMarks(null);
  await tags.draw(); // before any key can ask for the field of the name
  const like = new URLSearchParams(location.search).get("like");
  history.replaceState(null, "", location.pathname);
  if (like) { $("crater-id").value = like; if (!await addById()) return; }
  if (marks.side(true).length) search(); else await showOthers();
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  localStorage.setItem(TOKEN, JSON.stringify($("token").value.trim()));
  $("token").value = "";
  beginPage();
});
$("by-id").addEventListener("submit", async (event) => { event.preventDefault(); if (await addById()) search(); });
$("save").addEventListener("submit", (event) => { event.preventDefault(); tags.save(); });
$("clear").addEventListener("click", () => { marks.clear(); $("more").open = false; showOthers(); });
$("go").addEventListener("click", search);
$("undo").addEventListener("click", undo);
$("others").addEventListener("click", showOthers);
document.addEventListener("keydown", onKey);
beginPage();
