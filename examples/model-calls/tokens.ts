import { countTokens as count } from "gpt-tokenizer/model/gpt-4o";

/** The two fields of a chat message that are counted. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

// Without this a text that spells a control token, such as "<|endoftext|>", is refused instead of counted.
const asPlainText = { disallowedSpecial: new Set<string>() };

/**
 * Tokens of a text in o200k_base, the whole text at once and nothing around it: what an answer costs, in tokens.
 *
 * @example countTokens("It is a truth universally acknowledged"); // 6
 */
export function countTokens(text: string): number {
  return count(text, asPlainText);
}

/**
 * Tokens of a chat prompt in o200k_base: for each message `tokens(role) + tokens(content) + 3`, and 3 more for the whole
 * prompt. The 3 of a message are its `<|im_start|>`, `<|im_sep|>` and `<|im_end|>`; the last 3 are
 * `<|im_start|>assistant<|im_sep|>`, with which the answer begins. Other fields of a message count nothing.
 *
 * @example countChatTokens([{ role: "user", content: "Hello" }]); // 1 + 1 + 3 + 3 = 8
 */
export function countChatTokens(messages: readonly ChatMessage[]): number {
  return count(
    messages.map(({ role, content }) => ({ role, content })),
    asPlainText,
  );
}

/**
 * A beginning of `text` of at most `limit` tokens, in whole characters, that one more character would bring above the
 * limit; all of `text` if that fits. `tokens` is `countTokens` of what is left.
 */
export function truncateToTokens(text: string, limit: number): { text: string; tokens: number; truncated: boolean } {
  const tokens = countTokens(text);
  if (tokens <= limit) return { text, tokens, truncated: false };
  // The library's `decode` would give a beginning too, but it keeps the bytes of a character that was cut through and
  // puts them before the next text it decodes.
  const characters = Array.from(text);
  let kept = { text: "", tokens: 0, length: 0 };
  let tooLong = characters.length;
  while (tooLong - kept.length > 1) {
    const length = (kept.length + tooLong) >> 1;
    const beginning = characters.slice(0, length).join("");
    const counted = countTokens(beginning);
    if (counted <= limit) kept = { text: beginning, tokens: counted, length };
    else tooLong = length;
  }
  return { text: kept.text, tokens: kept.tokens, truncated: true };
}
