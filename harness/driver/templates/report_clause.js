// SPDX-License-Identifier: GPL-2.0-only
// A report's page part of one clause, and the matrix on paper.

const pane = $("clause");
let shown = -1;

const text = n => n === undefined ? "" : D.texts[n];
const sign = cell => el("span", { className: `cell ${cell ? cell.look : "none"}` }, cell ? cell.sign : "");

function commandLine(line) {
	const copy = el("button", { type: "button" }, "copy");
	copy.addEventListener("click", () => {
		const done = () => { copy.textContent = "copied"; setTimeout(() => { copy.textContent = "copy"; }, 1500); };
		const byHand = () => { getSelection().selectAllChildren(copy.previousSibling); if (document.execCommand("copy")) done(); };
		if (navigator.clipboard)
			navigator.clipboard.writeText(line).then(done, byHand);
		else
			byHand();
	});
	return el("div", { className: "command" }, el("pre", {}, line), copy);
}

// Opens a clause; col: the target whose verdict comes first, if any. Returns whether the clause exists.
function showClause(c, col, quiet) {
	if (!D.clauses[c])
		return false;
	shown = c;
	const [id, sentence, file, line, users] = D.clauses[c];
	const cut = sentence.indexOf(": ");
	const close = el("button", { type: "button", title: "Esc" }, "close");
	close.addEventListener("click", hideClause);
	const facts = el("dl", { className: "facts" });
	const fact = (name, ...value) => facts.append(el("dt", {}, name), el("dd", {}, ...value));
	if (cut > 0)
		fact("source", sentence.slice(0, cut));
	fact("code", el("code", {}, `${file}:${line}`));
	if (users)
		fact("needed by", el("ul", { className: "users" }, ...users.split(" ").map(userNode)));
	pane.replaceChildren(
		el("div", { className: "bar" }, el("h2", {}, el("code", {}, id)), close),
		el("p", { className: "statement" }, cut > 0 ? sentence.slice(cut + 2) : sentence), facts,
		...spanNodes(c), el("h3", {}, "Verdict of each kernel"), kernelsNode(c), ...failureNodes(c, col));
	pane.hidden = false;
	$("main").classList.add("split");
	pane.scrollTop = 0;
	pane.setAttribute("aria-label", id);
	refit();
	remember();
	if (!quiet) {
		pane.focus({ preventScroll: true });
		if (matchMedia("(max-width: 1100px)").matches)
			pane.scrollIntoView({ block: "start" });
	}
	return true;
}

function hideClause() {
	shown = -1;
	pane.hidden = true;
	pane.replaceChildren();
	$("main").classList.remove("split");
	refit();
	remember();
	matrix.focus({ preventScroll: true });
	reveal();
}

function userNode(user) {
	const row = D.users[user];
	const told = row ? [row.what, row.breaks && `if this breaks: ${row.breaks}`].filter(Boolean).join(". ") : "";
	return el("li", {}, el("code", {}, user), told ? el("small", {}, told) : "");
}

function spanNodes(c) {
	const spans = D.spans[c];
	if (!spans)
		return [];
	return [el("h3", {}, "Versions that fail"), el("ul", { className: "spans" }, ...spans.map(span => {
		const where = span.first === span.last ? `fails on ${span.first}` : `fails from ${span.first} to ${span.last}`;
		const around = [span.before && `${span.before} before it passes`, span.after && `${span.after} after it passes`].filter(Boolean).join(", ");
		return el("li", {}, el("strong", {}, span.abis.join(", ")), `: ${where}, ${span.failing} of ${span.of} versions`,
			span.between ? `, ${span.between} in between pass` : "", around ? `; ${around}` : "");
	}))];
}

function kernelsNode(c) {
	const rows = new Map();
	D.columns.forEach((column, n) => {
		if (!rows.has(column.abi))
			rows.set(column.abi, []);
		const cell = CELL[D.cells[c][n]];
		const chip = el("button", { type: "button", className: "chip", title: `${column.name}: ${cell ? cell.says : "not run"}` },
			sign(cell), column.label || column.name);
		chip.dataset.col = n;
		rows.get(column.abi).push(chip);
	});
	return el("table", { className: "kernels" }, ...[...rows].map(([abi, chips]) =>
		el("tr", {}, el("th", { scope: "row" }, abi), el("td", {}, el("div", { className: "chips" }, ...chips)))));
}

