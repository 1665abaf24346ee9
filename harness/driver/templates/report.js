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

// The matrix: a head and names that are elements, and cells that are painted: 250,000 elements would be slow, and even
// those in sight are thousands. The cell the user is at is an element again, for those who listen.
const matrix = $("matrix");
const rowHeight = 22;
let stage = null, names = null, canvas = null, here = null, labels = [], headHeight = 0, nameWidth = 0, cellWidth = 0;

function head() {
	cellWidth = view.cols.length > 40 ? 30 : 34;
	const room = matrix.clientWidth, least = Math.max(150, Math.min(460, Math.round(room * .42)));
	nameWidth = Math.max(least, Math.min(640, room - view.cols.length * cellWidth - 24));
	matrix.style.setProperty("--cell", `${cellWidth}px`);
	matrix.style.setProperty("--name", `${nameWidth}px`);
	const groups = el("colgroup", {}, el("col", { className: "name" }), ...view.cols.map(() => el("col", { className: "target" })));
	const rows = ["abi", "series"].map(key => {
		const row = el("tr");
		let last = null, until = "";
		for (const col of view.cols) {
			const name = D.columns[col].abi + (key === "series" ? " " + D.columns[col].series : "");
			if (!last || name !== until)
				row.append(last = el("th", { className: key, scope: "colgroup", title: name }, el("span", {}, D.columns[col][key])));
			else
				last.colSpan++;
			until = name;
		}
		return row;
	});
	rows[0].prepend(el("th", { className: "corner", rowSpan: 3, scope: "col" }, "suites and clauses \u00d7 targets"));
	labels = view.cols.map(col => el("th", { className: "label", scope: "col", title: D.columns[col].name }, el("span", {}, D.columns[col].label)));
	rows.push(el("tr", {}, ...labels));
	const table = el("table", {}, groups, el("thead", {}, ...rows));
	table.style.width = `${nameWidth + view.cols.length * cellWidth}px`;
	table.setAttribute("role", "presentation");
	names = el("div", { className: "names" });
	names.setAttribute("role", "rowgroup");
	canvas = el("canvas");
	canvas.setAttribute("aria-hidden", "true");
	here = el("div", { id: "here", className: "here" });
	here.setAttribute("role", "gridcell");
	stage = el("div", { className: "stage" }, table, canvas, names);
	matrix.replaceChildren(stage);
	matrix.setAttribute("aria-colcount", view.cols.length + 1);
	headHeight = table.offsetHeight;
	stage.style.width = table.style.width;
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

// Colours of each look, as the style sheet has them now: [ground, text, weight].
const palette = new Map();
function coloursOf(look) {
	if (!palette.has(look)) {
		const probe = el("span", { className: `cell ${look}` });
		document.body.append(probe);
		const style = getComputedStyle(probe);
		palette.set(look, [style.backgroundColor, style.color, style.fontWeight]);
		probe.remove();
	}
	return palette.get(look);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { palette.clear(); draw(false); });

// Paints the cells in sight.
function paint() {
	const width = Math.min(matrix.clientWidth - nameWidth, view.cols.length * cellWidth);
	const height = Math.min(matrix.clientHeight - headHeight, view.rows.length * rowHeight);
	const scale = devicePixelRatio || 1, left = matrix.scrollLeft, top = matrix.scrollTop;
	if (width <= 0 || height <= 0)
		return;
	if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
		canvas.width = Math.round(width * scale);
		canvas.height = Math.round(height * scale);
		Object.assign(canvas.style, { width: `${width}px`, height: `${height}px`, marginBottom: `${-height}px`, top: `${headHeight}px`, left: `${nameWidth}px` });
	}
	const pen = canvas.getContext("2d");
	pen.setTransform(scale, 0, 0, scale, 0, 0);
	pen.clearRect(0, 0, width, height);
	pen.textAlign = "center";
	pen.textBaseline = "middle";
	const firstCol = Math.floor(left / cellWidth), lastCol = Math.min(view.cols.length, Math.ceil((left + width) / cellWidth));
	const firstRow = Math.floor(top / rowHeight), lastRow = Math.min(view.rows.length, Math.ceil((top + height) / rowHeight));
	const byLook = new Map();  // text of one look is written at once: a change of font costs more than a cell
	for (let n = firstRow; n < lastRow; n++) {
		const row = view.rows[n], isSuite = row.clause === undefined;
		const cells = isSuite ? sumOf(row.suite) : D.cells[row.clause];
		for (let i = firstCol; i < lastCol; i++) {
			const cell = isSuite ? cells[i] : CELL[cells[view.cols[i]]];
			if (!cell || cell.look === "none")
				continue;
			if (!byLook.has(cell.look))
				byLook.set(cell.look, []);
			byLook.get(cell.look).push(i * cellWidth - left, n * rowHeight - top, cell.sign);
		}
	}
	for (const [look, cells] of byLook) {
		const [ground, ink, weight] = coloursOf(look);
		pen.fillStyle = ground;
		for (let k = 0; k < cells.length; k += 3)
			pen.fillRect(cells[k], cells[k + 1], cellWidth - 1, rowHeight - 1);
		if (look.includes("known")) {
			pen.strokeStyle = ink;
			for (let k = 0; k < cells.length; k += 3)
				pen.strokeRect(cells[k] + 1, cells[k + 1] + 1, cellWidth - 3, rowHeight - 3);
		}
		pen.fillStyle = ink;
		pen.font = `${weight} ${view.cols.length > 40 ? 10 : 11}px system-ui, sans-serif`;
		for (let k = 0; k < cells.length; k += 3)
			pen.fillText(cells[k + 2], cells[k] + cellWidth / 2, cells[k + 1] + rowHeight / 2, cellWidth - 2);
	}
}

