// Elements of the page. Text is only ever text: nothing here makes markup of a
// string, and the page's policy would not let it.

const svgNamespace = "http://www.w3.org/2000/svg";

// el makes an element with a class, if it is not "", and with children: nodes, or
// strings as text.
export function el(name, className = "", ...children) {
  const e = document.createElement(name);
  if (className) e.className = className;
  e.append(...children);
  return e;
}

// svg makes an element of a drawing.
export function svg(name, attributes, ...children) {
  const e = document.createElementNS(svgNamespace, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

export const byId = (id) => document.getElementById(id);

// setText touches the page only if something changes, so that a selection stays.
export function setText(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

export function setClass(e, className) {
  if (e.className !== className) e.className = className;
}

// arrange makes the children of e these nodes, in this order.
export function arrange(e, nodes) {
  let at = e.firstChild;
  for (const node of nodes) {
    if (node === at) at = at.nextSibling;
    else e.insertBefore(node, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}
