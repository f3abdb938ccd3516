// Lets the page open without a network.

// The page that a token reloads may begin before the worker is there, and would stay without it.
export async function workOffline() {
  const worker = navigator.serviceWorker;
  await worker.register("/label/worker.js", { scope: "/label" });
  const { active } = await worker.ready;
  if (!worker.controller) active.postMessage("claim");
}
