// Opens the page without a network: the newest files when there is one, the last ones otherwise.

const CACHE = "lunar-label-page";
const FILES = [
  "/label", "/static/icon.svg", "/static/api.js", "/static/common.css", "/static/dom.js",
  "/static/label/label.css",
  "/static/label/label.js", "/static/label/queue.js", "/static/label/pictures.js",
  "/static/label/view.js", "/static/label/relabel.js", "/static/label/kept.js",
  "/static/label/keys.js", "/static/label/token.js", "/static/label/offline.js",
];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

for (const event of ["activate", "message"]) self.addEventListener(event, (each) => each.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (!FILES.includes(url.pathname)) return;
  event.respondWith((async () => {
    const cache = await caches.open(CACHE);
    try {
      const reply = await fetch(event.request);
      if (reply.ok) await cache.put(url.pathname, reply.clone());
      return reply;
    } catch (error) {
      const kept = await cache.match(url.pathname);
      if (kept) return kept;
      throw error;
    }
  })());
});
