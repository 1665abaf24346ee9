// SPDX-License-Identifier: GPL-2.0-only
// A report's filters, keys and address: how the user moves. Comes last, and starts the page.

const go = (row, col) => {
	view.row = Math.max(0, Math.min(view.rows.length - 1, row));
	view.col = Math.max(-1, Math.min(view.cols.length - 1, col));
	reveal();
};

// Scrolls the matrix until the cell the user is at is in sight.
function reveal() {
	if (!view.rows.length || !view.cols.length)
		return;
	const y = view.row * rowHeight, room = matrix.clientHeight - headHeight;
	if (y < matrix.scrollTop)
		matrix.scrollTop = y;
	else if (y + rowHeight > matrix.scrollTop + room)
		matrix.scrollTop = y + rowHeight - room;
	if (view.col >= 0) {
		const x = view.col * cellWidth, width = matrix.clientWidth - nameWidth;
		if (x < matrix.scrollLeft)
			matrix.scrollLeft = x;
		else if (x + cellWidth > matrix.scrollLeft + width)
			matrix.scrollLeft = x + cellWidth - width;
	}
	draw(false);
}

function toggle(suite, open = !isOpen(suite)) {
	view.folds.set(suite, open);
	refold();
}

function refold() {
	const top = matrix.scrollTop;
	layRows();
	draw(true);
	matrix.scrollTop = top;
	reveal();
}

function foldAll(open) {
	for (const suite of suites)
		view.folds.set(suite, open);
	refold();
}

// Opens what the user is at.
function enter() {
	const row = view.rows[view.row];
	if (!row)
		return;
	if (row.clause === undefined)
		toggle(row.suite);
	else
		showClause(row.clause, view.col < 0 ? -1 : view.cols[view.col]);
}

// The next (1) or previous (-1) cell that is not as expected, in folded suites too.
function seek(step) {
	const bad = c => view.cols.findIndex(col => CELL[D.cells[c][col]] && CELL[D.cells[c][col]].marks & (UNEXPECTED | DIFFERS));
	const order = [...view.bySuite.values()].flat();
	const at = view.rows[view.row];
	let place = -1;
	if (at)
		place = at.clause === undefined ? order.indexOf(view.bySuite.get(at.suite)[0]) - (step > 0 ? 1 : 0) : order.indexOf(at.clause);
	for (place += step; place >= 0 && place < order.length; place += step) {
		const col = bad(order[place]);
		if (col < 0)
			continue;
		const suite = suiteOf[order[place]];
		if (!isOpen(suite)) {
			view.folds.set(suite, true);
			layRows();
			draw(true);
		}
		go(view.rows.findIndex(row => row.clause === order[place]), col);
		if (pane.hidden)
			matrix.focus({ preventScroll: true });
		else
			showClause(order[place], view.cols[col], true);
		matrix.scrollIntoView({ block: "nearest" });
		return;
	}
	$("status").textContent = step > 0 ? "nothing more that is not as expected" : "nothing before that is not as expected";
}

const moves = {
	ArrowDown: () => go(view.row + 1, view.col),
	ArrowUp: () => go(view.row - 1, view.col),
	ArrowRight: ctrl => {
		const row = view.rows[view.row];
		if (view.col < 0 && row && row.clause === undefined && !isOpen(row.suite))
			toggle(row.suite, true);
		else
			go(view.row, ctrl ? view.cols.length - 1 : view.col + 1);
	},
	ArrowLeft: ctrl => {
		const row = view.rows[view.row];
		if (view.col >= 0)
			go(view.row, ctrl ? -1 : view.col - 1);
		else if (row && row.clause !== undefined)
			go(view.rows.findIndex(other => other.key === "s" + row.suite), -1);
		else if (row && isOpen(row.suite))
			toggle(row.suite, false);
	},
	Home: ctrl => ctrl ? go(0, view.col) : go(view.row, -1),
	End: ctrl => ctrl ? go(view.rows.length - 1, view.col) : go(view.row, view.cols.length - 1),
	PageDown: () => go(view.row + page(), view.col),
	PageUp: () => go(view.row - page(), view.col),
	Enter: enter,
	" ": enter,
};
const page = () => Math.max(1, Math.floor((matrix.clientHeight - headHeight) / rowHeight) - 1);

matrix.addEventListener("keydown", event => {
	const move = moves[event.key];
	if (!move || event.altKey || event.metaKey || !view.rows.length)
		return;
	event.preventDefault();
	move(event.ctrlKey);
});

