// The page: one post, or a file of posts. Everything that comes from outside is written as text, never as markup.
import { ask, model, useToken } from "./service.js";
import { baseName, picturesOf, readTable, toCsv, usualColumn } from "./posts.js";

const by = (id) => document.getElementById(id);
const SHOWN = 200;
let info = null, picture = null, url = null;

function make(kind, content, className) {
  const element = document.createElement(kind);
  if (content !== undefined) element.textContent = content;
  if (className) element.className = className;
  return element;
}

function say(place, message, problem = false) {
  by(place).textContent = message;
  by(place).className = problem ? "problem" : "";
}

// A model is never entirely sure.
const percent = (share) => share > 0.999 ? "over 99.9 %" : share < 0.001 ? "under 0.1 %" : `${(100 * share).toFixed(1)} %`;
const shown = (value) => Array.isArray(value) ? value.join(", ") || "(none)"
  : typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(4))) : String(value);

// --- what the model can do

async function start() {
  try {
    info = await model();
  } catch (error) {
    if (error.code === "unauthorised") {
      by("token-form").hidden = false;
      say("about", "This service asks for a token.");
    } else say("about", error.message, true);
    return;
  }
  by("token-form").hidden = true;
  by("name").textContent = info.name;
  document.title = `${info.name} – clfa`;
  const answers = info.targets.map((one) => {
    const classes = one.classes.length > 6 ? `one of ${one.classes.length} classes` : one.classes.join(" or ") || "a number";
    return info.targets.length > 1 ? `${one.name}: ${classes}` : classes;
  });
  const reads = info.reads.map((one) => ({ text: "a text", image: "a picture", knowledge: "a description" })[one]);
  say("about", `Reads ${reads.join(" and ")}; answers with ${answers.join("; ")}.`);
  if (info.targets.every((one) => one.calibrated || !one.classes.length)) {
    by("sureness").textContent = "Calibrated on posts that were held out of the training: where it says 80 %, it is right about "
      + "80 times in 100 on posts like those. About other posts it may be surer than it should be.";
  }
  by("text-part").hidden = !info.reads.includes("text");
  for (const id of ["image-part", "pictures-part"]) by(id).hidden = !info.reads.includes("image");
  by("text-hint").textContent = `At most ${info.limits.max_characters.toLocaleString("en")} characters.`;
  by("explain-part").hidden = !(info.explains || info.may_lack);
}

by("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(by("token").value.trim());
  by("token").value = "";
  start();
});

// --- the picture

function choose(file) {
  if (url) URL.revokeObjectURL(url);
  picture = file;
  url = file ? URL.createObjectURL(file) : null;
  by("preview").hidden = !file;
  by("regions").hidden = true;
  if (!file) { by("image").value = ""; by("shown").removeAttribute("src"); return; }
  by("shown").src = url;
  by("shown").alt = "The chosen picture";
  by("shown-name").textContent = file.name;
}

by("image").addEventListener("change", (event) => choose(event.target.files[0] ?? null));
by("remove").addEventListener("click", () => { choose(null); by("image").focus(); });
by("drop").addEventListener("dragover", (event) => { event.preventDefault(); by("drop").classList.add("over"); });
by("drop").addEventListener("dragleave", () => by("drop").classList.remove("over"));
by("drop").addEventListener("drop", (event) => {
  event.preventDefault();
  by("drop").classList.remove("over");
  if (event.dataTransfer.files[0]) choose(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
  if (file && info?.reads.includes("image")) { event.preventDefault(); choose(file); }
});

// --- one post

by("one").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!info) return;
  const form = new FormData();
  if (info.reads.includes("text")) form.append("text", by("text").value);
  if (picture && info.reads.includes("image")) form.append("image", picture);
  else form.append("image", new File([], ""));
  const explain = !by("explain-part").hidden && by("explain").checked;
  if (explain) form.append("explain", "true");
  by("ask").disabled = true;
  by("answer").hidden = true;
  by("regions").hidden = true;
  say("status", "Asking …");
  try {
    if (picture && picture.size > info.limits.max_body_bytes) throw new Error("The picture's file is too large.");
    show(await ask(form), explain);
    say("status", "The answer is there.");
    by("answer").focus();
  } catch (error) {
    say("status", error.message, true);
  }
  by("ask").disabled = false;
});

