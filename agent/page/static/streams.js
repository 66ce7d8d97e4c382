// The table of streams: one row for each, which stays the same element while it
// is shown, and one with details under it if somebody wants them.
import { arrange, byId, el, setClass, setText } from "./dom.js";
import * as format from "./format.js";
import { History, Spark } from "./spark.js";

// How many interfaces a row shows before it says "and so many more".
const shown = 8;

export const states = ["pending", "wrong", "silent", "waiting", "flowing", "stopped", "foreign"];

export const stateNames = {
  pending: "Pending",
  wrong: "Wrong interface",
  silent: "Silent",
  waiting: "No packet yet",
  flowing: "Flowing",
  stopped: "Stopped",
  foreign: "Another program\u2019s",
};

const explanations = {
  wrong: "Most packets arrive on another interface than the one that they are expected on.",
  silent: "There were packets, and now there are none.",
  waiting: "Installed, and no packet has arrived.",
  stopped: "No rule says where these packets should go.",
  foreign: "Another program has put this into the kernel.",
};

const kinds = {
  static: "a rule for this sender and group",
  learned: "learned from packets, by a rule for more",
  "stop-filter": "stopped: no rule wants it",
  rule: "a rule that waits for packets",
  mroute: "a rule that is not wholly in the kernel",
  mgroup: "a membership that is not in the kernel",
};

// addressKey has addresses sort as numbers do.
const addressKey = (text) => text.replace(/\d+/g, (digits) => digits.padStart(10, "0"));

const orders = {
  state: (a, b) => states.indexOf(a.state) - states.indexOf(b.state),
  group: () => 0,
  source: (a, b) => compare(addressKey(a.source), addressKey(b.source)),
  iif: (a, b) => compare(a.iif.name, b.iif.name),
  packets: (a, b) => (b.packet_rate ?? -1) - (a.packet_rate ?? -1),
  bits: (a, b) => (b.bit_rate ?? -1) - (a.bit_rate ?? -1),
};

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

const byGroup = (a, b) =>
  compare(addressKey(a.group), addressKey(b.group)) || compare(addressKey(a.source), addressKey(b.source)) || compare(a.id, b.id);

// endText is an interface in words.
function endText(end) {
  if (!end.name) return "an interface that is gone";
  return end.down ? `${end.name} (down)` : end.name;
}

// endNode shows an interface, and the pods behind it.
function endNode(end) {
  const node = el("span", end.down || !end.name ? "end down" : "end", el("span", "name", endText(end)));
  const pods = end.pods ?? [];
  if (pods.length > 2) node.append(" ", el("span", "pod", `${pods.length} pods`));
  else for (const pod of pods) node.append(" ", el("span", "pod", pod));
  return node;
}