// Names that exist now, by key; those that stay in sight are kept as they are.
const live = new Map();

function rowNode(row, n) {
	const name = el("div", { className: "name" }), node = el("div", { className: "row" }, name);
	node.setAttribute("role", "row");
	name.setAttribute("role", "rowheader");
	node.setAttribute("aria-rowindex", n + 1);
	node.style.top = `${n * rowHeight}px`;
	if (row.clause === undefined) {
		const count = view.bySuite.get(row.suite).length, open = isOpen(row.suite);
		node.classList.add("suite");
		node.setAttribute("aria-expanded", open);
		name.append(`${open ? "\u25be" : "\u25b8"} ${row.suite}`, el("span", { className: "n" }, `${count} clause${count === 1 ? "" : "s"}`));
	} else {
		const [id, sentence] = D.clauses[row.clause];
		name.textContent = id.slice(row.suite.length + 1).replaceAll("_", " ");
		name.title = `${id}\n${sentence}`;
	}
	return node;
}

// Draws what is in sight. fresh: what is there is of an earlier filter or fold.
function draw(fresh) {
	const total = view.rows.length;
	if (!total || !view.cols.length) {
		matrix.style.height = "90px";
		return;
	}
	if (fresh) {
		live.clear();
		names.replaceChildren();
		names.style.height = `${total * rowHeight}px`;
		stage.style.height = `${headHeight + total * rowHeight}px`;
		const bar = stage.offsetWidth > matrix.clientWidth ? 18 : 3;
		matrix.style.height = `${headHeight + total * rowHeight + bar}px`;
		matrix.setAttribute("aria-rowcount", total);
	}
	const first = Math.max(0, Math.floor(matrix.scrollTop / rowHeight) - 4);
	const last = Math.min(total, Math.ceil((matrix.scrollTop + matrix.clientHeight - headHeight) / rowHeight) + 4);
	const keep = new Set(view.rows.slice(first, last).map(row => row.key));
	for (const [key, node] of live)
		if (!keep.has(key)) {
			node.remove();
			live.delete(key);
		}
	let after = null;
	for (let n = first; n < last; n++) {
		const row = view.rows[n];
		let node = live.get(row.key);
		if (!node) {
			live.set(row.key, node = rowNode(row, n));
			if (after)
				after.after(node);
			else
				names.prepend(node);
		}
		after = node;
	}
	paint();
	mark();
}

// Marks the cell the user is at, and names it for those who listen.
let marked = [];
function mark() {
	for (const node of marked)
		node.classList.remove("now", "at");
	marked = [];
	const row = view.rows[view.row], node = row && live.get(row.key);
	if (!node) {
		here.remove();
		matrix.removeAttribute("aria-activedescendant");
		return;
	}
	node.classList.add("now");
	node.classList.toggle("at", view.col < 0);
	node.append(here);
	here.setAttribute("aria-label", tellCell(row, view.col));
	here.setAttribute("aria-colindex", view.col + 2);
	here.hidden = view.col >= 0 && (view.col * cellWidth < matrix.scrollLeft - 2 || (view.col + 1) * cellWidth + nameWidth > matrix.scrollLeft + matrix.clientWidth + 2);
	Object.assign(here.style, { left: view.col < 0 ? "0" : `${nameWidth + view.col * cellWidth - matrix.scrollLeft}px`,
		width: `${view.col < 0 ? nameWidth : cellWidth}px` });
	matrix.setAttribute("aria-activedescendant", "here");
	marked = [node];
	if (view.col >= 0) {
		labels[view.col].classList.add("now");
		marked.push(labels[view.col]);
	}
}

// The row and column at a place of the screen, [row, -1] on a name; null beside the cells.
function placeAt(event) {
	const box = matrix.getBoundingClientRect(), x = event.clientX - box.left - matrix.clientLeft, y = event.clientY - box.top - matrix.clientTop;
	const row = Math.floor((y - headHeight + matrix.scrollTop) / rowHeight);
	const col = x < nameWidth ? -1 : Math.floor((x - nameWidth + matrix.scrollLeft) / cellWidth);
	return y < headHeight || x > matrix.clientWidth || y > matrix.clientHeight || row >= view.rows.length || col >= view.cols.length ? null : [row, col];
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
