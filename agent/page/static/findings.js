// What the doctor says.
import { byId, el, setText } from "./dom.js";
import * as format from "./format.js";

const severities = { broken: "Broken", risk: "Risk", note: "Note" };

function finding(f) {
  const item = el("li", `finding ${f.severity in severities ? f.severity : "note"}`);
  const title = el("p", "", el("strong", "severity", severities[f.severity] ?? f.severity), " ");
  if (f.subject) title.append(el("span", "mono", f.subject), " ");
  title.append(f.text);
  item.append(title);
  if (f.evidence?.length) item.append(el("pre", "evidence", f.evidence.join("\n")));
  if (f.fix) item.append(el("p", "dim", "To mend it:"), el("pre", "fix", f.fix));
  return item;
}

let drawn = "";

// updateFindings shows an answer of /api/findings.
export function updateFindings(answer) {
  byId("doctor").hidden = false;
  setText(byId("doctor-time"), `looked at ${format.clock(answer.time)}`);
  const none = byId("doctor-none");
  none.hidden = answer.findings.length > 0;
  setText(none, answer.error ? `Nothing is known: ${answer.error}` : "Nothing was found that keeps packets from their way.");
  const drawing = JSON.stringify(answer.findings);
  if (drawing === drawn) return; // so that a selection stays
  drawn = drawing;
  byId("findings").replaceChildren(...answer.findings.map(finding));
}
