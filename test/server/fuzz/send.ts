import { Agent, request } from "node:http";
import { connect } from "node:net";

import { encodeBase64Url, type Json } from "../../../sdk/src/wire/index.ts";
import type { Change, Credential, HttpCall, RawCall } from "./hostile.ts";

/** What came back; 0 where the connection was ended without an answer. */
export type Answer = { readonly statuses: readonly number[]; readonly text: string };

/** A valid credential that was used, or nobody stands behind. */
export type Material = {
  readonly challenge: Json;
  readonly payload: Json;
  readonly source?: string;
  /** The body of the request that it has paid for. */
  readonly body?: string;
};

type Tree = Record<string, unknown> | unknown[];

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null;
}

/** Every member of a tree, as the object that has it and its name. */
function membersOf(tree: Tree): [Tree, string][] {
  return Object.keys(tree).flatMap((name) => {
    const value = (tree as Record<string, unknown>)[name];
    return [[tree, name] as [Tree, string], ...(isTree(value) ? membersOf(value) : [])];
  });
}

function apply(root: Tree, other: Tree, { at, how, value: given }: Change): void {
  const value = structuredClone(given);
  const members = membersOf(root);
  const [owner, name] = members[at % members.length] as [Record<string, unknown>, string];
  const before = owner[name];
  switch (how) {
    case "drop":
      delete owner[name];
      return;
    case "flip": {
      const text = String(before);
      const place = at % Math.max(text.length, 1);
      owner[name] = text.slice(0, place) + (text[place] === "1" ? "2" : "1") + text.slice(place + 1);
      return;
    }
    case "shout":
      owner[name] = String(before).toUpperCase();
      return;
    case "wrap":
      owner[name] = [before];
      return;
    case "add":
      owner[String(value)] = value;
      return;
    case "swap": {
      const theirs = membersOf(other).find(([, theirName]) => theirName === name);
      if (theirs) owner[name] = (theirs[0] as Record<string, unknown>)[name];
      return;
    }
    case "replace":
      owner[name] = value;
  }
}

/** Writes a credential as it was told to be broken. */
export function writeCredential(material: Material, other: Material, recipe: Credential): string {
  const { challenge, payload, source } = material;
  const tree: Record<string, unknown> = structuredClone({ challenge, payload, source });
  if (recipe.action !== undefined) (tree["payload"] as Record<string, unknown>)["action"] = recipe.action;
  for (const change of recipe.changes) apply(tree, structuredClone(other) as Record<string, unknown>, change);
  return recipe.scheme + write(damage(JSON.stringify(tree), recipe), recipe);
}

function damage(text: string, { text: how, at }: Credential): string {
  switch (how) {
    case "whole":
      return text;
    case "cut":
      return text.slice(0, at % text.length);
    case "twice":
      return text.replace(/"(\w+)":/g, (member, name: string) => `"${name}":null,${member}`);
    case "prototype":
      return text.replaceAll("{", '{"__proto__":{"action":"voucher","chainId":1},"constructor":null,');
    case "nested":
      return `{"payload":${"[".repeat(2000)}${"]".repeat(2000)},${text.slice(1)}`;
    case "not JSON":
      return text.replaceAll('"', "'");
  }
}

function write(text: string, { form, at }: Credential): string {
  const encoded = encodeBase64Url(text);
  switch (form) {
    case "plain":
      return encoded;
    case "padded":
      return `${encoded}${"=".repeat(at % 4)}`;
    case "base64":
      return Buffer.from(text).toString("base64");
    case "raw":
      return text.replaceAll(/[^\x20-\x7e]/g, "?");
    case "cut":
      return encoded.slice(0, at % encoded.length);
    case "latin":
      return `${encoded.slice(0, at % encoded.length)}\u00e9${encoded.slice(at % encoded.length)}`;
  }
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** Lets go of the connections. */
export function hangUp(): void {
  agent.destroy();
}

/** Sends what a client of HTTP can send. */
export function sendHttp(
  port: number,
  { method, path, headers, body, isChunked, leaves }: HttpCall,
  authorization: string | undefined,
): Promise<Answer> {
  return new Promise((resolve) => {
    const fields: Record<string, string> = {};
    for (const [name, value] of headers) {
      fields[name] = value.replaceAll(/\{now(-?\d+)\}/g, (_, late: string) => String(Date.now() + Number(late)));
    }
    if (authorization !== undefined) fields["authorization"] = authorization;
    if (isChunked) fields["transfer-encoding"] = "chunked";
    else fields["content-length"] = String(Buffer.byteLength(body));
    const options = { host: "127.0.0.1", port, method, path: path.replaceAll(" ", "%20"), headers: fields, agent };
    const none = (): void => resolve({ statuses: [0], text: "" });
    const sent = request(options, (response) => {
      let text = "";
      response.setEncoding("latin1");
      response.on("data", (chunk: string) => (text += chunk));
      const done = (): void => resolve({ statuses: [response.statusCode ?? 0], text });
      response.on("end", done);
      response.on("close", done);
      sent.off("close", none);
      response.on("error", () => undefined);
      if (leaves) response.destroy();
    });
    sent.on("error", none);
    sent.on("close", none);
    if (leaves) {
      sent.write(body.slice(0, -1));
      setTimeout(() => sent.destroy(), body.length % 5);
    } else sent.end(body);
  });
}

/** Milliseconds to wait for an answer to what may be no request. */
const patience = 15;

/** Sends bytes that are HTTP or not. */
export function sendRaw(port: number, { pieces, end }: RawCall): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    let idle: NodeJS.Timeout | undefined;
    const wait = (): void => {
      clearTimeout(idle);
      idle = setTimeout(() => socket.destroy(), patience);
    };
    socket.setEncoding("latin1");
    socket.setNoDelay(true);
    socket.on("data", (chunk: string) => {
      text += chunk;
      wait();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(idle);
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
      resolve({ statuses: statuses.length === 0 ? [0] : statuses, text });
    });
    socket.on("connect", () => void send());

    async function send(): Promise<void> {
      for (const piece of pieces) {
        if (socket.destroyed) return;
        socket.write(piece, "latin1");
        await new Promise((resume) => setTimeout(resume, 1));
      }
      if (end === "reset") socket.resetAndDestroy();
      else if (end === "half") socket.end();
      wait();
    }
  });
}
