"use strict";
(() => {
const KEEP = 600, STALE = 3000;
const $ = s => document.querySelector(s), all = s => [...document.querySelectorAll(s)];
const STAGES = ["read", "queue", "bus_out", "handler_queue", "handler", "bus_back", "write"];
const SIGN = {normal: "●", intended: "◆", unknown: "?", amber: "▲", red: "■"};
const state = {boot: "", seq: 0, rows: [], heat: [], services: {}, view: null, got: 0, ticks: 0, skew: Infinity, day: null, cursor: null, hover: null, moment: null,
	wrong: false, open: new Set(), leader: false, trouble: ""};

// Building.
function el(tag, attrs, ...kids) {
	const e = document.createElement(tag);
	for (const k in attrs) if (attrs[k] !== undefined && attrs[k] !== null && attrs[k] !== false) e.setAttribute(k, attrs[k]);
	for (const k of kids.flat()) if (k !== null && k !== undefined) e.append(k);
	return e;
}
function svg(tag, attrs, ...kids) {
	const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
	for (const k in attrs) e.setAttribute(k, attrs[k]);
	e.append(...kids);
	return e;
}
const known = n => n !== null && n !== undefined;
const text = (e, s) => { if (e.textContent !== s) e.textContent = s; };

// Words.
function num(n) {
	if (!known(n)) return "–";
	if (n !== 0 && Math.abs(n) < 10 && n !== Math.trunc(n)) return n.toFixed(1);
	return Math.round(n).toLocaleString("en-US");
}
function pct(share) {
	if (!known(share)) return "–";
	const v = share * 100;
	if (v === 0) return "0 %";
	if (v < 0.01) return "< 0.01 %";
	if (v >= 100) return "100 %";
	if (v > 99.99) return "> 99.99 %";
	if (v >= 99.5) return Math.floor(v * 100) / 100 + " %";
	return (v >= 10 ? v.toFixed(0) : v >= 0.1 ? v.toFixed(1) : v.toFixed(2)) + " %";
}
function ms(n) {
	if (!known(n)) return "–";
	if (n >= 1000) return (n / 1000).toFixed(n < 10000 ? 2 : 1) + " s";
	if (n >= 100) return n.toFixed(0) + " ms";
	if (n >= 10) return n.toFixed(1) + " ms";
	if (n > 0 && n < 0.1) return Math.max(n * 1000, 1).toFixed(0) + " µs";
	return n.toFixed(2) + " ms";
}
function span(s) {
	if (!known(s)) return "–";
	if (s < 90) return Math.round(s) + " s";
	if (s < 5400) return Math.round(s / 60) + " min";
	if (s < 172800) return Math.round(s / 3600) + " h";
	return Math.round(s / 86400) + " d";
}
function size(b) {
	if (!known(b)) return "–";
	if (b < 1 << 20) return (b / 1024).toFixed(0) + " KiB";
	if (b < 1 << 30) return (b / (1 << 20)).toFixed(0) + " MiB";
	return (b / (1 << 30)).toFixed(1) + " GiB";
}
const two = n => String(n).padStart(2, "0");
const utc = t => { const d = new Date(t); return two(d.getUTCHours()) + ":" + two(d.getUTCMinutes()) + ":" + two(d.getUTCSeconds()); };
const local = t => { const d = new Date(t); return two(d.getHours()) + ":" + two(d.getMinutes()) + ":" + two(d.getSeconds()); };
const iso = s => new Date(s * 1000).toISOString().slice(0, 19) + "Z";

// The connection. One tab of a browser has it, and tells the others: a browser has six connections to a server.
const channel = "BroadcastChannel" in window ? new BroadcastChannel("nanofront-dash") : null;
const sleep = (t, signal) => new Promise(r => { const id = setTimeout(r, t); signal && signal.addEventListener("abort", () => { clearTimeout(id); r(); }, {once: true}); });
const headers = () => { const t = sessionStorage.getItem("token"); return t ? {Authorization: "Bearer " + t} : {}; };

async function ask(path, signal) {
	const r = await fetch(path, {headers: headers(), cache: "no-store", signal});
	if (r.status === 401) { locked(true); throw new Error("a token is asked for"); }
	if (!r.ok) throw new Error("the page's server says " + r.status + ": " + (await r.text()).trim().slice(0, 200));
	locked(false);
	return r;
}
function locked(yes) {
	document.body.classList.toggle("locked", yes);
	$("#login").hidden = !yes;
	if (yes && sessionStorage.getItem("token")) { text($("#refused"), "not this one"); sessionStorage.removeItem("token"); }
}

async function stream(signal) {
	let wait = 300;
	while (!signal.aborted) {
		const one = new AbortController(), stop = () => one.abort();
		signal.addEventListener("abort", stop, {once: true});
		let dog = setTimeout(stop, 8000);
		try {
			const r = await ask("stream?after=" + state.seq + "&boot=" + encodeURIComponent(state.boot), one.signal);
			const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
			let rest = "";
			for (;;) {
				const {value, done} = await reader.read();
				if (done) throw new Error("the page's server has ended the connection");
				clearTimeout(dog);
				dog = setTimeout(stop, 5000);
				rest += value;
				for (let i; (i = rest.indexOf("\n\n")) >= 0; rest = rest.slice(i + 2)) {
					const data = rest.slice(0, i).split("\n").filter(l => l.startsWith("data: ")).map(l => l.slice(6)).join("");
					if (!data) continue;
					const m = JSON.parse(data);
					wait = 300;
					state.trouble = "";
					take(m);
					channel && channel.postMessage(m);
				}
			}
		} catch (e) {
			if (!signal.aborted) state.trouble = one.signal.aborted ? "no news for 5 s, asking again" : String(e.message || e);
		} finally {
			clearTimeout(dog);
			signal.removeEventListener("abort", stop);
		}
		if (!signal.aborted) { beat(); await sleep(wait, signal); wait = Math.min(wait * 2, 3000); }
	}
}

// fill fetches what is missing.
let filling = false;
async function fill() {
	if (filling || document.hidden) return;
	filling = true;
	try {
		const r = await ask("since?after=" + state.seq + "&boot=" + encodeURIComponent(state.boot));
		take(await r.json(), Date.parse(r.headers.get("date")));
		state.trouble = "";
	}
	catch (e) { state.trouble = String(e.message || e); beat(); }
	filling = false;
}
if (channel) channel.onmessage = e => {
	if (state.leader || document.hidden) return;
	const first = e.data.points.rows.length ? e.data.points.rows[0][0] : 0;
	if (e.data.view.boot !== state.boot || first > state.seq + 1) { fill(); return; }
	take(e.data);
};
async function run() {
	for (;;) {
		if (document.hidden) await new Promise(r => document.addEventListener("visibilitychange", r, {once: true}));
		if (document.hidden) continue;
		const c = new AbortController();
		const hide = () => document.hidden && c.abort();
		document.addEventListener("visibilitychange", hide);
		try {
			const lead = async () => { state.leader = true; await stream(c.signal); };
			if (navigator.locks && channel) await navigator.locks.request("nanofront-dash", {signal: c.signal}, lead);
			else await lead();
		} catch (e) { /* hidden while waiting */ }
		state.leader = false;
		document.removeEventListener("visibilitychange", hide);
		await sleep(50);
	}
}
// Followers whose leader is silent look for themselves.
setInterval(() => { if (!document.hidden && !state.leader && age() > 3500) fill(); }, 2000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) { beat(); fill(); } });