matrix.addEventListener("click", event => {
	const at = placeAt(event);
	if (!at)
		return;
	[view.row, view.col] = at;
	mark();
	enter();
});
matrix.addEventListener("mousemove", event => {
	const at = placeAt(event), title = at && at[1] >= 0 ? tellCell(view.rows[at[0]], at[1]) : "";
	if (canvas.title !== title)
		canvas.title = title;
});
matrix.addEventListener("scroll", () => draw(false), { passive: true });
addEventListener("resize", refit);

document.addEventListener("keydown", event => {
	const typing = event.target.closest("input, select, textarea");
	if (event.key === "Escape" && !$("keys").open) {
		if (typing && typing.value) {
			typing.value = "";
			typing.dispatchEvent(new Event("input", { bubbles: true }));
		} else if (!pane.hidden)
			hideClause();
		else
			matrix.focus();
		event.preventDefault();
	}
	if (typing && event.key === "Enter") {
		event.preventDefault();
		matrix.focus();
	}
	if (typing || event.ctrlKey || event.altKey || event.metaKey || $("keys").open)
		return;
	const action = { "/": () => $("q").focus(), t: () => $("target").focus(), m: () => { matrix.focus(); reveal(); },
		n: () => seek(1), p: () => seek(-1), "?": () => $("keys").showModal() }[event.key];
	if (action) {
		event.preventDefault();
		action();
	}
});

// The address keeps what was chosen, so that a view can be sent to somebody.
let silent = false;
function remember() {
	if (silent)
		return;
	const words = new URLSearchParams();
	for (const key of ["q", "suite", "target"])
		if (chosen[key])
			words.set(key, chosen[key]);
	if (chosen.verdicts.size)
		words.set("verdict", [...chosen.verdicts].join(","));
	if (shown >= 0)
		words.set("clause", D.clauses[shown][0]);
	const hash = words.toString().replaceAll("%2F", "/").replaceAll("%2C", ",");
	try {
		history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
	} catch { /* a sandboxed page has no address of its own */ }
}

function recall() {
	const words = new URLSearchParams(location.hash.slice(1)), known = new Set(["q", "suite", "target", "verdict", "clause"]);
	if (location.hash && ![...words.keys()].some(key => known.has(key)))
		return;  // a section of the page
	const clause = D.clauses.findIndex(entry => entry[0] === words.get("clause"));
	silent = true;
	if (!words.has("clause") || ["q", "suite", "target", "verdict"].some(key => words.has(key))) {
		for (const key of ["q", "suite", "target"])
			$(key).value = chosen[key] = words.get(key) || "";
		$("suite").value = chosen.suite = suites.includes(chosen.suite) ? chosen.suite : "";
		chosen.verdicts = new Set((words.get("verdict") || "").split(",").filter(word => BUTTONS.includes(word)));
	}
	filter(true);
	silent = false;
	if (clause >= 0) {
		const suite = suiteOf[clause];
		if (view.bySuite.has(suite) && view.bySuite.get(suite).includes(clause)) {
			view.folds.set(suite, true);
			refold();
			go(view.rows.findIndex(row => row.clause === clause), view.col);
		}
		showClause(clause, -1);
		$("main").scrollIntoView({ block: "start" });
	}
}

const BUTTONS = ["unexpected", "known", "differs", ...D.words];
function start() {
	for (const word of BUTTONS) {
		const cell = D.words.includes(word) ? { sign: word === "pass" ? "\u2713" : D.letters[word], look: word }
			: { unexpected: { sign: "!", look: "fail" }, known: { sign: "(F)", look: "fail known" }, differs: { sign: "~", look: "fail" } }[word];
		const button = el("button", { type: "button", title: `only clauses that are ${word} somewhere` }, sign(cell), document.createTextNode(""));
		button.dataset.verdict = word;
		button.addEventListener("click", () => {
			if (!chosen.verdicts.delete(word))
				chosen.verdicts.add(word);
			filter();
		});
		$("verdicts").append(button);
	}
	$("suite").append(...suites.map(suite => el("option", { value: suite }, suite)));
	for (const key of ["q", "suite", "target"])
		$(key).addEventListener("input", event => {
			chosen[key] = event.target.value;
			filter(key === "target");
		});
	$("unfold").addEventListener("click", () => foldAll(true));
	$("fold").addEventListener("click", () => foldAll(false));
	$("help").addEventListener("click", () => $("keys").showModal());
	$("clear").addEventListener("click", () => {
		for (const key of ["q", "suite", "target"])
			$(key).value = chosen[key] = "";
		chosen.verdicts.clear();
		filter();
	});
	$("filters").addEventListener("submit", event => event.preventDefault());
	$("filters").hidden = $("main").hidden = false;
	addEventListener("hashchange", recall);
	if (location.hash && /[#&](q|suite|target|verdict|clause)=/.test(location.hash))
		recall();
	else
		filter();
}
start();
