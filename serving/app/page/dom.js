// Finds and makes elements; text is never taken as HTML.

export const $ = (id) => document.getElementById(id);

export function element(tag, text = "", name = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

export const count = (number) => number.toLocaleString("en");
