// A second implementation of the verifier, written from deploy/docs/audit-log-format.md.
// node verifier.mjs KEY DIRECTORY…: prints one line "<name> <outcome> <reason>" for each directory.

import { createHash, createHmac, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";

const VERIFIED = 0, TAMPERED = 1, UNDECIDED = 2;
class Tampered extends Error {}
class Unfamiliar extends Error {}

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const leafHash = (data) => sha256(Buffer.from([0]), data);
const nodeHash = (left, right) => sha256(Buffer.from([1]), left, right);

function refuse(condition, reason) {
  if (condition) throw new Tampered(reason);
}

function base64(text) {
  const data = Buffer.from(text, "base64");
  refuse(typeof text !== "string" || data.toString("base64") !== text, "a value is not base 64");
  return data;
}

// RFC 8785: JSON.stringify writes strings and numbers as it wants them; sort() orders names by UTF-16 code units.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

function hasFraction(value) {
  if (typeof value === "number") return !Number.isSafeInteger(value);
  return value !== null && typeof value === "object" && Object.values(value).some(hasFraction);
}

function readKey(text) {
  const [name, id, encoded] = [text.split("+", 2)[0], text.split("+", 2)[1], text.split("+").slice(2).join("+")];
  const key = base64(encoded);
  refuse(key.length !== 33 || key[0] !== 1, "the key is not Ed25519");
  refuse(sha256(name, "\n", key).subarray(0, 4).toString("hex") !== id, "the id of the key is another one");
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), key.subarray(1)]);
  return { name, id, public: createPublicKey({ key: spki, format: "der", type: "spki" }) };
}

function openCheckpoint(note, key) {
  const text = note.toString("utf8");
  refuse(!Buffer.from(text).equals(note) || /[\x00-\x09\x0b-\x1f]/.test(text), "the note is malformed");
  const at = text.lastIndexOf("\n\n");
  refuse(at < 0 || !text.endsWith("\n"), "the note has no signatures");
  const signed = text.slice(0, at + 1);
  let isSigned = false;
  for (const line of text.slice(at + 2, -1).split("\n")) {
    const match = /^— ([^ +]+) (\S+)$/.exec(line);
    refuse(!match, "a line is not a signature");
    const data = base64(match[2]);
    if (match[1] !== key.name || data.subarray(0, 4).toString("hex") !== key.id) continue;
    refuse(!verify(null, Buffer.from(signed), key.public, data.subarray(4)), "the signature is wrong");
    isSigned = true;
  }
  refuse(!isSigned, "no trusted key signed the note");
  const lines = signed.slice(0, -1).split("\n");
  refuse(lines.length < 3 || lines.includes("") || !/^(0|[1-9]\d{0,15})$/.test(lines[1]), "it is not a checkpoint");
  refuse(lines[0] !== key.name, "the checkpoint is of another log");
  const root = base64(lines[2]);
  refuse(root.length !== 32, "the root is not a hash");
  return { size: Number(lines[1]), root };
}

class Tree {
  constructor() {
    this.size = 0;
    this.hashes = [];
  }
  append(hash) {
    for (let index = this.size; index % 2 === 1; index = (index - 1) / 2) hash = nodeHash(this.hashes.pop(), hash);
    this.hashes.push(hash);
    this.size += 1;
  }
  root() {
    return this.hashes.length ? this.hashes.reduceRight((right, left) => nodeHash(left, right)) : sha256();
  }
}

// Leads from a leaf to the root as the tree is divided, from the top: at the largest power of two below the size.
function rootOf(hash, index, size, proof) {
  if (size === 1) {
    refuse(proof.length > 0, "the proof has too many hashes");
    return hash;
  }
  refuse(proof.length === 0, "the proof has too few hashes");
  const middle = 2 ** Math.floor(Math.log2(size - 1));
  const [rest, sibling] = [proof.slice(0, -1), proof.at(-1)];
  if (index < middle) return nodeHash(rootOf(hash, index, middle, rest), sibling);
  return nodeHash(sibling, rootOf(hash, index - middle, size - middle, rest));
}

function leafData(body) {
  if (body.length <= 65535) return body;
  const stand = { leaf_hash: leafHash(body).toString("hex"), size: body.length, type: "large-entry", v: 1 };
  return Buffer.from(canonical(stand));
}

const EVERYWHERE = ["audit.baselined", "text.erased"];

