// SPDX-License-Identifier: GPL-2.0-only
// A report's matrix: what is shown, and its drawing. Only rows in sight exist; texts of guests only ever become text nodes.
"use strict";

const D = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const UNEXPECTED = 1, KNOWN = 2, DIFFERS = 4;
const BAD = new Set(["fail", "timeout", "crash", "panic"]);
// The worst first: what a folded suite shows of a target.
const WORST = ["panic", "crash", "timeout", "fail", "broken"];

// One entry for each character of a cell: what it means, and how it looks.
const CELL = {};
for (let code = 0; code < 64; code++) {
	const word = D.words[code % 8], marks = code >> 3;
	const letter = word === "pass" ? "\u2713" : D.letters[word];
	CELL[D.alphabet[code]] = {
		word, marks, letter,
		sign: (word === "pass" && marks & UNEXPECTED ? "!" : "") + (marks & KNOWN ? `(${letter})` : letter) + (marks & DIFFERS ? "~" : ""),
		look: word + (marks & UNEXPECTED ? " unexpected" : "") + (marks & KNOWN ? " known" : ""),
		says: word + (marks & KNOWN ? ", a known difference" : word === "pass" && marks & UNEXPECTED ? ", unexpectedly" : "")
			+ (marks & DIFFERS ? ", differs between repetitions" : ""),
	};
}

const suiteOf = D.clauses.map(clause => clause[0].split("/", 1)[0]);
const suites = [...new Set(suiteOf)];

// What the user chose, and what follows from it.
const chosen = { q: "", suite: "", target: "", verdicts: new Set() };
const view = { cols: [], rows: [], clauses: [], bySuite: new Map(), folds: new Map(), row: 0, col: -1 };

function el(tag, props = {}, ...children) {
	const node = Object.assign(document.createElement(tag), props);
	node.append(...children.filter(child => child !== "" && child !== null));
	return node;
}

let hay = null;
function haystack(c) {
	if (!hay)
		hay = D.clauses.map((clause, n) => {
			const whys = new Set(Object.values(D.details[n] || {}).map(detail => D.texts[detail.why] || ""));
			return [clause[0], clause[1], clause[4], clause[2], ...whys].join("\n").toLowerCase();
		});
	return hay[c];
}

const wordsOf = text => text.toLowerCase().split(/\s+/).filter(Boolean);

// Which characters of cells the pressed buttons let through; null for all.
function wanted(verdicts) {
	if (!verdicts.size)
		return null;
	const table = new Uint8Array(128);
	for (const [char, cell] of Object.entries(CELL))
		table[char.charCodeAt(0)] = verdicts.has(cell.word) || (verdicts.has("unexpected") && cell.marks & UNEXPECTED)
			|| (verdicts.has("known") && cell.marks & KNOWN) || (verdicts.has("differs") && cell.marks & DIFFERS) ? 1 : 0;
	return table;
}

// Follows what was chosen: columns, clauses, counts of the buttons, rows. Draws.
function filter(keepFolds) {
	const targets = wordsOf(chosen.target), words = wordsOf(chosen.q), table = wanted(chosen.verdicts);
	view.cols = D.columns.map((_, n) => n).filter(n => {
		const c = D.columns[n];
		const text = `${c.name} ${c.abi} ${c.version} ${c.release} ${c.package} ${c.label}`.toLowerCase();
		return targets.every(word => text.includes(word));
	});
	const all = view.cols.length === D.columns.length, counts = new Uint32Array(128);
	view.clauses = [];
	for (let c = 0; c < D.clauses.length; c++) {
		if (chosen.suite && suiteOf[c] !== chosen.suite || words.length && !words.every(word => haystack(c).includes(word)))
			continue;
		const cells = D.cells[c];
		let is = !table;
		for (let i = 0; i < view.cols.length; i++) {
			const char = cells.charCodeAt(all ? i : view.cols[i]);
			counts[char]++;
			if (table && table[char])
				is = true;
		}
		if (is)
			view.clauses.push(c);
	}
	view.bySuite = new Map();
	for (const c of view.clauses) {
		const suite = suiteOf[c];
		if (!view.bySuite.has(suite))
			view.bySuite.set(suite, []);
		view.bySuite.get(suite).push(c);
	}
	sums.clear();
	if (!keepFolds)
		view.folds.clear();
	showCounts(counts);
	layRows();
	head();
	draw(true);
	remember();
}

const filtered = () => chosen.q || chosen.verdicts.size || chosen.suite;
const isOpen = suite => view.folds.has(suite) ? view.folds.get(suite) : filtered() ? view.clauses.length <= 400 : D.clauses.length <= 60;

// The rows of the matrix, suites folded or not; the one the user was at stays it.
function layRows() {
	const at = view.rows[view.row];
	view.rows = [];
	for (const [suite, clauses] of view.bySuite) {
		view.rows.push({ suite, key: "s" + suite });
		if (isOpen(suite))
			for (const c of clauses)
				view.rows.push({ suite, clause: c, key: "c" + c });
	}
	const kept = at ? view.rows.findIndex(row => row.key === at.key) : 0;
	const suite = at ? view.rows.findIndex(row => row.key === "s" + at.suite) : 0;
	view.row = Math.max(0, kept >= 0 ? kept : suite);
	view.col = Math.min(view.col, view.cols.length - 1);
}