function show(found, explain) {
  const targets = Object.entries(found.targets);
  by("targets").replaceChildren(...targets.flatMap(([name, one]) => [
    make("h4", targets.length > 1 ? `${name}: ${shown(one.prediction)}` : shown(one.prediction)),
    bars(one),
  ]));
  by("agreement").hidden = found.agreement === undefined;
  if (found.agreement !== undefined) {
    const word = found.agreement > 0.3 ? "agree" : found.agreement < -0.3 ? "contradict each other" : "have little in common";
    by("agreement").textContent = `To this model, text and picture ${word} (${found.agreement.toFixed(2)}; from -1 to 1).`;
  }
  by("answer").hidden = false;
  by("without").hidden = by("explanation").hidden = !explain;
  if (explain) { showWithout(found); showExplanation(found.explanation); }
}

function bars(one) {
  const list = make("ul", undefined, "bars");
  const chosen = Array.isArray(one.prediction) ? one.prediction.map(String) : [String(one.prediction)];
  for (const [label, share] of Object.entries(one.probabilities ?? {}).sort((a, b) => b[1] - a[1])) {
    const line = make("li", undefined, chosen.includes(label) ? "chosen" : "");
    const track = make("span", undefined, "track"), fill = make("span", undefined, "fill");
    track.setAttribute("aria-hidden", "true");
    fill.style.display = "block";
    fill.style.width = `${100 * share}%`;
    track.append(fill);
    line.append(make("span", label), track, make("span", percent(share), "number"));
    list.append(line);
  }
  return list;
}

function summary(targets) {
  return Object.entries(targets).map(([name, one]) => {
    const sure = one.confidence === undefined ? "" : ` (${percent(one.confidence)})`;
    return `${Object.keys(targets).length > 1 ? `${name}: ` : ""}${shown(one.prediction)}${sure}`;
  }).join("; ");
}

const PARTS = [["image", "Without the picture"], ["text", "Without the text"]];

function showWithout(found) {
  const box = by("without"), list = make("ul"), replaced = found.explanation?.without ?? {};
  box.replaceChildren(make("h3", "With a part left out"));
  list.append(make("li", `Both: ${summary(found.targets)}`));
  for (const [part, name] of PARTS) {
    if (found.without?.[part]) list.append(make("li", `${name}: ${summary(found.without[part].targets)}`));
    else if (replaced[part]) list.append(make("li", `${name} (${replaced[part].how}): ${shown(replaced[part].prediction)}`));
  }
  if (list.children.length > 1) box.append(list);
  else if (info.may_lack) box.append(make("p", "The post has one part only.", "hint"));
  else {
    box.append(make("p", "This model has always seen text and picture together. It is not asked about a part alone, because "
      + "what it would say means nothing.", "hint"));
  }
}

