// Keeps answers on this device until the server has confirmed them, and sends them.
//
// An answer is in localStorage before the next crater is shown. It is sent under an id of its own,
// so that sending it again after a lost reply does no harm.

import { call } from "/static/api.js";

const PENDING = "lunar-label:vote:", REFUSED = "lunar-label:refused:";
const MOST_AT_ONCE = 50;
const RETRY_S = [1, 2, 5, 10, 20];

const keys = (prefix) => Object.keys(localStorage).filter((key) => key.startsWith(prefix)).sort();
const read = (key) => JSON.parse(localStorage.getItem(key));

export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();  // missing on plain http from elsewhere
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export class Queue {
  // `changed` is called whenever the state has; `confirmed` with the votes that were stored.
  constructor(changed, confirmed) {
    this.changed = changed;
    this.confirmed = confirmed;
    this.problem = "";
    this.sending = null;
    this.failures = 0;
    this.timer = 0;
    addEventListener("online", () => this.send());
  }

  pending() { return keys(PENDING).map(read); }
  refused() { return keys(REFUSED).map(read); }

  // Refused answers once more, under their ids: what refused them may have been mended.
  resend() {
    for (const { reason, ...vote } of this.refused()) this.add(vote);
    this.drop();
  }

  // Refused answers are no labels; who has read why may let them go.
  drop() {
    for (const key of keys(REFUSED)) localStorage.removeItem(key);
    this.changed();
  }

  // Throws when the device has no room left: then the answer must not look as if it were kept.
  add(vote) {
    this.last = Math.max(Date.now(), (this.last ?? 0) + 1);
    const order = String(this.last).padStart(15, "0");
    localStorage.setItem(`${PENDING}${order}:${vote.vote_id}`, JSON.stringify(vote));
    this.changed();
    this.send();
  }

  send() {
    clearTimeout(this.timer);
    this.sending ??= this.sendAll().finally(() => { this.sending = null; this.changed(); });
    return this.sending;
  }

  async sendAll() {
    for (;;) {
      const batch = keys(PENDING).slice(0, MOST_AT_ONCE);
      if (!batch.length) return;
      const votes = batch.map(read);
      let receipts;
      try {
        const reply = await call("/v1/label/votes", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ votes }),
        });
        ({ receipts } = await reply.json());
      } catch (error) {
        if (error.body?.receipts) {  // every one was refused
          this.settle(batch, votes, error.body.receipts);
          continue;
        }
        this.problem = error.message;
        const pause = RETRY_S[Math.min(this.failures++, RETRY_S.length - 1)];
        this.timer = setTimeout(() => this.send(), 1000 * pause);
        return;
      }
      this.problem = "";
      this.failures = 0;
      this.settle(batch, votes, receipts);
    }
  }

  settle(batch, votes, receipts) {
    const stored = [];
    receipts.forEach((receipt, k) => {
      if (receipt.outcome === "refused") {
        const kept = { ...votes[k], reason: receipt.reason };
        localStorage.setItem(`${REFUSED}${votes[k].vote_id}`, JSON.stringify(kept));
      } else {
        stored.push(votes[k]);
      }
      localStorage.removeItem(batch[k]);
    });
    this.changed();
    this.confirmed(stored);
  }
}