// take takes in a view and the seconds before it. asked is when the server's clock said that it sent it, if it was
// asked just now: all else may have waited while this page, or the machine, slept.
function take(m, asked) {
	const v = m.view;
	if (!v) return;
	if (v.boot !== state.boot) Object.assign(state, {boot: v.boot, seq: 0, rows: [], heat: [], services: {}, day: null});
	if (v.seq < state.seq) return;
	const after = state.rows.length ? state.rows[state.rows.length - 1][0] : 0;
	state.rows.push(...m.points.rows.filter(r => r[0] > after));
	state.heat.push(...m.points.heat.filter(r => r[0] > after));
	state.heatFrom = m.points.heat_from_ms;
	for (const name in m.points.services) {
		const list = state.services[name] = state.services[name] || [];
		const last = list.length ? list[list.length - 1][0] : 0;
		list.push(...m.points.services[name].filter(r => r[0] > last));
	}
	const oldest = v.seq - KEEP;
	const trim = list => { let i = 0; while (i < list.length && list[i][0] <= oldest) i++; if (i) list.splice(0, i); };
	trim(state.rows); trim(state.heat);
	const names = new Set(v.services.map(s => s.name));
	for (const name in state.services) { trim(state.services[name]); if (!names.has(name)) delete state.services[name]; }
	state.seq = v.seq; state.view = v;
	const now = Date.now(), off = now - v.at_ms; // by two clocks, either of which may be set
	if (off < state.skew || asked - v.at_ms < STALE && off - state.skew > STALE / 2) state.skew = off;
	state.got = now - (off - state.skew); // when this was so
	state.ticks = performance.now() - (off - state.skew);
	if (!asked && stale()) fill();
	document.body.classList.remove("waiting");
	render();
}

