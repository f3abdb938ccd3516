// Talks to the server. Every failure becomes an Error whose message can be shown.

let token = "";
export const setToken = (text) => { token = text.trim(); };

export async function call(path, options = {}) {
  const headers = { ...(token && { authorization: `Bearer ${token}` }), ...options.headers };
  let reply;
  try {
    reply = await fetch(path, { ...options, headers });
  } catch {
    throw new Error("The server does not answer.");
  }
  if (reply.ok) return reply;
  const problem = await reply.json().catch(() => ({}));
  const error = new Error(problem.detail ?? `The server answered ${reply.status}.`);
  error.status = reply.status;
  error.body = problem;
  throw error;
}

export const getJson = async (path, options) => (await call(path, options)).json();

export const postJson = (path, body, options = {}) => call(path, {
  ...options, method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
});

// The objects of a reply of JSON lines, as many at once as have come.
export async function* jsonLines(reply) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch {
      throw new Error("The answer broke off; ask again.");
    }
    if (part.done) return;
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    if (lines.length) yield lines.map((line) => JSON.parse(line));
  }
}

// With a token images cannot be plain links, because links carry no header.
export async function showImage(image, path) {
  try {
    image.src = URL.createObjectURL(await (await call(path)).blob());
    image.onload = () => URL.revokeObjectURL(image.src);
  } catch {
    image.removeAttribute("src");
  }
}

export const craterPath = (id) => `/v1/craters/${encodeURIComponent(id)}`;

export const place = (crater) => {
  const { longitude_deg: lon, latitude_deg: lat, diameter_km: km } = crater;
  const side = (value, plus, minus) => `${Math.abs(value).toFixed(2)}°\u00a0${value < 0 ? minus : plus}`;
  return `${side(lat, "N", "S")} ${side(lon, "E", "W")}\u00a0· ${km.toFixed(1)}\u00a0km`;
};