// What a folded suite shows of each target: [sign and count, class, words].
const sums = new Map();
function sumOf(suite) {
	if (sums.has(suite))
		return sums.get(suite);
	const clauses = view.bySuite.get(suite);
	const told = view.cols.map(col => {
		const counts = {};
		for (const c of clauses) {
			const char = D.cells[c][col];
			counts[char] = (counts[char] || 0) + 1;
		}
		return sumCell(counts);
	});
	sums.set(suite, told);
	return told;
}

function sumCell(counts) {
	const by = {}, words = [];
	for (const [char, n] of Object.entries(counts)) {
		const cell = CELL[char];
		if (!cell)
			continue;
		const kind = cell.marks & (UNEXPECTED | DIFFERS) || cell.word === "broken" ? "bad" : cell.marks & KNOWN ? "known" : cell.word;
		by[kind] = (by[kind] || 0) + n;
		by[`${kind} ${cell.word}`] = (by[`${kind} ${cell.word}`] || 0) + n;
		words.push(`${n} ${cell.says}`);
	}
	const says = words.join("; ") || "not run";
	if (by.bad) {
		const worst = WORST.find(word => by[`bad ${word}`]) || "pass";
		return { sign: (worst === "pass" ? "!" : D.letters[worst]) + by.bad, look: worst === "pass" ? "pass unexpected" : worst, says };
	}
	if (by.known) {
		const worst = WORST.find(word => by[`known ${word}`]) || "fail";
		return { sign: `(${D.letters[worst]})`, look: worst + " known", says };
	}
	if (by.pass)
		return { sign: "\u2713" + by.pass, look: "pass", says };
	const rest = by.absent ? "absent" : by.skip ? "skip" : "";
	return rest ? { sign: D.letters[rest] + by[rest], look: rest, says } : { sign: "", look: "none", says };
}

// Buttons of verdicts with how many cells each would show.
function showCounts(counts) {
	const by = { unexpected: 0, known: 0, differs: 0 };
	for (const [char, cell] of Object.entries(CELL)) {
		const n = counts[char.charCodeAt(0)];
		by[cell.word] = (by[cell.word] || 0) + n;
		by.unexpected += cell.marks & UNEXPECTED ? n : 0;
		by.known += cell.marks & KNOWN ? n : 0;
		by.differs += cell.marks & DIFFERS ? n : 0;
	}
	for (const button of $("verdicts").children) {
		const n = by[button.dataset.verdict];
		button.lastChild.textContent = ` ${button.dataset.verdict} ${n.toLocaleString("en")}`;
		button.classList.toggle("zero", !n);
		button.setAttribute("aria-pressed", chosen.verdicts.has(button.dataset.verdict));
	}
	$("status").textContent = `${view.clauses.length.toLocaleString("en")} of ${D.clauses.length.toLocaleString("en")} clauses, `
		+ `${view.cols.length} of ${D.columns.length} targets`;
}

// The head of the matrix: architectures, series, targets.
const matrix = $("matrix");
let body = null, template = null, rowHeight = 22, labels = [];
function head() {
	matrix.classList.toggle("small", view.cols.length > 40);
	const width = view.cols.length > 40 ? 30 : 34;
	const room = matrix.clientWidth, least = Math.max(150, Math.min(460, Math.round(room * .42)));
	const name = Math.max(least, Math.min(640, room - view.cols.length * width - 24));
	matrix.style.setProperty("--cell", `${width}px`);
	matrix.style.setProperty("--name", `${name}px`);
	const groups = el("colgroup", {}, el("col", { className: "name" }), ...view.cols.map(() => el("col", { className: "target" })));
	const rows = ["abi", "series"].map(key => {
		const row = el("tr");
		let last = null, until = "";
		for (const col of view.cols) {
			const name = D.columns[col].abi + (key === "series" ? " " + D.columns[col].series : "");
			if (!last || name !== until) {
				row.append(last = el("th", { className: key, colSpan: 0, scope: "colgroup", title: name }, el("span", {}, D.columns[col][key])));
				last.colSpan = 1;
			} else
				last.colSpan++;
			until = name;
		}
		return row;
	});
	rows[0].prepend(el("th", { className: "corner", rowSpan: 3, scope: "col" }, "suites and clauses \u00d7 targets"));
	labels = view.cols.map(col => el("th", { className: "label", scope: "col", title: D.columns[col].name }, el("span", {}, D.columns[col].label)));
	rows.push(el("tr", {}, ...labels));
	body = el("tbody");
	template = el("tr", { className: "row" }, el("th", { className: "name", scope: "row" }), ...view.cols.map(() => el("td")));
	template.setAttribute("role", "row");
	for (const cell of template.children)
		cell.setAttribute("role", cell.tagName === "TH" ? "rowheader" : "gridcell");
	const table = el("table", {}, groups, el("thead", {}, ...rows), body);
	table.setAttribute("role", "presentation");
	table.style.width = `${name + view.cols.length * width}px`;
	matrix.replaceChildren(table);
	matrix.setAttribute("aria-colcount", view.cols.length + 1);
	live.clear();
	if (!view.rows.length || !view.cols.length)
		matrix.replaceChildren(el("p", { className: "empty" }, "Nothing is left by these filters. Esc in a filter empties it."));
}

