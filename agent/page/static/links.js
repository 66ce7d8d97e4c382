// The table of interfaces.
import { arrange, byId, el, setClass, setText } from "./dom.js";
import * as format from "./format.js";

const body = byId("links").querySelector("tbody");
let rows = new Map();

function newRow() {
  const cells = Array.from({ length: 10 }, (_, i) => el(i === 0 ? "th" : "td", i > 1 ? "number" : i === 0 ? "mono" : ""));
  cells[0].scope = "row";
  return { cells, node: el("tr", "", ...cells) };
}

// load fills in three cells.
function load(cells, load) {
  setText(cells[0], load.streams ? format.count(load.streams) : "");
  setText(cells[1], load.streams ? format.packets(load.packets) : "");
  setText(cells[2], load.streams ? format.bits(load.bits).join(" ") : "");
}

export function updateLinks(links) {
  const before = rows;
  rows = new Map();
  for (const link of links) {
    const row = before.get(link.index) ?? newRow();
    rows.set(link.index, row);
    const pods = link.pods ?? [];
    setText(row.cells[0], link.name + (pods.length === 1 ? ` (${pods[0]})` : pods.length ? ` (${pods.length} pods)` : ""));
    setText(row.cells[1], !link.up ? "down" : link.multicast ? "up" : "up, no multicast");
    setText(row.cells[2], link.vif === null ? "" : String(link.vif));
    setText(row.cells[3], link.mif === null ? "" : String(link.mif));
    load(row.cells.slice(4, 7), link.in);
    load(row.cells.slice(7, 10), link.out);
    setClass(row.node, link.up ? "" : "down");
  }
  arrange(body, [...rows.values()].map((row) => row.node));
}