function showExplanation(found) {
  const box = by("explanation");
  box.replaceChildren(make("h3", "What decided"));
  if (!found) {
    box.append(make("p", "Words and regions are not available for this answer.", "hint"));
    return;
  }
  const about = found.label ?? found.target;
  // Smaller changes of a probability would look like reasons, and are none.
  const least = found.label === undefined ? 1e-9 : 0.005;
  box.append(make("p", `Solid lines speak for “${about}”, dotted ones against it. Method: ${found.method}.`, "hint"));
  if (found.words?.length) {
    const most = Math.max(...found.words.map((word) => Math.abs(word.score)), least);
    if (most === least) box.append(make("p", "No word alone changes the answer."));
    const line = make("p", undefined, "words");
    line.dir = "auto";
    for (const word of found.words) {
      const strength = Math.abs(word.score) / most, side = word.score >= 0 ? "for" : "against";
      const mark = make("span", word.text, side);
      mark.title = `${side}: ${Math.abs(word.score).toFixed(3)}`;
      if (strength > 0.05 && most > least) {
        mark.style.backgroundColor = `rgb(var(--${side}) / ${0.5 * strength})`;
        mark.style.borderBottomColor = `rgb(var(--${side}))`;
      }
      line.append(mark, " ");
    }
    box.append(line);
  }
  const largest = Math.max(...(found.regions?.scores ?? []).flat().map(Math.abs), least);
  if (found.regions && largest === least) box.append(make("p", "No region of the picture alone changes the answer."));
  else if (found.regions?.scores?.length) {
    paint(found.regions.scores);
    const rows = found.regions.scores;
    const flat = rows.flatMap((row, down) => row.map((score, right) => ({ score, down, right })));
    const best = flat.reduce((most, one) => one.score > most.score ? one : most);
    const down = ["top", "middle", "bottom"][Math.min(2, Math.floor(3 * best.down / rows.length))];
    const right = ["left", "centre", "right"][Math.min(2, Math.floor(3 * best.right / rows[0].length))];
    box.append(make("p", `In the picture, the region that speaks most for the answer is ${down} ${right}.`));
  }
}

function paint(scores) {
  const canvas = by("regions"), pen = canvas.getContext("2d");
  const rows = scores.length, columns = scores[0].length;
  const most = Math.max(...scores.flat().map(Math.abs), 1e-9);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim().split(" ").join(",");
  canvas.width = 40 * columns;
  canvas.height = 40 * rows;
  scores.forEach((row, down) => row.forEach((score, right) => {
    pen.fillStyle = `rgba(${colour(score >= 0 ? "--for" : "--against")},${0.6 * Math.abs(score) / most})`;
    pen.fillRect(40 * right, 40 * down, 40, 40);
  }));
  canvas.hidden = false;
}

// --- a file of posts

let table = null, stopped = false, link = null;

by("table").addEventListener("change", async (event) => {
  table = null;
  by("columns").hidden = by("results").hidden = true;
  const file = event.target.files[0];
  if (!file) return;
  try {
    table = readTable(file.name, new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer()));
  } catch (error) {
    say("many-status", error instanceof TypeError ? "The table is not in UTF-8." : error.message, true);
    return;
  }
  for (const field of ["text", "image", "id"]) {
    const select = by(`${field}-column`), usual = usualColumn(field, table.columns);
    select.replaceChildren(...["", ...table.columns].map((column) => new Option(column || "(none)", column, false, column === usual)));
    select.parentElement.hidden = field !== "id" && !info?.reads.includes(field);
  }
  by("columns").hidden = false;
  say("many-status", `${table.rows.length.toLocaleString("en")} rows.`);
});

by("stop").addEventListener("click", () => { stopped = true; });

by("many").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!info || !table) return;
  const columns = Object.fromEntries(["text", "image", "id"].map((field) => [field, by(`${field}-column`).value]));
  const files = new Map();
  for (const file of by("pictures").files) {
    const known = files.get(file.name);
    const same = known && known.size === file.size && known.lastModified === file.lastModified;
    files.set(file.name, files.has(file.name) && !same ? null : file);
  }
  const posts = table.rows.map((row) => prepared(row, columns, files));
  stopped = false;
  by("run").disabled = true;
  by("stop").hidden = by("progress").hidden = false;
  by("progress").max = posts.length;
  let done = 0;
  for (const chunk of chunks(posts)) {
    if (stopped) break;
    await askFor(chunk);
    done += chunk.length;
    by("progress").value = done;
    say("many-status", `${done.toLocaleString("en")} of ${posts.length.toLocaleString("en")} rows …`);
  }
  for (const post of posts) if (!post.answer && !post.error) post.error = "not asked";
  const failed = posts.filter((post) => post.error).length;
  by("run").disabled = false;
  by("stop").hidden = by("progress").hidden = true;
  say("many-status", `${posts.length.toLocaleString("en")} rows: ${(posts.length - failed).toLocaleString("en")} with an answer, `
    + `${failed.toLocaleString("en")} without; the reasons stand in the table.`);
  showRows(posts);
});

