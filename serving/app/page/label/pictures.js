// Fetches pictures ahead, so that the next crater is there when the last one is answered.

import { call } from "/static/api.js";

const CACHE = "lunar-label-pictures";
const MOST = 400;
const AT_A_TIME = 3;  // a browser has 6 connections to a server: answers must find a free one
let alike = false;  // whether large pictures are stretched as all others
let edition = "";  // of the pictures: another crop set may have the same ids
const ready = new Map();  // path -> promise of an object URL
const waiting = [];  // paths and what begins them, the most urgent first
let running = 0;

// Where the browser allows it (https, or this machine) pictures also outlive a reload offline.
async function load(path) {
  const store = globalThis.caches ? await caches.open(CACHE) : null;
  let reply = await store?.match(path);
  if (!reply) {
    reply = await call(path);
    await store?.put(path, reply.clone()).catch(() => {});
  }
  const url = URL.createObjectURL(await reply.blob());
  const image = new Image();
  image.src = url;
  await image.decode();
  return url;
}

function beginNext() {
  while (running < AT_A_TIME && waiting.length) {
    running += 1;
    const { path, resolve } = waiting.shift();
    resolve(load(path).finally(() => { running -= 1; beginNext(); }));
  }
}

export function picture(path, urgent = false) {
  const place = waiting.findIndex((entry) => entry.path === path);
  if (urgent && place > 0) waiting.unshift(...waiting.splice(place, 1));
  if (!ready.has(path)) {
    const promise = new Promise((resolve) => {
      waiting[urgent ? "unshift" : "push"]({ path, resolve });
    });
    promise.catch(() => ready.delete(path));
    ready.set(path, promise);
    if (ready.size > MOST) forget(ready.keys().next().value);
    beginNext();
  }
  return ready.get(path);
}

function forget(path) {
  ready.get(path).then((url) => setTimeout(() => URL.revokeObjectURL(url), 60_000), () => {});
  ready.delete(path);
}

// Whether the image could be had; an older picture goes at once, so that none is taken for another.
export async function show(image, path) {
  if (image.dataset.path !== path) image.removeAttribute("src");
  image.dataset.path = path;
  try {
    const url = await picture(path, true);
    if (image.dataset.path !== path) return false;
    image.src = url;
    return true;
  } catch {
    return false;
  }
}

export async function clear() {
  ready.clear();
  if (globalThis.caches) await caches.delete(CACHE);
}

export const setEdition = (text) => { edition = encodeURIComponent(text); };
export const setAlike = (on) => { alike = on; };

const path = (kind, id) => `/v1/label/${kind}/${encodeURIComponent(id)}.png?edition=${edition}`;
export const cropPath = (id) => path("crops", id);
export const detailPath = (id) => `${path("pictures", id)}${alike ? "&stretch=alike" : ""}`;
export const aroundPath = (id) => path("surroundings", id);
