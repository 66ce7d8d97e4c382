// The page asks for a document, shows it, and asks for the next one, which the
// server gives when there is one: each second, or less often if there is much to
// read. It rests while nobody sees it.
import { byId, el, setText } from "./dom.js";
import * as format from "./format.js";
import { updateFindings } from "./findings.js";
import { updateLinks } from "./links.js";
import { stateNames, states, Streams } from "./streams.js";

const findingsPause = 30_000, retryPause = 2_000; // milliseconds

const streams = new Streams();
const wish = readWish();
let seq = 0; // of the document that is shown
let asking = null; // what ends the request that waits for an answer
let paused = false;
let doctor = false; // whether somebody looks for findings
let answered = null; // time of the last document

// readWish takes what is wanted from the page's address, so that it can be
// passed on and outlives a reload.
function readWish() {
  const from = new URLSearchParams(location.search);
  return { router: from.get("router") ?? "", q: from.get("q") ?? "", state: from.get("state") ?? "", top: from.get("top") ?? "" };
}

function query(more = {}) {
  const to = new URLSearchParams();
  for (const [key, value] of Object.entries({ ...wish, ...more })) if (value) to.set(key, value);
  return to;
}

// want changes what is wanted, and asks for it at once.
function want(change) {
  if (Object.entries(change).every(([key, value]) => wish[key] === value)) return;
  Object.assign(wish, change);
  const search = query().toString();
  history.replaceState(null, "", search ? `?${search}` : location.pathname);
  seq = 0;
  asking?.abort();
}

const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));

const resting = () => paused || document.hidden;

// awake resolves when the page is seen and not paused.
function awake() {
  if (!resting()) return Promise.resolve();
  return new Promise((resolve) => wakers.push(resolve));
}
const wakers = [];

function wake() {
  if (resting()) asking?.abort();
  else for (const resolve of wakers.splice(0)) resolve();
}

async function ask(path, signal) {
  const answer = await fetch(path, { signal });
  if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
  return answer.json();
}

async function follow() {
  for (;;) {
    await awake();
    asking = new AbortController();
    try {
      show(await ask(`api/page?${query({ after: seq })}`, asking.signal));
      trouble("");
    } catch (error) {
      if (error.name === "AbortError") continue;
      trouble(error instanceof TypeError
        ? `The program does not answer${answered ? `: what is below is of ${format.clock(answered)}` : ""}. Trying again.`
        : `${error.message}. Trying again.`);
      await pause(retryPause);
    }
  }
}

async function followFindings() {
  for (;;) {
    await awake();
    if (doctor) {
      try {
        updateFindings(await ask("api/findings"));
      } catch { /* follow says what is wrong */ }
    }
    await pause(doctor ? findingsPause : 500);
  }
}

function trouble(text) {
  const where = byId("trouble");
  setText(where, text);
  where.hidden = !text;
  document.body.classList.toggle("stale", text !== "");
}

function show(doc) {
  if (doc.error) throw new Error(`The router does not answer: ${doc.error}`);
  seq = doc.seq;
  answered = doc.time;
  doctor = doc.doctor;
  setText(byId("program"), `${doc.program} on ${doc.host}`);
  document.title = `${doc.host}: multicast routing`;
  setText(byId("version"), `${doc.program} ${doc.version}`);
  showClock(doc);
  showRouters(doc);
  showTotals(doc.totals);
  showStates(doc.totals.states);
  streams.update(doc.rows, doc.time);
  updateLinks(doc.links);
  const all = Object.values(doc.totals.states).reduce((sum, n) => sum + n, 0);
  const none = byId("none");
  none.hidden = doc.rows.length > 0;
  setText(none, all > 0 ? `None of ${format.count(all)} is like that.` : "There is no rule, and no stream.");
  showOmitted(doc);
}

function showClock(doc) {
  const rare = doc.gap > 1.5 ? `, every ${Math.round(doc.gap)} s` : "";
  setText(byId("clock"), paused ? `Paused at ${format.clock(doc.time)}` : format.clock(doc.time) + rare);
}

