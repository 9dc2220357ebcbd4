// Elements without markup: whatever a stranger wrote becomes text, and nothing else.

const SVG = "http://www.w3.org/2000/svg";

/** An element. `props`: on… are listeners, `class`, `style` (an object), dataset as data-…; undefined and false are left out. */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same, of SVG. */
export function s(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [rule, given] of Object.entries(value)) element.style.setProperty(rule, given);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

/** Append children: nodes, texts, numbers, arrays of them; null, undefined and false are left out. */
export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Put `children` in the place of what is in `element`. */
export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]/g;

/** A stranger's text without characters that steer the direction of what stands around it. */
export function plain(text) {
  return String(text ?? "").replace(STEERING, "");
}

/** A stranger's text as an element of its own direction. */
export function foreign(text, tag = "bdi", props = {}) {
  return h(tag, { dir: "auto", ...props }, plain(text));
}

/** A stranger's address if a browser may follow it, else null. */
export function safeUrl(url) {
  try {
    const parsed = new URL(url);
    return ["http:", "https:"].includes(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}
