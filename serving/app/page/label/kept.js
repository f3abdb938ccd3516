// Holds what outlives a reload of the page, on this device.

const KEPT = { token: "lunar-label:token", setup: "lunar-label:setup", tasks: "lunar-label:tasks", after: "lunar-label:show-after" };

export const kept = (name) => JSON.parse(localStorage.getItem(KEPT[name]) ?? "null");
export const keep = (name, value) => localStorage.setItem(KEPT[name], JSON.stringify(value));
export const forget = (name) => localStorage.removeItem(KEPT[name]);
export const forgetAll = () => Object.keys(KEPT).forEach(forget);