class Row {
  #data = null;
  #history = new History();
  #spark = new Spark();
  #button = el("button", "state");
  #group = el("td", "group mono");
  #sender = el("div", "hop mono");
  #iif = el("div", "hop mono");
  #oifs = el("ul", "outs mono");
  #reason = el("p", "reason");
  #packets = el("td", "number packets");
  #bits = el("td", "number bits");
  #detail = el("tr", "detail");
  #facts = el("dl");
  #drawn = "";
  node = el("tr", "stream",
    el("td", "state-cell", this.#button), this.#group, el("td", "sender-cell", this.#sender), el("td", "iif-cell", this.#iif),
    el("td", "outs-cell", el("div", "ends", this.#oifs, this.#reason)), this.#packets, this.#bits, el("td", "spark", this.#spark.node));

  constructor() {
    this.#button.type = "button";
    this.#button.setAttribute("aria-expanded", "false");
    this.#button.addEventListener("click", () => {
      this.#button.setAttribute("aria-expanded", String(!this.open));
      this.onToggle?.();
    });
    const cell = el("td", "", this.#facts);
    cell.colSpan = 8;
    this.#detail.append(cell);
  }

  get data() { return this.#data; }
  get open() { return this.#button.getAttribute("aria-expanded") === "true"; }

  // nodes are the elements of the table.
  get nodes() { return this.open ? [this.node, this.#detail] : [this.node]; }

  update(data, now) {
    this.#data = data;
    this.#history.add(now, data.packet_rate);
    setClass(this.node, `stream ${data.state}`);
    const name = stateNames[data.state] ?? data.state;
    setText(this.#button, data.state === "silent" && data.idle !== null ? `${name} ${format.duration(data.idle)}` : name);
    setText(this.#group, data.group);
    this.#path(data);
    const wrong = data.wrong_rate > 0 ? ` +${format.packets(data.wrong_rate)} wrong` : "";
    setText(this.#packets, format.packets(data.packet_rate) + wrong);
    const [number, unit] = format.bits(data.bit_rate);
    if (this.#bits.dataset.value !== number + unit) {
      this.#bits.dataset.value = number + unit;
      this.#bits.replaceChildren(number, el("span", "unit", unit));
    }
    this.#spark.draw(this.#history, now);
    if (this.open) this.details();
  }

  // path draws the way of the packets, if it is another one.
  #path(data) {
    const drawing = JSON.stringify([data.source, data.sender, data.iif, data.oifs, data.reason, data.kind]);
    if (drawing === this.#drawn) return;
    this.#drawn = drawing;
    const who = el("span", "who", el("span", "name", data.source === "*" ? "any" : data.source));
    if (data.sender) who.append(el("span", "pod", data.sender));
    this.#sender.replaceChildren(who);
    this.#iif.replaceChildren(endNode(data.iif));
    const ends = data.oifs.slice(0, shown).map((end) => el("li", end.down ? "down" : "", endNode(end)));
    if (data.oifs.length > shown) ends.push(el("li", "", el("span", "dim", `and ${data.oifs.length - shown} more`)));
    if (ends.length === 0) ends.push(el("li", "nothing dim", data.kind === "mgroup" ? "this node itself" : "nowhere"));
    this.#oifs.replaceChildren(...ends);
    this.#reason.hidden = !data.reason;
    setText(this.#reason, data.reason ?? "");
  }

  // details fills the row beneath.
  details() {
    const d = this.#data;
    const facts = [];
    const say = (name, text) => text && facts.push(el("div", "", el("dt", "", name), el("dd", "", text)));
    say("Why", d.reason ?? explanations[d.state]);
    say("What", kinds[d.kind]);
    say("From rule", d.origins?.join(", "));
    if (d.age > 0) {
      say("Packets", `${format.count(d.packets - d.wrong_if)} (${format.bytes(d.bytes)})`);
      say("On a wrong interface", d.wrong_if > 0 && `${format.count(d.wrong_if)} packets`);
      say("Last packet", d.idle === null ? "none yet" : d.idle < 1 ? "just now" : `${format.duration(d.idle)} ago`);
      say("Installed", `${format.duration(d.age)} ago`);
    }
    say("Table", d.table && String(d.table));
    say("In", endPods(d.iif));
    if (d.oifs.length > shown || d.oifs.some((end) => end.pods?.length > 2)) say("Out", d.oifs.map(endPods).map((t, i) => t || endText(d.oifs[i])).join(", "));
    this.#facts.replaceChildren(...facts);
  }
}

// endPods names all pods behind an interface, if a row does not.
const endPods = (end) => (end.pods?.length > 2 ? `${endText(end)}: ${end.pods.join(", ")}` : "");

export class Streams {
  #rows = new Map();
  #table = byId("streams");
  #body = this.#table.querySelector("tbody");
  #order = "group";

  constructor() {
    for (const head of this.#table.querySelectorAll("th[data-sort]")) {
      const button = el("button", "", head.textContent);
      button.type = "button";
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        this.#order = head.dataset.sort;
        this.#arrange();
      });
    }
    this.#arrange();
  }

  // forget drops all rows, and what they have seen: another router is shown.
  forget() { this.#rows.clear(); }

  update(rows, time) {
    const now = Date.parse(time) / 1000;
    const before = this.#rows;
    this.#rows = new Map();
    for (const data of rows) {
      let row = before.get(data.id);
      if (!row) {
        row = new Row();
        row.onToggle = () => {
          row.details();
          this.#arrange();
        };
      }
      row.update(data, now);
      this.#rows.set(data.id, row);
    }
    this.#arrange();
  }

  #arrange() {
    for (const head of this.#table.querySelectorAll("th[data-sort]")) {
      if (head.dataset.sort !== this.#order) head.removeAttribute("aria-sort");
      else head.setAttribute("aria-sort", ["packets", "bits"].includes(this.#order) ? "descending" : "ascending");
    }
    const order = orders[this.#order];
    const rows = [...this.#rows.values()].sort((a, b) => order(a.data, b.data) || byGroup(a.data, b.data));
    let group = null;
    for (const row of rows) {
      row.node.classList.toggle("same-group", row.data.group === group);
      group = row.data.group;
    }
    arrange(this.#body, rows.flatMap((row) => row.nodes));
    this.#table.hidden = rows.length === 0;
  }
}