// Failures one by one, their bodies made when opened; absences and skips by reason; for a pass the command alone.
function failureNodes(c, col) {
	const details = D.details[c] || {}, nodes = [], quiet = new Map();
	const order = Object.keys(details).map(Number).sort((a, b) => (b === col) - (a === col) || a - b);
	for (const n of order) {
		const cell = CELL[D.cells[c][n]], detail = details[n];
		if ((cell.word === "absent" || cell.word === "skip") && !cell.marks) {
			const key = `${cell.word}: ${text(detail.why)}`;
			quiet.set(key, [...(quiet.get(key) || []), n]);
			continue;
		}
		nodes.push(failureNode(c, n, cell, detail, !nodes.length));
	}
	if (nodes.length)
		nodes.unshift(el("h3", {}, `Failures and their logs (${nodes.length})`));
	if (quiet.size)
		nodes.push(el("h3", {}, "Absent or skipped"), el("ul", {}, ...[...quiet].map(([key, list]) =>
			el("li", {}, key, el("span", { className: "text" }, ` (${list.length}: ${list.map(n => D.columns[n].name).join(", ")})`)))));
	if (col >= 0 && D.cells[c][col] !== "." && !(details[col] && details[col].bare !== undefined))
		nodes.push(el("h3", {}, `To repeat it on ${D.columns[col].name}`), commandLine(commandOf(c, col)));
	else if (!nodes.length) {
		const ran = [...D.cells[c]].findIndex(char => char !== ".");
		if (ran >= 0)
			nodes.push(el("h3", {}, "To repeat it"), commandLine(commandOf(c, ran)));
	}
	return nodes;
}

const commandOf = (c, col) => `./runner.py run ${D.clauses[c][0]} ${D.columns[col].again}`.trimEnd();

function failureNode(c, n, cell, detail, isOpen) {
	const column = D.columns[n];
	const node = el("details", { className: "failure" }, el("summary", {}, sign(cell), ` ${cell.says}: `, el("code", {}, column.name)));
	node.dataset.col = n;
	const fill = () => {
		if (node.childElementCount > 1 || !node.open)
			return;
		const part = (name, content) => content && node.append(el("div", { className: "label" }, name), el("pre", {}, content));
		if (detail.told)
			part("repetitions", detail.told);
		if (detail.known !== undefined) {
			const known = D.known[detail.known];
			part(`${known.file} expects ${known.expect}`, [known.reason, known.link].filter(Boolean).join("\n"));
		}
		const seen = text(detail.seen), why = text(detail.why);
		if (why && !seen.split("\n").includes(why))
			part("why", why);
		part("what the clause said", seen);
		part("what the kernel said", text(detail.kmsg));
		part(`log: ${text(detail.logfile)}`, text(detail.log));
		node.append(el("div", { className: "label" }, "to repeat it"),
			commandLine(detail.command === undefined ? commandOf(c, n) : text(detail.command)));
		if (text(detail.bare))
			node.append(el("div", { className: "label" }, `the program alone, on ${column.release || "that kernel"}`), commandLine(text(detail.bare)));
		node.append(el("div", { className: "label" }, [column.package || column.release, detail.started,
			detail.seconds === undefined ? "" : `${detail.seconds} s`, D.runs.length > 1 ? `run ${D.runs[column.run].name}` : ""].filter(Boolean).join(", ")));
	};
	node.addEventListener("toggle", fill);
	node.open = isOpen;
	fill();
	return node;
}

// A chip leads to its failure; of one that has none, the command is shown.
pane.addEventListener("click", event => {
	const chip = event.target.closest(".chip");
	if (!chip)
		return;
	const found = pane.querySelector(`details[data-col="${chip.dataset.col}"]`);
	if (found) {
		found.open = true;
		found.scrollIntoView({ block: "nearest" });
		found.firstChild.focus();
	} else {
		showClause(shown, Number(chip.dataset.col));
		pane.lastElementChild.scrollIntoView({ block: "nearest" });
	}
});

// On paper the matrix is tables of as many targets as a page is wide, with the rows that the screen has.
const PER_PAGE = 30, MOST_PAPER = 800;
function paper() {
	const rows = view.rows.slice(0, MOST_PAPER), parts = [];
	for (let begin = 0; begin < view.cols.length; begin += PER_PAGE) {
		const cols = view.cols.slice(begin, begin + PER_PAGE);
		const top = el("tr", {}, el("th", { className: "name" }, "suites and clauses"),
			...cols.map(col => el("th", { className: "label" }, el("span", {}, `${D.columns[col].abi} ${D.columns[col].label}`))));
		const lines = rows.map(row => {
			const isSuite = row.clause === undefined;
			const line = el("tr", { className: isSuite ? "suite" : "" },
				el("th", { className: "name" }, isSuite ? `${row.suite} (${view.bySuite.get(row.suite).length})` : D.clauses[row.clause][0]));
			cols.forEach((col, i) => {
				const cell = isSuite ? sumOf(row.suite)[begin + i] : CELL[D.cells[row.clause][col]];
				line.append(el("td", { className: cell ? cell.look : "none" }, cell ? cell.sign : ""));
			});
			return line;
		});
		parts.push(el("table", {}, el("thead", {}, top), el("tbody", {}, ...lines)));
	}
	if (view.rows.length > MOST_PAPER)
		parts.push(el("p", {}, `${view.rows.length - MOST_PAPER} more rows are left out on paper.`));
	$("paper").replaceChildren(...parts);
}
addEventListener("beforeprint", paper);
addEventListener("afterprint", () => $("paper").replaceChildren());
