import { MalformedError } from "./encoding.ts";

/** One block of an event stream (WHATWG HTML, "Server-sent events"): an event, a comment, or both. */
export type SseFrame = {
  /** Its lines without their ends, in their order. */
  readonly lines: readonly string[];
  /** The name of its event; empty where it has none. */
  readonly event: string;
  /** The lines of its data, joined; `undefined` where it has none. */
  readonly data: string | undefined;
};

/** What a gateway says inside a stream. No reader of events sees it: it stands in comments, unless events are asked for. */
export type PaymentNote = { readonly name: "need-voucher" | "receipt"; readonly value: string };

/** Characters of one block: what never ends is no event stream. */
const maxFrame = 2 ** 20;

/**
 * Cuts an event stream into its blocks, wherever its bytes are cut and whichever line ends it has.
 *
 * @returns `push` takes bytes and returns the blocks that they complete; `end` returns what stands behind the last one.
 * @throws {MalformedError} from both when a block is above a mebibyte.
 */
export function createSseParser() {
  const decoder = new TextDecoder();
  let rest = "";
  let lines: string[] = [];
  let size = 0;
  /** A line end of two characters may be cut in the middle. */
  let isAfterReturn = false;

  function take(text: string): SseFrame[] {
    const frames: SseFrame[] = [];
    rest += isAfterReturn && text.startsWith("\n") ? text.slice(1) : text;
    if (text !== "") isAfterReturn = false;
    let start = 0;
    for (const match of rest.matchAll(/\r\n|\n|\r/g)) {
      const line = rest.slice(start, match.index);
      start = match.index + match[0].length;
      isAfterReturn = match[0] === "\r" && start === rest.length;
      size += line.length;
      if (line !== "") lines.push(line);
      else if (lines.length > 0) frames.push(finish());
    }
    rest = rest.slice(start);
    if (size + rest.length > maxFrame) throw new MalformedError("event stream", "a block of it does not end");
    return frames;
  }

  function finish(): SseFrame {
    const frame = toFrame(lines);
    lines = [];
    size = 0;
    return frame;
  }

  return {
    push: (bytes: Uint8Array): SseFrame[] => take(decoder.decode(bytes, { stream: true })),
    end(): SseFrame | undefined {
      const frames = take(decoder.decode());
      if (rest !== "") lines.push(rest);
      rest = "";
      return lines.length > 0 ? finish() : frames[0];
    },
  };
}

function toFrame(lines: readonly string[]): SseFrame {
  let event = "";
  const data: string[] = [];
  for (const line of lines) {
    const [field, value] = splitLine(line);
    if (field === "event") event = value;
    else if (field === "data") data.push(value);
  }
  return { lines, event, data: data.length > 0 ? data.join("\n") : undefined };
}

/** A comment has the empty field. */
function splitLine(line: string): [field: string, value: string] {
  const colon = line.indexOf(":");
  if (colon < 0) return [line, ""];
  const value = line.slice(colon + 1);
  return [line.slice(0, colon), value.startsWith(" ") ? value.slice(1) : value];
}

/**
 * Writes a block.
 *
 * @param lines - Its lines.
 * @returns The text, with the empty line that ends it.
 */
export function formatSseFrame(lines: readonly string[]): string {
  return `${lines.join("\n")}\n\n`;
}

const prefix = "payment-";

/**
 * Takes out of a block everything that could be taken for a word of the gateway's: only the gateway writes those.
 *
 * @param frame - A block that the work has written.
 * @returns The lines that may be handed on; none where nothing is left.
 */
export function withoutPaymentNotes(frame: SseFrame): readonly string[] {
  if (frame.event.trim().toLowerCase().startsWith(prefix)) return [];
  return frame.lines.filter((line) => !/^:[^a-z]*payment-/i.test(line));
}

/**
 * Writes a word of the gateway's: as a comment, which every reader of events passes over, or as an event of
 * draft-evm-session-00 where the client has asked for that.
 *
 * @param note - What it says; the value is one line.
 * @param form - `comment` or `event`.
 * @returns The block.
 */
export function formatPaymentNote({ name, value }: PaymentNote, form: "comment" | "event"): string {
  return form === "comment"
    ? formatSseFrame([`: ${prefix}${name} ${value}`])
    : formatSseFrame([`event: ${prefix}${name}`, `data: ${value}`]);
}

/**
 * Reads a word of the gateway's.
 *
 * @param frame - A block of a paid stream.
 * @returns What it says, or `undefined` where it is content.
 */
export function parsePaymentNote({ lines }: SseFrame): PaymentNote | undefined {
  const match = lines.length === 1 ? /^: payment-(need-voucher|receipt) (.+)$/.exec(lines[0] ?? "") : null;
  return match ? { name: match[1] as PaymentNote["name"], value: match[2] as string } : undefined;
}
