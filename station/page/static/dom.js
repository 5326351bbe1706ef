// Elements from data. Text is set as text, always: what a node is called, says or fails with may be HTML, and is none.

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Only where it differs: a screen reader, a selection and the browser's work are spared.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let numbers = 0;

export function section(title, ...children) {
  const id = `s${++numbers}`;
  return make("section", { "aria-labelledby": id }, make("h2", { id }, title), ...children);
}
