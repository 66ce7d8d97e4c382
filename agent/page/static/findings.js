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

// finding is one, whose evidence and cure are to be opened, unless packets are lost by it.
function finding(f) {
  const title = el("summary", "", el("strong", "severity", severities[f.severity] ?? f.severity), " ");
  const where = about(f);
  if (where) title.append(el("span", "mono where", where), " ");
  title.append(f.text);
  const more = el("details", "", title);
  more.open = f.severity === "broken";
  if (f.evidence?.length) more.append(el("pre", "evidence", f.evidence.join("\n")));
  if (f.fix?.length) more.append(el("pre", "fix", f.fix.join("\n")));
  if (f.doc) more.append(el("p", "dim", `More in ${f.doc}`));
  return el("li", `finding ${f.severity in severities ? f.severity : "note"}`, more);
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
  if (answer.omitted) words.push(`And ${format.count(answer.omitted)} more, which smcroutectl doctor tells.`);
  const none = byId("doctor-none");
  setText(none, [...words, ...unseen].join(" "));
  none.hidden = none.textContent === "";
  const drawing = JSON.stringify(answer.findings);
  if (drawing === drawn) return; // so that a selection stays
  drawn = drawing;
  byId("findings").replaceChildren(...answer.findings.map(finding));
}