function knownActions() {
  const page = new URL("../../../deploy/docs/audit-log-format.md", import.meta.url);
  const known = {};
  for (const [, chain, names] of readFileSync(page, "utf8").matchAll(/^\| `(\w+)` \| (.*) \|$/gm)) {
    const listed = [...names.matchAll(/`([a-z_]+\.[a-z_]+)`/g)].map(([, name]) => name);
    if (listed.length) known[chain] = new Set([...EVERYWHERE, ...listed]);
  }
  return known;
}

function readEntry(body) {
  const text = body.toString("utf8");
  let document;
  try {
    document = JSON.parse(text);
  } catch {
    throw new Tampered("the bytes are not JSON");
  }
  refuse(document === null || typeof document !== "object" || !("v" in document), "the bytes are no entry");
  if (document.v !== 1) throw new Unfamiliar(`the format ${document.v} is unknown`);
  refuse(canonical(document) !== text || !Buffer.from(text).equals(body), "the bytes are not in their one spelling");
  if (hasFraction(document)) throw new Unfamiliar("a number is not an integer");
  return document;
}

function verifyDirectory(directory, key, known) {
  const checkpoint = openCheckpoint(readFileSync(join(directory, "checkpoint")), key);
  const lines = readFileSync(join(directory, "entries.jsonl"), "utf8").split("\n");
  refuse(lines.pop() !== "", "the last line is incomplete");
  const [tree, chains, missing, undecided] = [new Tree(), new Map(), new Map(), []];
  let [last, isSelection, isLater] = [-1, false, false];
  for (const line of lines) {
    const item = JSON.parse(line);
    const body = base64(item.body);
    isSelection = "proof" in item;
    if (isSelection) {
      refuse(item.position <= last || item.position >= checkpoint.size, "the positions are out of order");
      const root = rootOf(leafHash(leafData(body)), item.position, checkpoint.size, item.proof.map(base64));
      refuse(!root.equals(checkpoint.root), "the proof leads to another root");
    } else {
      refuse(item.position !== tree.size || tree.size === checkpoint.size, "an entry is missing or added");
      tree.append(leafHash(leafData(body)));
    }
    last = item.position;
    try {
      checkEntry(readEntry(body), body, item.texts, { chains, missing, undecided, isSelection, isLater, known });
    } catch (error) {
      if (!(error instanceof Unfamiliar)) throw error;
      isLater = true;
      undecided.push(error.message);
    }
  }
  if (!isSelection) {
    refuse(tree.size !== checkpoint.size, "entries are missing at the end");
    refuse(!tree.root().equals(checkpoint.root), "the entries do not have the root of the checkpoint");
  }
  refuse(missing.size && !isSelection && !undecided.length, "a text is gone, and no entry records its erasure");
  if (missing.size) undecided.push("a text is not here");
  return undecided;
}

function checkEntry(document, body, texts, { chains, missing, undecided, isSelection, isLater, known }) {
  let head = chains.get(document.agg) ?? { seq: 0, leaf: "" };
  if ((isSelection && document.seq > head.seq + 1) || isLater) head = { seq: document.seq - 1, leaf: document.prev };
  refuse(document.seq !== head.seq + 1 || document.prev !== head.leaf, "the entry does not follow the one before it");
  chains.set(document.agg, { seq: document.seq, leaf: leafHash(body).toString("hex") });
  if (!known[document.agg.split(":")[0]]?.has(document.action)) undecided.push(`the action ${document.action}`);
  for (const name of Object.keys(texts)) refuse(!(name in document.commit), "a text was added");
  for (const [name, committed] of Object.entries(document.commit)) {
    const stored = texts[name] ?? null;
    if (stored === null) missing.set(`${document.id} ${name}`, true);
    else refuse(createHmac("sha256", base64(stored.salt)).update(stored.text).digest("hex") !== committed, "a text was changed");
  }
  for (const [id, name] of document.facts?.erased ?? []) missing.delete(`${id} ${name}`);
}

const [keyText, ...directories] = process.argv.slice(2);
const [key, known] = [readKey(keyText), knownActions()];
for (const directory of directories) {
  let [outcome, reason] = [VERIFIED, "ok"];
  try {
    const undecided = verifyDirectory(directory, key, known);
    if (undecided.length) [outcome, reason] = [UNDECIDED, undecided[0]];
  } catch (error) {
    [outcome, reason] = [TAMPERED, error.message];
  }
  console.log(`${basename(directory)} ${outcome} ${reason}`);
}
