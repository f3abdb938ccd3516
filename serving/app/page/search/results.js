// Draws craters as cards, a part at a time, and moves among them by keyboard.

import { place } from "/static/api.js";
import { $, element } from "/static/dom.js";
import { dropWaiting, show } from "./pictures.js";

const PART = 60;

export class Results {
  // `mark(id, side)` is called when a button of a card is pressed, `closer(crater)` for a picture.
  constructor(mark, closer) {
    this.mark = mark;
    this.closer = closer;
    this.list = $("found");
    this.clear();
    new IntersectionObserver((seen) => { if (seen.some((each) => each.isIntersecting)) this.drawPart(); })
      .observe($("further"));
    $("further").addEventListener("click", () => this.drawPart());
    this.list.addEventListener("focusin", (event) => this.rove(event.target.closest(".card")));
  }

  clear() {
    dropWaiting();
    this.craters = [];
    this.drawn = 0;
    this.divided = false;
    this.list.replaceChildren();
    $("further").hidden = true;
  }

  add(craters, sideOf) {
    this.sideOf = sideOf;
    this.craters.push(...craters);
    if (this.drawn < PART) this.drawPart();
    $("further").hidden = this.drawn >= this.craters.length;
  }

  drawPart() {
    const upTo = Math.min(this.drawn + PART - (this.drawn % PART), this.craters.length);
    const cards = [];
    for (; this.drawn < upTo; this.drawn += 1) {
      const crater = this.craters[this.drawn];
      if (crater.score < 0 && !this.divided) {
        this.divided = true;
        cards.push(element("li", "From here on, craters are more unlike your examples than like them.", "divider"));
      }
      cards.push(this.card(crater, this.drawn + 1));
    }
    this.list.append(...cards);
    if (!this.list.querySelector("[tabindex='0']")) this.rove(this.list.querySelector(".card"));
    $("further").hidden = this.drawn >= this.craters.length;
  }

  card(crater, rank) {
    const card = element("li", "", "card");
    card.tabIndex = -1;
    card.dataset.id = crater.crater_id;
    card.crater = crater;
    const image = element("img", "", "picture");
    image.alt = "";
    show(image, crater.crater_id);
    image.addEventListener("click", () => { card.focus(); this.closer(crater); });
    const text = element("span", "", "text");
    const score = crater.score === undefined ? "" : crater.score.toFixed(1).replace("-", "−");
    text.append(element("b", `${crater.diameter_km.toFixed(1)} km`), element("span", score));
    const pair = element("span", "", "pair");
    for (const [key, sign, side, says] of [["y", "✓", true, "Of the kind"], ["n", "✗", false, "Not of the kind"]]) {
      const button = element("button", `${sign} `, key);
      button.type = "button";
      button.tabIndex = -1;
      button.setAttribute("aria-label", says);
      button.append(element("kbd", key));
      button.addEventListener("click", () => {
        card.focus();
        this.mark(crater.crater_id, this.sideOf(crater.crater_id) === side ? undefined : side);
      });
      pair.append(button);
    }
    card.append(image, text, pair);
    card.dataset.about = `${rank}: ${crater.crater_id}, ${place(crater)}`;
    card.title = card.dataset.about;
    this.dress(card);
    return card;
  }

  dress(card) {
    const side = this.sideOf(card.dataset.id);
    card.classList.toggle("yes", side === true);
    card.classList.toggle("no", side === false);
    const says = side === undefined ? "not marked" : side ? "of the kind" : "not of the kind";
    card.setAttribute("aria-label", `${card.dataset.about}, ${says}`);
  }

  // All cards, or the one of a crater.
  redress(id) {
    for (const card of this.list.querySelectorAll(".card")) {
      if (id === null || card.dataset.id === id) this.dress(card);
    }
  }

  rove(card) {
    if (!card) return;
    this.list.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
    card.tabIndex = 0;
  }

  current() { return this.list.querySelector(".card[tabindex='0']"); }
  focus(card = this.current()) { card?.focus(); card?.scrollIntoView({ block: "nearest" }); }
  focusOn(id) { this.focus([...this.list.querySelectorAll(".card")].find((card) => card.dataset.id === id)); }

  step(by) {
    let cards = [...this.list.querySelectorAll(".card")];
    const at = cards.indexOf(this.current());
    if (at + by >= cards.length) { this.drawPart(); cards = [...this.list.querySelectorAll(".card")]; }
    this.focus(cards[Math.min(Math.max(at + by, 0), cards.length - 1)]);
  }

  // The card in the next or former row that is nearest to this one's column.
  row(by) {
    const columns = getComputedStyle(this.list).gridTemplateColumns.split(" ").length;
    this.step(by * columns);
  }

  counts() {
    const sides = this.craters.map((crater) => this.sideOf(crater.crater_id)).filter((side) => side !== undefined);
    return { marked: sides.length, right: sides.filter(Boolean).length };
  }
}