// Showing.
let due = false;
function render() {
	if (due) return;
	due = true;
	requestAnimationFrame(() => { due = false; show(); });
}
function show() {
	const v = state.view;
	if (!v) return;
	header(v); tiles(v); services(v); events(v); rollout(v); stages(v); map(v); processes(v); plots();
}
// age is how old what is shown is, in ms. One of the clocks stands still while a machine sleeps, the other may be set.
function age() { return Math.max(Date.now() - state.got, performance.now() - state.ticks); }
function stale() { return !state.view || age() > STALE; }
function header(v) {
	document.title = SIGN[v.level] + " " + v.system + " – nanofront";
	text($("#system"), v.system);
	const old = stale();
	document.body.classList.toggle("stale", old);
	$("#strip").dataset.level = old ? "unknown" : v.level;
	text($("#sign"), old ? "?" : SIGN[v.level]);
	text($("#sentence"), old ? "No news for " + span(age() / 1000) + ": what is below is old" + (state.trouble ? " (" + state.trouble + ")" : "") : v.sentence);
	text($("#heard"), "heard " + v.heard + " of " + v.known + " processes");
	$("#heard").className = v.heard < v.known ? "bad" : "";
	text($("#etcd"), !v.etcd.used ? "static table, no etcd" : v.etcd.away ? "▲ etcd: no" : v.etcd.without ? "▲ etcd: not for " + v.etcd.without : "etcd: yes");
	$("#etcd").className = v.etcd.used && (v.etcd.away || v.etcd.without) ? "bad" : "";
	const list = v.problems.slice(0, 4).map(p => el("li", {"data-level": p.level},
		el("span", {class: "k-" + p.level}, SIGN[p.level]),
		el("span", {class: "text"}, (p.service ? p.service + ": " : "") + p.text + (p.cause ? " — " + p.cause : "")),
		p.command ? el("code", {}, p.command) : null,
		p.command ? el("button", {type: "button", "data-copy": p.command}, "copy") : null,
		p.runbook ? runbook(p.runbook) : null));
	if (v.problems.length > 4) list.push(el("li", {}, "and " + (v.problems.length - 4) + " more"));
	keep($("#problems"), list);
}
function runbook(anchor) {
	const at = document.documentElement.dataset.runbook || "";
	if (!at) return el("small", {}, "docs/runbook.md#" + anchor);
	return el("a", {href: at + "#" + anchor, rel: "noreferrer", target: "_blank"}, "runbook");
}
// keep replaces what is in e, unless somebody is selecting text in it.
function keep(e, list) {
	const sel = getSelection();
	if (sel && !sel.isCollapsed && e.contains(sel.anchorNode)) return;
	const focus = e.contains(document.activeElement) ? document.activeElement.dataset.key || document.activeElement.dataset.copy : null;
	e.replaceChildren(...list);
	if (focus) { const f = [...e.querySelectorAll("[data-key],[data-copy]")].find(x => (x.dataset.key || x.dataset.copy) === focus); f && f.focus({preventScroll: true}); }
}
function rowAt(t) {
	const rows = source().rows;
	let lo = 0, hi = rows.length;
	while (lo < hi) { const m = lo + hi >> 1; if (rows[m][0] <= t) lo = m + 1; else hi = m; }
	const r = rows[lo - 1];
	return r && t - r[0] < source().step * 2 ? r : null;
}
const F = {rate: 1, failed: 2, shed: 3, p50: 4, p99: 5, p999: 6, max: 7, mean: 8, fly: 9, limit: 10, client: 11, stage: 12};
function tiles(v) {
	const at = moment(), n = (k, s) => text($(`[data-n=${k}]`), s);
	let t = v.total;
	if (at !== null) {
		const r = rowAt(at);
		const g = k => r ? r[F[k]] : null;
		t = {rate: g("rate"), failed: g("failed"), errors: r && known(g("rate")) ? (g("rate") > 0 ? Math.min(1, g("failed") / g("rate")) : 0) : null, shed: g("shed"), p50: g("p50"), p99: g("p99"), p999: g("p999"), in_flight: g("fly"), limit: g("limit"), client_errors: g("client")};
	}
	n("rate", num(t.rate));
	const u = v.total.usual;
	n("rate2", known(u.rate_low) ? "usual " + num(u.rate_low) + " – " + num(u.rate_high) : "");
	n("err", pct(t.errors));
	n("err2", num(t.failed) + "/s failed, clients’ own " + num(t.client_errors) + "/s");
	$("[data-n=err]").className = known(t.errors) && t.errors >= 0.01 ? "k-red" : "";
	n("p99", ms(t.p99));
	n("p99b", "p50 " + ms(t.p50) + ", p99.9 " + ms(t.p999));
	n("fly", num(t.in_flight));
	n("fly2", (known(t.limit) ? "of " + num(t.limit) + ", " : "") + num(t.shed) + "/s refused");
}
function spark(name) {
	const list = state.services[name];
	const s = svg("svg", {class: "spark", viewBox: "0 0 110 18", preserveAspectRatio: "none"});
	if (!list || list.length < 2) return s;
	const now = state.seq, top = Math.max(1, ...list.map(r => r[1] || 0));
	let d = "", bad = "", up = false;
	const step = Math.max(1, Math.floor(list.length / 110));
	for (let i = 0; i < list.length; i += step) {
		const r = list[i], x = (110 * (r[0] - now + KEEP) / KEEP).toFixed(1);
		if (!known(r[1])) { up = false; continue; }
		d += (up ? "L" : "M") + x + " " + (17 - 15 * r[1] / top).toFixed(1);
		up = true;
		if (r[2] > 0 && r[2] >= 0.01 * r[1]) bad += "M" + x + " 17L" + x + " " + (17 - 15 * Math.min(1, r[2] / Math.max(r[1], 0.001))).toFixed(1);
	}
	s.append(svg("path", {class: "sl", d}));
	if (bad) s.append(svg("path", {class: "sr", d: bad}));
	return s;
}
function services(v) {
	const at = moment(), past = at !== null && state.moment && Math.abs(state.moment.at - at) < 90 ? state.moment : null;
	const shown = v.services.filter((s, i) => state.open.has(s.name) || (state.wrong ? s.level !== "normal" : i < 8));
	const list = [];
	for (const s of shown) {
		let f = s;
		if (at !== null) {
			const r = past && past.services[s.name], g = k => r ? r[past.fields.indexOf(k)] : null;
			f = {rate: g("rate"), errors: r && g("rate") > 0 ? Math.min(1, g("failed") / g("rate")) : r ? 0 : null, p99: g("p99"), times_usual: null};
		}
		list.push(el("tr", {class: s.level, "data-key": s.name, tabindex: "0", "aria-expanded": state.open.has(s.name)},
			el("td", {class: "l"}, SIGN[s.level] + " " + s.name + (s.routed ? "" : " (internal)")),
			el("td", {}, num(f.rate)),
			el("td", {class: f.errors >= 0.01 ? s.routed ? "hot" : "warm" : ""}, pct(f.errors)),
			el("td", {class: s.goal && f.p99 > s.goal ? "warm" : ""}, ms(f.p99)),
			el("td", {class: "w" + (f.times_usual >= 3 ? " warm" : "")}, known(f.times_usual) ? "× " + (f.times_usual < 10 ? f.times_usual.toFixed(1) : num(f.times_usual)) : "–"),
			el("td", {class: s.live < s.listed || s.routed && !s.live ? "warm" : ""}, s.live + " of " + Math.max(s.listed, s.live)),
			el("td", {class: "l w"}, s.grew ? s.grew + (known(s.grew_times) ? " × " + num(s.grew_times) : "") : ""),
			el("td", {class: "l"}, spark(s.name))));
		if (state.open.has(s.name)) list.push(el("tr", {class: "open"}, el("td", {colspan: "8"}, more(v, s))));
	}
	if (!list.length) list.push(el("tr", {}, el("td", {class: "l", colspan: "8"}, state.wrong ? "nothing is wrong" : "no service is known")));
	keep($("#services tbody"), list);
	const rest = v.services.filter(s => !shown.includes(s));
	const bad = rest.filter(s => s.level !== "normal");
	text($("#folded"), rest.length ? "and " + rest.length + " more, " + (bad.length ? bad.map(s => SIGN[s.level] + " " + s.name).slice(0, 6).join(", ") + " among them" : "all normal: " + rest.slice(0, 6).map(s => s.name).join(", ") + (rest.length > 6 ? " …" : "")) : "");
}
function more(v, s) {
	const out = [];
	for (const r of s.paths) out.push(el("p", {}, "route " + r.name + ": " + num(r.rate) + "/s" + (r.failed > 0 ? ", " + num(r.failed) + "/s failed" : "")));
	const parts = ["bus", "queue", "handler"].map((n, i) => n + " " + ms(s.parts[i])).join(", ");
	out.push(el("p", {}, "p50 " + ms(s.p50) + ", p99.9 " + ms(s.p999) + ", mean " + ms(s.mean) + " (" + parts + ")" + (known(s.goal) ? ", goal " + ms(s.goal) : "") + ", in flight " + num(s.in_flight) + (known(s.limit) ? " of " + num(s.limit) : "")));
	for (const p of v.processes.filter(p => p.service === s.name)) out.push(el("p", {}, el("span", {class: "k-" + p.level}, SIGN[p.level]), " " + p.id + ": " + p.state + (p.stalled ? ", silent" : "") + ", " + num(p.rate) + "/s, p99 " + ms(p.p99) + (p.share < 100 ? ", share " + p.share + " %" : "") + (p.error ? " (" + p.error + ")" : "")));
	return out;
}
function events(v) {
	const list = v.events.slice(0, 40).map(e => el("li", {}, el("time", {}, utc(e.at_ms)), el("span", {class: "k-" + e.level}, SIGN[e.level]), el("span", {}, e.text)));
	if (!list.length) list.push(el("li", {class: "none"}, "nothing since this page's server began to watch"));
	keep($("#events"), list);
}
// rollout shows releases and toggles. They have been read from etcd, where people change them.
function rollout(v) {
	const list = v.releases || [], t = v.toggles || {count: 0, latest: []};
	$("#rollout").hidden = !list.length && !t.count;
	const rows = list.map(r => el("tr", {class: r.level}, el("td", {class: "l"}, SIGN[r.level] + " " + r.id), el("td", {class: "l"}, r.service + " " + r.version), el("td", {class: "l"}, r.how_far), el("td", {class: "l w"}, r.why || "")));
	keep($("#releases tbody"), rows.length ? rows : [el("tr", {}, el("td", {class: "l", colspan: "4"}, "none: nanofront release start"))]);
	text($("#togglecount"), t.count > t.latest.length ? "the " + t.latest.length + " of " + num(t.count) + " that changed last" : "changed last first");
	const those = t.latest.map(x => el("tr", {}, el("td", {class: "l"}, x.name), el("td", {class: "l"}, x.value), el("td", {}, num(x.revision))));
	keep($("#toggles tbody"), those.length ? those : [el("tr", {}, el("td", {class: "l", colspan: "3"}, "none: nanofront toggle set"))]);
}
function stages(v) {
	const all = v.total.stages, slow = v.slow.stages || [], at = moment(), r = at !== null ? rowAt(at) : null;
	const top = Math.max(0.001, ...STAGES.map((_, i) => Math.max((r ? r[F.stage + i] : all[i]) || 0, v.slow.count ? slow[i] || 0 : 0)));
	keep($("#stages tbody"), STAGES.map((s, i) => {
		const a = r ? r[F.stage + i] : all[i], b = v.slow.count && at === null ? slow[i] : null;
		const x = el("span", {class: "a"}), y = el("span", {class: "b"});
		x.style.width = 100 * (a || 0) / top + "%"; y.style.width = 100 * (b || 0) / top + "%";
		return el("tr", {}, el("td", {class: "l"}, swatch(i), " " + s), el("td", {}, ms(a)), el("td", {}, ms(b)), el("td", {class: "l"}, el("span", {class: "bars"}, x, y)));
	}));
	const w = v.slow;
	text($("#slowby"), !w.count ? "No request was among the slowest 1 % that fronts keep." :
		"The slowest " + num(w.count) + " of 10 s took " + ms(w.from_ms) + " and more: " + w.by.map(b => b.service + (b.instance ? "/" + b.instance : "") + " " + pct(b.count / w.count) + ", most in " + b.stage).join("; ") +
		(w.worst.length && w.worst[0].request_id ? ". The slowest: " + ms(w.worst[0].total_ms) + ", request " + w.worst[0].request_id : "") + ".");
}
function swatch(i) { const e = svg("svg", {width: 9, height: 9, viewBox: "0 0 9 9"}); const r = svg("rect", {width: 9, height: 9, rx: 2}); r.style.fill = "var(--s" + i + ")"; e.append(r); return e; }

