// Numbers and times for people.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const unknown = "\u2013"; // an en dash

export const count = (n) => whole.format(n);

// packets are a rate of packets, in full.
export function packets(n) {
  if (n === null || n === undefined) return unknown;
  return n === 0 || n >= 9.95 ? whole.format(n) : tenth.format(n);
}

// scaled is a number with three digits, and a prefix of its unit, apart.
function scaled(n, prefixes, base) {
  let i = 0;
  while (n >= base * 0.9995 && i < prefixes.length - 1) {
    n /= base;
    i++;
  }
  const digits = n >= 99.95 || n === 0 ? 0 : n >= 9.995 ? 1 : 2;
  return [n.toFixed(i === 0 && n >= 9.995 ? 0 : digits), prefixes[i]];
}

// bits is a rate of bits: the number, and its unit.
export function bits(n) {
  if (n === null || n === undefined) return [unknown, ""];
  const [number, prefix] = scaled(n, ["", "k", "M", "G", "T"], 1000);
  return [number, prefix + "bit"];
}

export function bytes(n) {
  const [number, prefix] = scaled(n, ["", "k", "M", "G", "T", "P"], 1000);
  return `${number} ${prefix}B`;
}

// duration is a time in seconds, in its two largest units.
export function duration(s) {
  s = Math.max(0, Math.floor(s));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

// clock is a time of the day here.
export function clock(time) {
  const t = new Date(time);
  const two = (n) => String(n).padStart(2, "0");
  return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}
