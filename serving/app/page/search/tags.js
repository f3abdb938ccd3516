// Shows the named tags, goes on with one, and saves the marks as one.

import { call, getJson, postJson } from "/static/api.js";
import { $, count, element } from "/static/dom.js";

const path = (name) => `/v1/tags/${encodeURIComponent(name)}`;

export class Tags {
  // `taken` is called when the marks are those of a tag, `kept` when they are saved.
  constructor(marks, { say, fail, taken, kept }) {
    Object.assign(this, { marks, say, fail, taken, kept });
    this.members = null;  // of each name how many, or null if the server keeps none
  }

  async draw() {
    try {
      this.members = await getJson("/v1/tags");
    } catch (error) {
      this.members = null;
      $("save").hidden = true;
      $("tags").replaceChildren(element("span", error.message, "soft"));
      return;
    }
    $("save").hidden = false;
    $("tags").replaceChildren(...Object.entries(this.members).map(([name, members]) => {
      const button = element("button", `${name} · ${count(members)}`);
      button.type = "button";
      button.title = `Go on with the tag ${name}`;
      button.addEventListener("click", () => this.take(name));
      return button;
    }));
  }

  async take(name) {
    if (this.marks.unsaved.size) { this.say("Some marks are not saved yet: save them, or begin anew under “More”."); return; }
    try {
      this.marks.replace(await getJson(path(name)));
      $("name").value = name;
      this.taken();
    } catch (error) {
      this.fail(error);
    }
  }

  async save() {
    const name = $("name").value.trim();
    try {
      const parts = this.marks.toSave(name);
      if (!parts.length) { this.say("There is nothing to save: mark some craters first."); return; }
      for (const part of parts) await postJson(path(name), part);
      this.marks.saved(name);
      await this.draw();
      const saved = this.members?.[name] ?? this.marks.side(true).length;
      this.say(`Saved: the tag ${name} has ${count(saved)} craters.`, true);
      this.kept();
    } catch (error) {
      this.fail(error);
    }
  }
}