function map(v) {
	const box = $("#map");
	if (!v.edges.length) { keep(box, [el("p", {}, "nobody has a link")]); return; }
	if (v.edges.length > 30 || box.clientWidth < 560) {
		keep(box, [el("div", {class: "scroll"}, el("table", {}, el("thead", {}, el("tr", {}, ["from", "to"].map(h => el("th", {class: "l"}, h)), ["req/s", "failed/s", "p99", "links"].map(h => el("th", {}, h)))),
			el("tbody", {}, v.edges.slice().sort((a, b) => b.failed - a.failed || b.rate - a.rate).map(e => el("tr", {}, el("td", {class: "l"}, e.from), el("td", {class: "l"}, e.to), el("td", {}, num(e.rate)), el("td", {class: e.failed > 0 ? "warm" : ""}, num(e.failed)), el("td", {}, ms(e.p99)), el("td", {}, e.links + (e.down ? ", " + e.down + " down" : "")))))))]);
		return;
	}
	const depth = {front: 0}, edges = v.edges.filter(e => e.from !== e.to || e.rate > 0);
	for (const busy of [true, false]) for (let i = 0; i < 6; i++) for (const e of edges) if ((!busy || e.rate > 0) && e.from in depth && !(e.to in depth)) depth[e.to] = depth[e.from] + 1;
	for (const e of edges) for (const n of [e.from, e.to]) if (!(n in depth)) depth[n] = 1;
	const cols = [];
	for (const n of Object.keys(depth).sort()) (cols[depth[n]] = cols[depth[n]] || []).push(n);
	const W = 1000, H = 30 + 56 * Math.max(...cols.filter(Boolean).map(c => c.length)), bw = 130, bh = 36, pos = {}, used = cols.filter(Boolean);
	used.forEach((c, i) => c.forEach((n, k) => pos[n] = {x: used.length < 2 ? W / 2 : 10 + bw / 2 + (W - 20 - bw) * i / (used.length - 1), y: H * (k + 0.5) / c.length}));
	const s = svg("svg", {viewBox: "0 0 " + W + " " + H, role: "img", "aria-label": "who talks to whom"});
	const most = Math.max(1, ...v.edges.map(e => e.rate));
	for (const e of edges) {
		const a = pos[e.from], b = pos[e.to], x1 = a.x + bw / 2, x2 = b.x - bw / 2, m = (x1 + x2) / 2, bad = e.failed > 0 && e.failed >= 0.01 * e.rate || e.down > 0 || e.stalled > 0;
		const p = svg("path", {class: bad ? "amber" : "", d: `M${x1} ${a.y}C${m} ${a.y} ${m} ${b.y} ${x2} ${b.y}`});
		p.style.strokeWidth = 1.5 + 6 * Math.sqrt(Math.max(0, e.rate) / most);
		s.append(p);
		if (e.rate > 0 || bad) s.append(svg("text", {class: "s e", x: m, y: (a.y + b.y) / 2 - 6, "text-anchor": "middle"}, (bad ? "▲ " : "") + num(e.rate) + "/s" + (e.failed > 0 ? ", " + num(e.failed) + " failed" : "") + ", p99 " + ms(e.p99)));
	}
	const level = Object.fromEntries(v.services.map(x => [x.name, x]));
	for (const n in pos) {
		const x = level[n], g = svg("g", {class: x ? x.level : "normal"});
		g.append(svg("rect", {x: pos[n].x - bw / 2, y: pos[n].y - bh / 2, width: bw, height: bh, rx: 7}), svg("text", {x: pos[n].x, y: pos[n].y - 1, "text-anchor": "middle"}, (x && x.level !== "normal" ? SIGN[x.level] + " " : "") + n),
			svg("text", {class: "s", x: pos[n].x, y: pos[n].y + 12, "text-anchor": "middle"}, x ? x.live + " of " + Math.max(x.live, x.listed) + " live" : n === "front" ? v.total.fronts + " heard" : ""));
		s.append(g);
	}
	keep(box, [s]);
}
function processes(v) {
	const list = v.processes.filter(p => !state.wrong || p.level !== "normal").map(p => el("tr", {class: p.level === "normal" && p.state === "silent" ? "unknown" : p.level, "data-key": p.key},
		el("td", {class: "l", title: p.error}, SIGN[p.level] + " " + p.key), el("td", {class: "l"}, p.state + (p.stalled ? ", stalled" : "")), el("td", {}, num(p.rate)), el("td", {class: p.errors >= 0.01 ? "warm" : ""}, pct(p.errors)),
		el("td", {class: "w"}, ms(p.p50)), el("td", {}, ms(p.p99)), el("td", {}, num(p.in_flight) + (known(p.limit) && p.limit > 0 ? " of " + num(p.limit) : "")), el("td", {class: p.share < 100 ? "w warm" : "w"}, p.kind === "handler" ? p.share + " %" : ""),
		el("td", {}, known(p.cpu) ? (100 * p.cpu).toFixed(0) + " %" : "–"), el("td", {class: "w"}, size(p.memory)), el("td", {class: "w"}, span(p.uptime_s)), el("td", {}, p.from_callers ? "callers’" : known(p.age_s) ? p.age_s.toFixed(0) + " s" : "never"), el("td", {class: "l w"}, p.version || "")));
	if (!list.length) list.push(el("tr", {}, el("td", {class: "l", colspan: "13"}, state.wrong ? "nothing is wrong" : "no process is known")));
	keep($("#processes tbody"), list);
}

