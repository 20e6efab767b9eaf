import { type ChatCompletionRequest, type FixtureResponse, LLMock } from "@copilotkit/aimock";

import { answer } from "./passages.ts";
import { type ChatMessage, countChatTokens, truncateToTokens } from "./tokens.ts";

export interface ModelServer {
  /** Origin without a path; an `openai` client takes `${url}/v1` as its `baseURL`. */
  readonly url: string;
  /** Requests answered with a completion so far; refused ones are not counted. */
  readonly calls: number;
  close(): Promise<void>;
}

/**
 * Starts a model server that speaks the chat completions API and needs no network: its answer is a function of the
 * prompt ({@link answer}), cut at `max_completion_tokens`, and `usage` is counted from the very texts (`tokens.ts`).
 * What it cannot answer it refuses with status 400.
 */
export async function startModelServer(
  parameters: { readonly host?: string; readonly port?: number } = {},
): Promise<ModelServer> {
  let calls = 0;
  // The journal would keep the bodies of the last 1,000 requests; 0 would mean all of them.
  const mock = new LLMock({ host: "127.0.0.1", port: 0, latency: 0, journalMaxEntries: 1, ...parameters });
  mock.on({ endpoint: "chat" }, (request) => {
    const response = complete(request);
    if ("content" in response) calls++;
    return response;
  });
  await mock.start();
  return {
    url: mock.url,
    get calls() {
      return calls;
    },
    close: () => mock.stop(),
  };
}

function complete(request: ChatCompletionRequest): FixtureResponse {
  const messages: readonly unknown[] = request.messages;
  if (!messages.every(isTextMessage)) {
    return refusal(
      "messages",
      `Every message needs a text as its content and one of these roles: ${roles.join(", ")}.`,
    );
  }
  const limit = request["max_completion_tokens"] ?? request.max_tokens ?? Number.MAX_SAFE_INTEGER;
  if (typeof limit !== "number" || !Number.isSafeInteger(limit) || limit < 1) {
    return refusal("max_completion_tokens", "The limit must be a positive integer.");
  }
  const text = answer({ messages });
  if (text === undefined) {
    return refusal("messages", "This model answers the tasks of examples/model-calls/passages.ts and nothing else.");
  }

  const completion = truncateToTokens(text, limit);
  const promptTokens = countChatTokens(messages);
  return {
    content: completion.text,
    finishReason: completion.truncated ? "length" : "stop",
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: completion.tokens,
      total_tokens: promptTokens + completion.tokens,
    },
  };
}

const roles: readonly unknown[] = ["system", "developer", "user", "assistant"];

function isTextMessage(message: unknown): message is ChatMessage {
  if (typeof message !== "object" || message === null) return false;
  const { role, content } = message as Partial<ChatMessage>;
  return roles.includes(role) && typeof content === "string";
}

function refusal(param: string, message: string): FixtureResponse {
  return { status: 400, error: { message, type: "invalid_request_error", param, code: "invalid_value" } };
}