function prepared(row, columns, files) {
  const cell = (field) => columns[field] ? row.cells[columns[field]] : undefined;
  const text = cell("text");
  const post = {
    id: cell("id") ?? row.number, error: row.error, pictures: [],
    text: text === undefined || text === null ? "" : typeof text === "string" ? text : JSON.stringify(text),
  };
  for (const name of info.reads.includes("image") ? picturesOf(cell("image")) : []) {
    const file = files.has(name) ? files.get(name) : files.get(baseName(name));
    if (file) post.pictures.push(file);
    else post.error ??= file === null ? `two chosen pictures are named ${baseName(name)}` : `no chosen picture is named ${baseName(name)}`;
  }
  return post;
}

// Requests within the bounds of the service.
function* chunks(posts) {
  const limits = info.limits, most = Math.min(16, limits.max_posts);
  let chunk = [], bytes = 0, pictures = 0;
  for (const post of posts) {
    const size = 4 * post.text.length + post.pictures.reduce((sum, file) => sum + file.size, 1000);
    const over = chunk.length >= most || bytes + size > limits.max_body_bytes / 2
      || pictures + post.pictures.length > limits.max_pictures;
    if (chunk.length && over) { yield chunk; chunk = []; bytes = pictures = 0; }
    chunk.push(post);
    bytes += size;
    pictures += post.pictures.length;
  }
  if (chunk.length) yield chunk;
}

async function askFor(chunk) {
  const asked = chunk.filter((post) => !post.error);
  if (!asked.length) return;
  const names = new Map();
  for (const post of asked) for (const file of post.pictures) if (!names.has(file)) names.set(file, String(names.size));
  const form = new FormData();
  form.append("posts", JSON.stringify(asked.map((post) => ({
    text: post.text, image: post.pictures.map((file) => names.get(file)),
  }))));
  for (const [file, name] of names) form.append("image", file, name);
  if (!names.size) form.append("image", new File([], ""));
  try {
    const found = await ask(form, 5);
    found.posts.forEach((answer, place) => {
      asked[place].answer = answer.error ? null : answer;
      asked[place].error = answer.error?.message;
    });
  } catch (error) {
    for (const post of asked) post.error = error.message;
  }
}

function showRows(posts) {
  const several = info.targets.length > 1;
  const header = ["id", "text"];
  for (const target of info.targets) {
    const prefix = several ? `${target.name}.` : "";
    header.push(`${prefix}prediction`, ...target.classes.map((label) => `${prefix}probability_${label}`));
  }
  if (info.agreement) header.push("agreement");
  header.push("error");
  const rows = posts.map((post) => {
    const cells = [post.id, post.text];
    for (const target of info.targets) {
      const one = post.answer?.targets[target.name];
      cells.push(one ? shown(one.prediction) : null, ...target.classes.map((label) => one?.probabilities?.[label] ?? null));
    }
    if (info.agreement) cells.push(post.answer?.agreement ?? null);
    cells.push(post.error ?? null);
    return cells;
  });
  const isShare = (value) => typeof value === "number" && value >= 0 && value <= 1 && !Number.isInteger(value);
  const head = make("thead"), body = make("tbody"), names = make("tr");
  names.append(...header.map((name) => { const cell = make("th", name); cell.scope = "col"; return cell; }));
  head.append(names);
  for (const row of rows.slice(0, SHOWN)) {
    const line = make("tr");
    line.append(...row.map((value) => make("td", value === null ? "" : isShare(value) ? value.toFixed(4) : shown(value))));
    body.append(line);
  }
  by("rows").replaceChildren(head, body);
  by("more").hidden = rows.length <= SHOWN;
  by("more").textContent = `The first ${SHOWN} of ${rows.length.toLocaleString("en")} rows; the file has all.`;
  if (link) URL.revokeObjectURL(link);
  link = URL.createObjectURL(new Blob([toCsv(header, rows)], { type: "text/csv" }));
  by("download").href = link;
  by("results").hidden = false;
}

start();
