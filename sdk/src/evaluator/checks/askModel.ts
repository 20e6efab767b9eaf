import { readBody } from "../../server/requestBody.ts";
import { isObject, type Json } from "../../wire/encoding.ts";
import { CheckUnavailableError } from "../check.ts";

/** An OpenAI-compatible model. */
export type Model = {
  /** The API's address up to `/chat/completions`, such as `https://api.example/v1`. */
  readonly baseURL: string;
  readonly model: string;
  readonly apiKey?: string | undefined;
  /** Members to add to each request, such as `temperature` or `max_completion_tokens`. */
  readonly parameters?: { readonly [name: string]: Json | undefined } | undefined;
  /** Milliseconds for one answer; 60,000 by default. */
  readonly timeout?: number | undefined;
  /** What requests are sent with; the global `fetch` by default. */
  readonly fetch?: typeof fetch | undefined;
};

/** Bytes that an answer may have. */
const longest = 262_144;

/**
 * Asks a model once.
 *
 * @param model - The model.
 * @param messages - What it is told.
 * @param signal - Ends the wait.
 * @returns The text of its answer, empty where it has none.
 * @throws {CheckUnavailableError} when its server fails, sends elsewhere, or answers what is no completion. Neither its
 *   address nor the key is repeated.
 */
export async function askModel(
  model: Model,
  messages: readonly { role: string; content: string }[],
  signal: AbortSignal,
): Promise<string> {
  const { baseURL, apiKey, timeout = 60_000, fetch: send = fetch } = model;
  const response = await send(`${baseURL.replace(/\/$/, "")}/chat/completions`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    },
    body: JSON.stringify({ ...model.parameters, model: model.model, messages }),
    // The key is for this server alone.
    redirect: "manual",
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new CheckUnavailableError(`the model's server answered with status ${response.status}`);
  }
  const body = await readBody(response, longest);
  if (body === undefined)
    throw new CheckUnavailableError(`the model's server answered with more than ${longest} bytes`);
  return contentOf(new TextDecoder().decode(body));
}

function contentOf(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CheckUnavailableError("the model's server did not answer with JSON");
  }
  const choices = isObject(value) ? value["choices"] : undefined;
  const [choice] = Array.isArray(choices) ? (choices as unknown[]) : [];
  const message = isObject(choice) ? choice["message"] : undefined;
  if (!isObject(message)) throw new CheckUnavailableError("the model's server answered with what is no completion");
  // A refusal, or a filter's cut, leaves no text: the model has answered, but has not said yes.
  return typeof message["content"] === "string" ? message["content"] : "";
}
