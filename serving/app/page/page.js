// Puts the page together: what is chosen, what is asked, what is shown.

import { call, craterPath, getJson, place, setToken, showImage } from "/static/api.js";
import { clusterColour } from "/static/colours.js";
import { CraterMap } from "/static/map.js";
import { Tiles } from "/static/tiles.js";
import { clearAnswer, showCluster, showLegend, showPrediction, showSimilar, showStatus } from "/static/result.js";

const $ = (id) => document.getElementById(id);
const TYPES = { png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", tif: "image/tiff", tiff: "image/tiff", npy: "application/x-npy" };
const TOP_K = 100;
const SIMILAR_SHOWN = 12;
const BROWSER_SHOWS = ["image/png", "image/jpeg"];
const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const map = new CraterMap($("map"), $("map-note"), showCrater);
let asked = 0;

// Only the newest question may change the page.
async function ask(question) {
  const mine = ++asked;
  $("result").classList.add("busy");
  showStatus("Asking the model…");
  try {
    const show = await question();
    if (mine !== asked) return;
    await show(() => mine === asked);
    if (mine !== asked) return;
    showStatus("");
    if (window.innerWidth < 900) $("result").scrollIntoView({ block: "start" });
  } catch (error) {
    if (mine !== asked) return;
    if (error.status === 401) $("access").open = true;
    clearAnswer();
    showStatus(error.message, true);
  } finally {
    if (mine === asked) $("result").classList.remove("busy");
  }
}

async function showAll(prediction, about, current) {
  if (prediction.error) throw new Error(prediction.error.message);
  $("more-like").hidden = true;
  showPrediction(prediction, about);
  showSimilar(prediction.similar, about.diameter, SIMILAR_SHOWN, showCrater);
  const members = prediction.cluster && await getJson(`/v1/clusters/${prediction.cluster.id}`).catch(() => null);
  if (current()) showCluster(prediction, members, showCrater);
}

function showCrater(id) {
  map.chooseById(id);
  $("crater-id").value = id;
  return ask(async () => {
    const path = `${craterPath(id)}?top_k=${TOP_K}`;
    const crater = await getJson(path);
    return async (current) => {
      $("more-like").firstElementChild.href = `/search?${new URLSearchParams({ like: id })}`;
      const { crater_id, longitude_deg: lon, latitude_deg: lat, diameter_km: km } = crater;
      if (map.current?.id !== id) map.choose({ id: crater_id, lon, lat, km }, false);
      if (crater.has_image) showImage($("crop"), `${craterPath(id)}/image.png`);
      else $("crop").src = "/static/icon.svg";
      const about = { title: `${id} · ${place(crater)}`, diameter: crater.diameter_km, request: `curl -s ${shell(location.origin + path)}` };
      await showAll(crater.prediction, about, current);
      $("more-like").hidden = $("to-search").hidden;
    };
  });
}

function showFile(file) {
  const type = TYPES[file.name.split(".").pop().toLowerCase()] ?? file.type ?? "application/octet-stream";
  return ask(async () => {
    const path = `/v1/classify?top_k=${TOP_K}`;
    const reply = await call(path, { method: "POST", headers: { "content-type": type }, body: file });
    const [prediction] = (await reply.json()).predictions;
    const request = `curl -s -H 'content-type: ${type}' --data-binary ${shell("@" + file.name)} ${shell(location.origin + path)}`;
    return async (current) => {
      if (BROWSER_SHOWS.includes(type)) $("crop").src = URL.createObjectURL(file);
      else $("crop").src = "/static/icon.svg";
      const title = prediction.sun_side ? `${file.name} · Sun in the ${prediction.sun_side}` : file.name;
      await showAll(prediction, { title, request }, current);
    };
  });
}

function showPlace(longitude, latitude, diameter) {
  return ask(async () => {
    const query = new URLSearchParams({ longitude_deg: longitude, latitude_deg: latitude, diameter_km: diameter, top_k: TOP_K });
    const path = `/v1/locate?${query}`;
    const found = await getJson(path);
    return async (current) => {
      $("crop").src = `data:image/png;base64,${found.image}`;
      const where = place({ longitude_deg: +longitude, latitude_deg: +latitude, diameter_km: +diameter });
      const about = { title: `Cut from the mosaic · ${where}`, diameter: +diameter, request: `curl -s ${shell(location.origin + path)}` };
      await showAll(found.prediction, about, current);
    };
  });
}

async function describe() {
  try {
    const [ready, model] = [await getJson("/ready"), await getJson("/v1/model")];
    const problem = ready.load_problem ?? ready.registry_problem;
    const version = model.model.version ? ` v${model.model.version}` : "";
    $("model").textContent = `${model.model.name ?? model.encoder}${version}${problem ? " · registry amiss" : ""}`;
    $("model").className = `chip ${problem ? "amiss" : "ready"}`;
    $("model").title = problem ?? `${model.encoder}, ${model.crop_size_px} px, ${model.embedding_dim} numbers`;
    $("context").textContent = model.context_diameters;
    $("locate").hidden = !model.mosaic;
    $("to-search").hidden = !model.reference_craters;
    if (model.release_craters) await showRelease(model.mosaic);
    else if (model.reference_craters) await showMap(model.mosaic);
  } catch (error) {
    $("model").textContent = error.status === 503 ? "no model yet" : error.message;
    $("model").className = "chip amiss";
    if (error.status === 401) $("access").open = true;
    if (error.status === 503) setTimeout(describe, 2000);
  }
}

async function mosaicPicture(wanted) {
  return wanted ? createImageBitmap(await (await call("/v1/mosaic.jpg")).blob()) : null;
}

async function showMap(hasMosaic) {
  const table = await getJson("/v1/map");
  const picture = await mosaicPicture(hasMosaic && table.mosaic_bounds_deg);
  $("map-box").hidden = false;
  map.show(table, picture);
  const [shown, total] = [table.crater_id.length, table.total];
  const drawn = shown < total ? `, the largest ${shown.toLocaleString("en")} drawn` : "";
  showLegend(table.cluster_id, `${total.toLocaleString("en")} craters${drawn}`, clusterColour);
}

// A release of any size: the map fetches what it shows.
async function showRelease(hasMosaic) {
  const release = await getJson("/v1/release");
  const picture = await mosaicPicture(hasMosaic && release.mosaic_bounds_deg);
  $("map-box").hidden = false;
  const tiles = new Tiles(release.levels, getJson, (problem) => {
    if (problem) $("map-note").value = problem.message;
    map.draw();
  });
  map.showTiles(tiles, release.mosaic_bounds_deg, picture);
  const count = `${release.craters.toLocaleString("en")} craters of a release, the largest in view drawn; zoom in for more`;
  showLegend(Object.keys(release.clusters).map(Number), count, clusterColour);
  $("legend").title = release.citation;
}

$("file").addEventListener("change", (event) => {
  if (event.target.files[0]) showFile(event.target.files[0]);
  event.target.value = "";
});
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files[0]) showFile(event.dataTransfer.files[0]);
  });
}
$("find").addEventListener("submit", (event) => { event.preventDefault(); showCrater($("crater-id").value.trim()); });
$("locate").addEventListener("submit", (event) => {
  event.preventDefault();
  showPlace($("lon").value, $("lat").value, $("diameter").value);
});
$("zoom-in").addEventListener("click", () => map.zoom(1.6));
$("zoom-out").addEventListener("click", () => map.zoom(1 / 1.6));
$("token").addEventListener("change", (event) => { setToken(event.target.value); describe(); });
$("token-form").addEventListener("submit", (event) => { event.preventDefault(); $("access").open = false; });
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText($("curl").textContent).catch(() => {});
  $("copy").textContent = "Copied";
  setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
});
describe();
