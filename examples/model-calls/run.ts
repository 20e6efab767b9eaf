import { performance } from "node:perf_hooks";

import OpenAI from "openai";

import { startModelServer } from "./modelServer.ts";
import { answer, prompts } from "./passages.ts";
import { countChatTokens, truncateToTokens } from "./tokens.ts";

const calls = Number(process.argv[2] ?? 1_000);
const inFlight = 16;

const server = await startModelServer();
const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none" });
const requests = prompts(calls);
let promptTokens = 0;
let completionTokens = 0;

async function work() {
  for (const request of requests) {
    const completion = await client.chat.completions.create(request);
    const expected = truncateToTokens(answer(request) ?? "", request.max_completion_tokens);
    if (
      completion.choices[0]?.message.content !== expected.text ||
      completion.usage?.prompt_tokens !== countChatTokens(request.messages) ||
      completion.usage.completion_tokens !== expected.tokens
    ) {
      throw new Error(`Wrong answer to ${JSON.stringify(request)}: ${JSON.stringify(completion)}`);
    }
    promptTokens += completion.usage.prompt_tokens;
    completionTokens += completion.usage.completion_tokens;
  }
}

const startedAt = performance.now();
await Promise.all(Array.from({ length: inFlight }, work));
const seconds = (performance.now() - startedAt) / 1_000;
await server.close();

console.log(`${server.calls} calls, every answer and count as recomputed`);
console.log(`${promptTokens} prompt and ${completionTokens} completion tokens`);
console.log(`${Math.round(server.calls / seconds)} calls a second, ${inFlight} at a time`);
