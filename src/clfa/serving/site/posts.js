// Tables of posts: reading of CSV, TSV and JSONL, and writing of a CSV file that spreadsheets do not calculate with.

const SKIPPED = "[\\s\"'\\x00-\\x1f\\x85\\u200b-\\u200d\\u2060\\ufeff]*";
const PLACES = new RegExp(
  `(?:^|(?<=[;\\t\\r\\n]))(?=${SKIPPED}[=+\\-@\\uff1d\\uff0b\\uff0d\\uff20])|^(?=${SKIPPED}[\\t\\r\\n])`, "g");
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

// As clfa.sheets.guarded in Python.
export function guarded(text) {
  return NUMBER.test(text) ? text : text.replace(PLACES, "'");
}

export function toCsv(header, rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : typeof value === "string" ? guarded(value) : String(value);
    return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  // Spreadsheets take a file without this mark for one in another encoding.
  return "\ufeff" + [header, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

// Returns {columns, rows: [{number, cells | error}]}: every line is a row, or a row with the reason.
export function readTable(name, text) {
  text = text.replace(/^\ufeff/, "");
  if (/\.(jsonl|ndjson)$/i.test(name)) return readLines(text);
  const records = readRecords(text, separatorOf(text));
  if (!records.length) throw new Error("The table is empty.");
  const columns = records[0];
  const repeated = columns.find((column, place) => columns.indexOf(column) !== place);
  if (repeated !== undefined) throw new Error(`Two columns are named "${repeated}".`);
  const rows = records.slice(1).map((record, place) => record.length === columns.length
    ? { number: place + 1, cells: Object.fromEntries(columns.map((column, at) => [column, record[at]])) }
    : { number: place + 1, cells: {}, error: `The row has ${record.length} cells, the table ${columns.length} columns.` });
  return { columns, rows };
}

function readLines(text) {
  const columns = new Set();
  const rows = [];
  text.split(/\r?\n/).forEach((line) => {
    if (!line.trim()) return;
    const number = rows.length + 1;
    try {
      const cells = JSON.parse(line);
      if (cells === null || typeof cells !== "object" || Array.isArray(cells)) throw new Error();
      Object.keys(cells).forEach((column) => columns.add(column));
      rows.push({ number, cells });
    } catch {
      rows.push({ number, cells: {}, error: "The line is no JSON object." });
    }
  });
  if (!rows.length) throw new Error("The table is empty.");
  return { columns: [...columns], rows };
}

function separatorOf(text) {
  const first = text.slice(0, 10000).split(/\r?\n/, 1)[0];
  const counts = [",", ";", "\t"].map((separator) => [first.split(separator).length, separator]);
  return counts.reduce((best, one) => (one[0] > best[0] ? one : best))[1];
}

function readRecords(text, separator) {
  const records = [];
  let record = [], cell = "", quoted = false, place = 0;
  const end = () => { record.push(cell); cell = ""; };
  const finish = () => { end(); if (record.length > 1 || record[0]) records.push(record); record = []; };
  while (place < text.length) {
    const sign = text[place];
    if (quoted) {
      if (sign !== '"') cell += sign;
      else if (text[place + 1] === '"') { cell += sign; place += 1; } else quoted = false;
    } else if (sign === '"' && !cell) quoted = true;
    else if (sign === separator) end();
    else if (sign === "\n") finish();
    else if (sign !== "\r") cell += sign;
    place += 1;
  }
  if (quoted) throw new Error("A quotation mark of the table is not closed.");
  if (cell || record.length) finish();
  return records;
}

const USUAL = {
  text: ["text", "tweet", "caption", "sentence", "content", "post", "message"],
  image: ["image", "picture", "img", "photo", "image_path", "file", "filename", "file_name", "path"],
  id: ["id", "post_id", "tweet_id", "key"],
};

export function usualColumn(field, columns) {
  return columns.find((column) => USUAL[field].includes(String(column).trim().toLowerCase())) ?? "";
}

// Names of a cell: one, or those of a list.
export function picturesOf(cell) {
  let value = cell;
  if (typeof value === "string" && value.trim().startsWith("[")) {
    try { value = JSON.parse(value); } catch { /* a name with a bracket */ }
  }
  return (Array.isArray(value) ? value : [value]).filter((one) => typeof one === "string" && one.trim());
}

export function baseName(path) {
  return path.split(/[\\/]/).pop();
}