// Plots. All have one time axis.
let paint = {};
function paints() {
	const c = getComputedStyle(document.documentElement);
	for (const k of ["ink", "muted", "rule", "surface", "amber", "red", "blue", "line", "band", "hatch", "s0", "s1", "s2", "s3", "s4", "s5", "s6"]) paint[k] = c.getPropertyValue("--" + k).trim();
}
function source() {
	if (state.day) return {rows: state.day.rows, heat: state.day.heat, step: 60, to: state.seq, from: state.seq - 86400};
	return {rows: state.rows, heat: state.heat, step: 1, to: state.seq, from: state.seq - KEEP};
}
const moment = () => state.hover !== null ? state.hover : state.cursor;
function canvas(c) {
	const k = devicePixelRatio || 1, w = c.clientWidth, h = c.clientHeight;
	if (c.width !== Math.round(w * k) || c.height !== Math.round(h * k)) { c.width = Math.round(w * k); c.height = Math.round(h * k); }
	const g = c.getContext("2d");
	g.setTransform(k, 0, 0, k, 0, 0);
	g.clearRect(0, 0, w, h);
	return {g, w, h};
}
function plots() {
	for (const c of all("canvas[data-plot]")) draw(c);
}
function line(g, rows, x, y, get, color, width, gap) {
	g.strokeStyle = color; g.lineWidth = width; g.beginPath();
	let up = false, last = 0;
	for (const r of rows) {
		const v = get(r);
		if (!known(v)) { up = false; continue; }
		if (up && r[0] - last > gap) up = false;
		const px = x(r[0]), py = y(v);
		if (up) g.lineTo(px, py); else { g.moveTo(px, py); g.lineTo(px + 0.7, py); }
		up = true; last = r[0];
	}
	g.stroke();
}
function hatched(g, x, y, w, h) {
	g.save(); g.beginPath(); g.rect(x, y, w, h); g.clip(); g.strokeStyle = paint.hatch; g.lineWidth = 1; g.beginPath();
	for (let k = -h; k < w; k += 6) { g.moveTo(x + k, y + h); g.lineTo(x + k + h, y); }
	g.stroke(); g.restore();
}
function nice(v) { const e = Math.pow(10, Math.floor(Math.log10(Math.max(v, 1e-9)))); for (const k of [1, 2, 5, 10]) if (v <= k * e) return k * e; return v; }
function draw(c) {
	const {g, w, h} = canvas(c), kind = c.dataset.plot, s = source(), v = state.view;
	const x = t => w * (t - s.from) / (s.to - s.from), u = v.total.usual, gap = s.step * 2.5;
	const label = (t, yy) => { g.fillStyle = paint.muted; g.font = "11px sans-serif"; g.textAlign = "left"; g.fillText(t, 2, yy); };
	// Where nothing was heard.
	let last = s.from;
	const holes = [];
	for (const r of s.rows) { if (r[0] - last > gap && last > s.from) holes.push([last, r[0]]); if (known(r[F.rate])) last = r[0]; }
	if (s.rows.length && s.rows[0][0] > s.from + gap) holes.push([s.from, s.rows[0][0]]);
	for (const [a, b] of holes) hatched(g, x(a), 0, x(b) - x(a), h);
	if (holes.length && holes[holes.length - 1][0] === s.from && x(holes[holes.length - 1][1]) > 150) { g.fillStyle = paint.surface; g.fillRect(x(holes[holes.length - 1][1]) - 118, h / 2 - 8, 112, 14); g.fillStyle = paint.muted; g.font = "11px sans-serif"; g.textAlign = "right"; g.fillText("not watched before", x(holes[holes.length - 1][1]) - 10, h / 2 + 3); }
	const band = (lo, hi, y) => { if (known(lo) && known(hi)) { g.fillStyle = paint.band; g.fillRect(0, y(hi), w, Math.max(2, y(lo) - y(hi))); } };
	const peak = f => Math.max(0, ...s.rows.map(r => known(f(r)) ? f(r) : 0));
	if (kind === "rate") {
		const top = nice(Math.max(1, peak(r => r[F.rate]), u.rate_high || 0)), y = n => h - 2 - (h - 14) * n / top;
		band(u.rate_low, u.rate_high, y); label(num(top), 10);
		line(g, s.rows, x, y, r => r[F.rate], paint.line, 1.5, gap);
	} else if (kind === "err") {
		const f = r => known(r[F.rate]) ? r[F.rate] > 0 ? Math.min(1, r[F.failed] / r[F.rate]) : 0 : null;
		const top = nice(Math.max(0.01, peak(f))), y = n => h - 2 - (h - 14) * n / top;
		label(pct(top), 10);
		g.fillStyle = paint.red;
		for (const r of s.rows) { const e = f(r); if (e > 0) { g.fillStyle = e >= 0.01 ? paint.red : paint.amber; g.fillRect(x(r[0]), y(e), Math.max(1, w * s.step / (s.to - s.from)), h - 2 - y(e)); } }
		g.strokeStyle = paint.rule; g.lineWidth = 1; g.beginPath(); g.moveTo(0, h - 1.5); g.lineTo(w, h - 1.5); g.stroke();
	} else if (kind === "lat") {
		const top = Math.max(1, peak(r => r[F.p999])), low = Math.max(0.01, Math.min(1, ...s.rows.filter(r => r[F.p50] > 0).map(r => r[F.p50])));
		const y = n => h - 2 - (h - 14) * Math.log(Math.max(n, low) / low) / Math.log(Math.max(top / low, 1.5));
		band(u.p99_low, u.p99_high, y); label(ms(top) + ", log", 10);
		line(g, s.rows, x, y, r => r[F.p50], paint.hatch, 1.2, gap);
		line(g, s.rows, x, y, r => r[F.p999], paint.hatch, 1, gap);
		line(g, s.rows, x, y, r => r[F.p99], paint.line, 1.6, gap);
	} else if (kind === "fly") {
		const top = nice(Math.max(1, peak(r => r[F.fly]))), y = n => h - 2 - (h - 14) * n / top;
		band(u.in_flight_low, u.in_flight_high, y); label(num(top), 10);
		for (const r of s.rows) if (r[F.shed] > 0) { g.fillStyle = paint.red; g.fillRect(x(r[0]), h - 5, Math.max(1, w * s.step / (s.to - s.from)), 5); }
		line(g, s.rows, x, y, r => r[F.fly], paint.line, 1.5, gap);
	} else if (kind === "heat") {
		let lo = 35, hi = 0, most = 1;
		for (const r of s.heat) for (let i = 1; i < r.length; i += 2) { lo = Math.min(lo, r[i]); hi = Math.max(hi, r[i]); most = Math.max(most, r[i + 1]); }
		lo = Math.max(0, Math.min(lo, hi) - 1); hi = Math.max(hi + 2, lo + 8);
		const rh = (h - 14) / (hi - lo), cw = Math.max(1, w * s.step / (s.to - s.from) + 0.4);
		g.fillStyle = paint.line;
		for (const r of s.heat) for (let i = 1; i < r.length; i += 2) {
			g.globalAlpha = 0.12 + 0.88 * Math.log(1 + r[i + 1]) / Math.log(1 + most);
			g.fillRect(x(r[0]), h - 12 - (r[i] - lo + 1) * rh, cw, Math.ceil(rh));
		}
		g.globalAlpha = 1;
		g.font = "11px sans-serif";
		for (let i = lo; h - 12 - (i - lo) * rh > 10; i += Math.max(2, 2 * Math.ceil((hi - lo) / 14))) {
			const yy = h - 12 - (i - lo) * rh, t = ms(state.heatFrom * Math.pow(2, i / 2));
			g.fillStyle = paint.surface; g.globalAlpha = 0.7; g.fillRect(0, yy - 10, g.measureText(t).width + 4, 12); g.globalAlpha = 1;
			label(t, yy);
		}
		axis(g, w, h, s, x);
	} else if (kind === "stages") {
		const sum = r => STAGES.reduce((a, _, i) => a + (r[F.stage + i] || 0), 0);
		const top = nice(Math.max(0.1, peak(sum))), y = n => h - 13 - (h - 26) * n / top;
		const cw = Math.max(1, w * s.step / (s.to - s.from) + 0.4);
		for (const r of s.rows) {
			let at = 0;
			for (let i = 0; i < 7; i++) { const n = r[F.stage + i]; if (!(n > 0)) continue; g.fillStyle = paint["s" + i]; g.fillRect(x(r[0]), y(at + n), cw, Math.max(0.5, y(at) - y(at + n))); at += n; }
		}
		label(ms(top), 10);
		axis(g, w, h, s, x);
	}
	// What changed, and the cursor.
	for (const e of v.events) {
		const t = e.at_ms / 1000;
		if (t < s.from) continue;
		g.strokeStyle = paint[{amber: "amber", red: "red", intended: "blue"}[e.level] || "muted"]; g.lineWidth = 1; g.setLineDash([3, 3]);
		g.beginPath(); g.moveTo(x(t), 0); g.lineTo(x(t), h); g.stroke(); g.setLineDash([]);
	}
	const at = moment();
	if (at !== null && at >= s.from) { g.strokeStyle = paint.ink; g.lineWidth = 1.5; g.beginPath(); g.moveTo(x(at), 0); g.lineTo(x(at), h); g.stroke(); }
}
function axis(g, w, h, s, x) {
	g.fillStyle = paint.muted; g.font = "11px sans-serif"; g.textAlign = "center";
	const step = (s.to - s.from) > 3600 ? (w < 500 ? 21600 : 10800) : w < 500 ? 180 : 60;
	for (let t = Math.ceil(s.from / step) * step; t < s.to; t += step) if (x(t) > 24 && x(t) < w - 20) g.fillText(utc(t * 1000).slice(0, 5), x(t), h - 2);
}

