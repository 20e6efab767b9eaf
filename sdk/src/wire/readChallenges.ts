import { type Challenge, parseChallenges, parseEchoedChallenge } from "./challenge.ts";
import { isObject } from "./encoding.ts";
import { readProblem } from "./problem.ts";

/**
 * Reads how a 402 wants to be paid: from its header, or from its body where something in between has dropped or renamed
 * the header.
 *
 * @param response - The 402; its body is read from a copy and stays readable.
 * @returns The usable `Payment` challenges in their order.
 */
export async function readChallenges(response: Response): Promise<Challenge[]> {
  const inHeader = parseChallenges(response.headers.get("www-authenticate"));
  if (inHeader.length > 0) return inHeader;
  const inBody = (await readProblem(response))?.members["challenges"];
  return Array.isArray(inBody) ? inBody.flatMap(readOne) : [];
}

function readOne(value: unknown): Challenge[] {
  if (!isObject(value)) return [];
  try {
    return [parseEchoedChallenge(value)];
  } catch {
    return [];
  }
}
