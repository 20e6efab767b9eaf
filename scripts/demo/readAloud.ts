// A model whose answers are as long as one likes.
import { setTimeout as pause } from "node:timers/promises";

import { passages } from "../../examples/model-calls/passages.ts";
import { countTokens } from "../../examples/model-calls/tokens.ts";

/**
 * A model that reads the novel aloud, a token at a time.
 *
 * @param request - Says how many tokens it wants at most (`max_tokens`).
 * @returns The stream, which tells what it has used at its end.
 */
export async function readAloud(request: Request): Promise<Response> {
  const { max_tokens: most = 100 } = (await request.json()) as { max_tokens?: number };
  const words =
    passages()
      .join(" ")
      .match(/\s*\S+/g) ?? [];
  async function* say(): AsyncGenerator<string> {
    let tokens = 0;
    for (const word of words) {
      const cost = countTokens(word);
      if (cost !== 1) continue;
      if (tokens === most) break;
      tokens++;
      await pause(2);
      yield JSON.stringify({ choices: [{ index: 0, delta: { content: word } }] });
    }
    yield JSON.stringify({ choices: [], usage: { prompt_tokens: 8, completion_tokens: tokens } });
    yield "[DONE]";
  }
  const said = say();
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await said.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(`data: ${value}\n\n`));
    },
    cancel: () => void said.return(undefined),
  });
  return new Response(stream, { headers: { "content-type": "text/event-stream" } });
}