// The cursor: one moment for all.
let asked = 0;
async function pick() {
	const at = moment();
	const e = $("#moment");
	e.hidden = at === null;
	if (at !== null) text(e, "◷ at " + iso(at).replace("T", " ").replace("Z", " UTC") + (state.cursor !== null ? " — Esc: now" : ""));
	e.className = at !== null ? "bad" : "";
	render();
	if (at === null) { state.moment = null; return; }
	const id = ++asked;
	await sleep(80);
	if (id !== asked) return;
	try { const m = await (await ask("at?t=" + Math.round(at))).json(); if (id === asked) { state.moment = m; render(); } } catch (e) { /* the strip says so */ }
}
function pin(t) {
	state.cursor = t; state.hover = null;
	history.replaceState(null, "", t === null ? location.pathname : "#t=" + iso(t));
	if (t !== null && !state.day && t < state.seq - KEEP && state.seq) day(true);
	pick();
}
async function day(on) {
	if (!on) state.day = null;
	else try { state.day = await (await ask("day")).json(); } catch (e) { return; }
	text($("#range"), state.day ? "show ten minutes" : "show a day");
	render();
}
setInterval(() => { if (state.day && !document.hidden) day(true); }, 60000);
for (const c of all("canvas[data-plot]")) {
	const time = e => { const b = c.getBoundingClientRect(), s = source(); return Math.round(s.from + (s.to - s.from) * Math.min(1, Math.max(0, (e.clientX - b.left) / b.width))); };
	c.addEventListener("pointermove", e => { state.hover = time(e); pick(); });
	c.addEventListener("pointerleave", () => { state.hover = null; pick(); });
	c.addEventListener("click", e => pin(time(e)));
}
function fromAddress() {
	const m = /^#t=(.+)$/.exec(location.hash), t = m ? Date.parse(m[1]) / 1000 : NaN;
	if (!Number.isNaN(t)) pin(t); else if (state.cursor !== null) pin(null);
}
addEventListener("hashchange", fromAddress);
addEventListener("keydown", e => {
	if (e.target.tagName === "INPUT" || e.ctrlKey || e.metaKey || e.altKey || $("#keys").open) return;
	const step = (e.shiftKey ? 10 : 1) * source().step, at = moment() === null ? state.seq : moment();
	switch (e.key) {
	case "ArrowLeft": pin(at - step); break;
	case "ArrowRight": pin(Math.min(at + step, state.seq)); break;
	case "Home": pin(source().from + 1); break;
	case "End": case "Escape": pin(null); break;
	case "d": day(!state.day); break;
	case "w": wrong(); break;
	case "c": { const b = $("[data-copy]"); b && b.click(); break; }
	case "?": $("#keys").showModal(); break;
	case "Enter": { const r = document.activeElement; if (r && r.closest("#services tr[data-key]")) toggle(r.dataset.key); else return; break; }
	default: return;
	}
	e.preventDefault();
});
function wrong() { state.wrong = !state.wrong; $("#filter").setAttribute("aria-pressed", state.wrong); render(); }
function toggle(k) { if (!state.open.delete(k)) state.open.add(k); render(); }
$("#range").onclick = () => day(!state.day);
$("#filter").onclick = wrong;
$("#help").onclick = () => $("#keys").showModal();
$("#services").addEventListener("click", e => { const r = e.target.closest("tr[data-key]"); r && toggle(r.dataset.key); });
document.addEventListener("click", async e => {
	const b = e.target.closest("[data-copy]");
	if (!b) return;
	try { await navigator.clipboard.writeText(b.dataset.copy); text(b, "copied"); }
	catch (err) { const c = b.previousSibling, r = document.createRange(); r.selectNodeContents(c); getSelection().removeAllRanges(); getSelection().addRange(r); }
});
$("#login").onsubmit = e => { e.preventDefault(); sessionStorage.setItem("token", $("#token").value.trim()); $("#token").value = ""; text($("#refused"), ""); fill(); };

// The clock, and the age of what is shown.
function beat() {
	const now = Date.now();
	text($("#clock"), utc(now) + " UTC, " + local(now) + " here");
	if (!state.view) { if (state.trouble) text($("#sentence"), "nothing is known yet: " + state.trouble); return; }
	const s = age() / 1000;
	text($("#age"), "data " + (s < 10 ? s.toFixed(1) : Math.round(s)) + " s old");
	$("#age").className = s > STALE / 1000 ? "bad" : "";
	const link = $("#link");
	link.hidden = !state.trouble; text(link, state.trouble); link.className = "bad";
	if (stale() !== document.body.classList.contains("stale") || stale()) header(state.view);
}
setInterval(beat, 250);
paints();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { paints(); render(); });
new ResizeObserver(render).observe(document.body);
fromAddress();
fill().then(run);
})();