// Draws all anew where the matrix has got another width.
function refit() {
	const { scrollTop, scrollLeft } = matrix;
	head();
	draw(true);
	matrix.scrollTo({ top: scrollTop, left: scrollLeft, behavior: "instant" });
	draw(false);
}

// Rows that exist now, by key; those that stay in sight are kept as they are.
const live = new Map();
const above = el("tr", { className: "pad" }, el("td")), below = el("tr", { className: "pad" }, el("td"));

function rowNode(row, n) {
	const node = template.cloneNode(true), cells = node.children;
	node.dataset.n = n;
	node.setAttribute("aria-rowindex", n + 4);
	if (row.clause === undefined) {
		node.classList.add("suite");
		const count = view.bySuite.get(row.suite).length, open = isOpen(row.suite);
		node.setAttribute("aria-expanded", open);
		cells[0].append(`${open ? "\u25be" : "\u25b8"} ${row.suite}`, el("span", { className: "n" }, `${count} clause${count === 1 ? "" : "s"}`));
		sumOf(row.suite).forEach((sum, i) => {
			cells[i + 1].className = sum.look;
			cells[i + 1].textContent = sum.sign;
		});
		return node;
	}
	const [id, text] = D.clauses[row.clause], codes = D.cells[row.clause];
	cells[0].textContent = id.slice(row.suite.length + 1).replaceAll("_", " ");
	cells[0].title = `${id}\n${text}`;
	for (let i = 0; i < view.cols.length; i++) {
		const cell = CELL[codes[view.cols[i]]];
		cells[i + 1].className = cell ? cell.look : "none";
		if (cell)
			cells[i + 1].textContent = cell.sign;
	}
	return node;
}

// Draws the rows in sight and some around them. fresh: what is there is of an earlier filter.
function draw(fresh) {
	if (!view.rows.length || !view.cols.length) {
		matrix.style.height = "90px";
		return;
	}
	if (fresh) {
		live.clear();
		body.replaceChildren(above, below);
		const headHeight = body.parentNode.tHead.getBoundingClientRect().height;
		const bar = body.parentNode.offsetWidth > matrix.clientWidth ? 18 : 3;
		matrix.style.height = `${headHeight + view.rows.length * rowHeight + bar}px`;
	}
	const total = view.rows.length, sight = Math.ceil(matrix.clientHeight / rowHeight), margin = 12;
	const first = Math.max(0, Math.min(total - sight, Math.floor(matrix.scrollTop / rowHeight)) - margin);
	const last = Math.min(total, first + sight + 2 * margin);
	const keep = new Set();
	for (let n = first; n < last; n++)
		keep.add(view.rows[n].key);
	for (const [key, node] of live)
		if (!keep.has(key)) {
			node.remove();
			live.delete(key);
		}
	let after = above;
	for (let n = first; n < last; n++) {
		const row = view.rows[n];
		let node = live.get(row.key);
		if (!node)
			live.set(row.key, node = rowNode(row, n));
		if (after.nextSibling !== node)
			after.after(node);
		after = node;
	}
	above.firstChild.style.height = `${first * rowHeight}px`;
	below.firstChild.style.height = `${(total - last) * rowHeight}px`;
	above.hidden = !first;
	below.hidden = last === total;
	matrix.setAttribute("aria-rowcount", total + 3);
	mark();
}

// Marks the cell the user is at, and names it for those who listen.
let marked = [];
function mark() {
	for (const node of marked)
		node.classList.remove("here", "now");
	marked.forEach(node => node.removeAttribute("id"));
	marked = [];
	const row = view.rows[view.row], node = row && live.get(row.key);
	if (!node) {
		matrix.removeAttribute("aria-activedescendant");
		return;
	}
	const cell = node.children[view.col + 1];
	cell.id = "here";
	cell.classList.add("here");
	node.classList.add("now");
	cell.setAttribute("aria-label", tellCell(row, view.col));
	matrix.setAttribute("aria-activedescendant", "here");
	marked = [cell, node];
	if (view.col >= 0) {
		labels[view.col].classList.add("now");
		marked.push(labels[view.col]);
	}
}

function tellCell(row, col) {
	const name = row.clause === undefined ? `suite ${row.suite}` : D.clauses[row.clause][0];
	if (col < 0)
		return name;
	const target = D.columns[view.cols[col]].name;
	if (row.clause === undefined)
		return `${name}, ${target}: ${sumOf(row.suite)[col].says}`;
	const cell = CELL[D.cells[row.clause][view.cols[col]]];
	const detail = (D.details[row.clause] || {})[view.cols[col]];
	const why = detail && detail.why !== undefined ? D.texts[detail.why] : "";
	return `${name}, ${target}: ${cell ? cell.says : "not run"}${why ? ": " + why : ""}`;
}
