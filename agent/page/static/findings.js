// What the doctor says.
import { byId, el, setText } from "./dom.js";
import * as format from "./format.js";

const severities = { broken: "Broken", risk: "Risk", note: "Note" };

// about is what a finding is about: a flow, and where.
function about(f) {
  const words = [];
  if (f.group) words.push(`(${f.source ?? "*"}, ${f.group})`);
  if (f.link) words.push(f.link);
  return words.join(" ");
}

function finding(f) {
  const item = el("li", `finding ${f.severity in severities ? f.severity : "note"}`);
  const title = el("p", "", el("strong", "severity", severities[f.severity] ?? f.severity), " ");
  const where = about(f);
  if (where) title.append(el("span", "mono where", where), " ");
  title.append(f.text);
  item.append(title);
  const more = [...(f.evidence ?? [])];
  if (more.length) item.append(el("pre", "evidence", more.join("\n")));
  if (f.fix?.length) item.append(el("pre", "fix", f.fix.join("\n")));
  if (f.doc) item.append(el("p", "dim", `More in ${f.doc}`));
  return item;
}

let drawn = "";

// updateFindings shows an answer of /api/findings.
export function updateFindings(answer) {
  byId("doctor").hidden = false;
  setText(byId("doctor-time"), `looked at ${format.clock(answer.time)}`);
  const unseen = (answer.unseen ?? []).map((u) => `Not looked at: ${u.what}, as ${u.why}.`);
  const words = [];
  if (answer.error) words.push(`Nothing is known: ${answer.error}.`);
  else if (answer.blind) words.push("Little is known, as the router does not answer.");
  else if (answer.findings.length === 0) words.push("Nothing was found that keeps packets from their way.");
  const none = byId("doctor-none");
  setText(none, [...words, ...unseen].join(" "));
  none.hidden = none.textContent === "";
  const drawing = JSON.stringify(answer.findings);
  if (drawing === drawn) return; // so that a selection stays
  drawn = drawing;
  byId("findings").replaceChildren(...answer.findings.map(finding));
}
