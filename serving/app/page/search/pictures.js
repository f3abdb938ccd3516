// Loads pictures of reference craters, a few at a time, those asked for last first.

import { call, craterPath } from "/static/api.js";

const AT_A_TIME = 4;  // a browser has 6 connections to a server: searches must find a free one
const MOST = 1000;
const urls = new Map();  // id -> promise of an object URL
let waiting = [], running = 0, failed = () => {};

export const onFailure = (tell) => { failed = tell; };

async function load(id) {
  const reply = await call(`${craterPath(id)}/image.png`);
  return URL.createObjectURL(await reply.blob());
}

function beginNext() {
  while (running < AT_A_TIME && waiting.length) {
    running += 1;
    const { id, resolve } = waiting.shift();
    resolve(load(id).finally(() => { running -= 1; beginNext(); }));
  }
}

function picture(id) {
  if (!urls.has(id)) {
    const promise = new Promise((resolve) => { waiting.push({ id, resolve }); });
    promise.catch((error) => { urls.delete(id); failed(error); });
    urls.set(id, promise);
    if (urls.size > MOST) forget(urls.keys().next().value);
    beginNext();
  }
  return urls.get(id);
}

// A picture that is shown already stays; its URL goes a minute later.
function forget(id) {
  urls.get(id).then((url) => setTimeout(() => URL.revokeObjectURL(url), 60_000), () => {});
  urls.delete(id);
}

// Results of an older search need no pictures any more.
export function dropWaiting() {
  for (const { id } of waiting) urls.delete(id);
  waiting = [];
}

export async function show(image, id) {
  image.dataset.id = id;
  image.removeAttribute("src");
  const url = await picture(id).catch(() => null);
  if (url && image.dataset.id === id) image.src = url;
}