function showOmitted(doc) {
  const omitted = byId("omitted");
  omitted.hidden = doc.omitted === 0;
  setText(omitted.querySelector("span"),
    `${format.count(doc.rows.length)} of ${format.count(doc.rows.length + doc.omitted)} are shown: those in trouble, and those with the most packets.`);
  byId("more").hidden = doc.rows.length >= 1000;
}

const routerSelect = byId("router");

function showRouters(doc) {
  byId("router-choice").hidden = doc.routers.length < 2;
  const names = [...routerSelect.options].map((option) => option.value);
  if (names.join("\n") !== doc.routers.join("\n")) {
    routerSelect.replaceChildren(...doc.routers.map((name) => {
      const option = el("option", "", name);
      option.value = name;
      return option;
    }));
  }
  if (routerSelect.value !== doc.router && document.activeElement !== routerSelect) routerSelect.value = doc.router;
  byId("state-link").href = `api/state?${new URLSearchParams({ router: doc.router })}`;
}

// Totals: a name, and what is said of it.
const totals = {};

function total(name, text, note = "", kind = "") {
  if (!totals[name]) {
    totals[name] = { value: el("dd"), note: el("dd", "note") };
    totals[name].node = el("div", "", el("dt", "", name), totals[name].value, totals[name].note);
    byId("totals").append(totals[name].node);
  }
  const t = totals[name];
  setText(t.value, text);
  setText(t.note, note);
  t.node.className = kind;
}

function showTotals(t) {
  const n = (state) => t.states[state] ?? 0;
  const flowing = n("flowing"), bad = n("wrong") + n("silent");
  total("Flowing", format.count(flowing), flowing === 1 ? "stream" : "streams");
  total("In trouble", format.count(bad), "silent, or wrong input", bad ? "warn" : "");
  total("Pending", format.count(n("pending")), "rules and groups", n("pending") ? "bad" : "");
  total("Packets", t.known ? format.packets(t.packets) : format.unknown, "a second");
  const [number, unit] = t.known ? format.bits(t.bits) : [format.unknown, "bit"];
  total("Load", number, `${unit}/s`);
  total("Interfaces", `${t.vifs} + ${t.mifs}`, t.tables > 1 ? `IPv4 + IPv6, and ${t.tables - 1} more tables` : "IPv4 + IPv6, of 32", Math.max(t.vifs, t.mifs) >= 29 ? "warn" : "");
  total("Learned", format.count(t.flows.learned + t.flows.stopped), t.flows.limit ? `of ${format.count(t.flows.limit)} flows` : "flows, without a limit", t.flows.full ? "bad" : "");
  total("Joined", format.count(t.joined), t.joined === 1 ? "group" : "groups");
}

// The buttons that choose a state.
const stateButtons = new Map(["", ...states].map((state) => {
  const number = el("span", "count");
  const button = el("button", state, state ? stateNames[state] : "All", " ", number);
  button.type = "button";
  button.addEventListener("click", () => want({ state }));
  byId("states").append(button);
  return [state, { button, number }];
}));

function showStates(counts) {
  let all = 0;
  for (const n of Object.values(counts)) all += n;
  for (const [state, { button, number }] of stateButtons) {
    const n = state ? counts[state] ?? 0 : all;
    setText(number, format.count(n));
    button.hidden = n === 0 && state !== "" && state !== wish.state;
    button.setAttribute("aria-pressed", String(state === wish.state));
  }
}

const text = byId("text");
text.value = wish.q;
let typing = 0;
text.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => want({ q: text.value.trim() }), 200);
});
byId("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  want({ q: text.value.trim() });
});
routerSelect.addEventListener("change", () => {
  streams.forget();
  want({ router: routerSelect.value });
});
byId("more").addEventListener("click", () => want({ top: "1000" }));
byId("pause").addEventListener("click", (event) => {
  paused = !paused;
  event.currentTarget.setAttribute("aria-pressed", String(paused));
  setText(byId("clock"), paused && answered ? `Paused at ${format.clock(answered)}` : byId("clock").textContent);
  wake();
});
document.addEventListener("visibilitychange", wake);

follow();
followFindings();
