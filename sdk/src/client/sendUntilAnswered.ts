import { type Call, complete, pause, send } from "./call.ts";
import { AnswerPendingError } from "./errors.ts";
import { readSellerProblem } from "./sellerProblem.ts";

/** Longest time to wait for the answer of a request that the seller still works on, in milliseconds. */
const maxWait = 120_000;

/**
 * Sends a call with its credential, again where the network fails, and waits where the seller still works on it.
 *
 * @param call - The call.
 * @param credential - What pays for it; the same each time.
 * @param options - The `fetch` below, and how often it is tried.
 * @returns The answer, whatever it is.
 * @throws {AnswerPendingError} when the seller takes too long, and as `fetch` does.
 */
export async function sendUntilAnswered(
  call: Call,
  credential: string,
  { transport, tries }: { transport: typeof fetch; tries: number },
): Promise<Response> {
  const deadline = Date.now() + maxWait;
  for (let attempt = 1; ; attempt++) {
    let response: Response;
    try {
      response = await complete(await send(transport, call, credential));
    } catch (error) {
      if (call.signal.aborted || attempt >= tries) throw error;
      await pause(100 * 2 ** attempt, call.signal);
      continue;
    }
    const isRunning = response.status === 409 && (await readSellerProblem(response))?.code === "request-in-progress";
    if (!isRunning) return response;
    if (Date.now() > deadline) throw new AnswerPendingError(call.url.origin);
    attempt = 1;
    await pause(200, call.signal);
  }
}
