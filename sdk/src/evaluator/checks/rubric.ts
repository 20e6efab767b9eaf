import { type Check, CheckUnavailableError, InvalidCheckError } from "../check.ts";
import { deliverableText, InvalidDeliverableError } from "../deliverable.ts";
import { InvalidSpecError } from "../spec.ts";
import { askModel, type Model } from "./askModel.ts";
import { readOptions } from "./readOptions.ts";
import { type Answer, messagesFor, type Question, readVote, type Vote } from "./vote.ts";

/**
 * A check by a model's judgement, several times. Options: `rubric`, what is to be judged by, in words; `votes`, how often
 * the model is asked; `threshold`, how many of them must agree; `answer`, `pass` (yes or no, the default) or `score`
 * (points from 0 to 100); and `model`, to insist on one by its name. The score is the `threshold`-th highest vote.
 *
 * The model sees the deliverable as quoted data between marks that change each time, and must answer with strict JSON. An
 * answer that keeps to no form after `retries` more tries is a vote of nothing, since a deliverable that talks a model out of
 * its form must gain nothing by it. A server that fails leaves the check undone, and so does a model that fails the two
 * questions with known answers that it is asked first. No model is proof against what it reads: a rubric is for work whose
 * worth does not pay for tricking it.
 *
 * @param parameters - The model, and limits.
 * @returns The check `rubric`.
 * @throws {InvalidCheckError} when `baseURL` is none of http or https, or has credentials in it.
 * @example
 * import { rubric } from "subfen/evaluator";
 *
 * const check = rubric({ baseURL: "https://api.example/v1", model: "judge-1", apiKey: process.env.MODEL_KEY });
 * const spec = {
 *   check: "rubric",
 *   options: { rubric: "The summary names the buyer and the price.", votes: 3, threshold: 2 },
 * };
 */
export function rubric(parameters: rubric.Parameters): rubric.ReturnType {
  const { retries = 2, maxVotes = 9, maxDeliverable = 65_536 } = parameters;
  const { protocol, username, password } = URL.parse(parameters.baseURL) ?? {
    protocol: "",
    username: "",
    password: "",
  };
  if (!/^https?:$/.test(protocol) || username !== "" || password !== "")
    throw new InvalidCheckError(name, "baseURL is no address of http or https without credentials");
  const model: Model = parameters;
  const known = new Map<Answer, Promise<void>>();

  async function vote(question: Question, signal: AbortSignal): Promise<Vote> {
    let given: Vote = { points: 0, reason: "", isValid: false };
    for (let tries = 0; tries <= retries && !given.isValid; tries++)
      given = readVote(await askModel(model, messagesFor(question), signal), question.answer);
    return given;
  }

  /** Only a model that keeps the form where nobody tries to talk it out of it can fail a deliverable by losing it. */
  async function tryModel(answer: Answer, signal: AbortSignal): Promise<void> {
    const rule = "The deliverable is the word blue, and nothing else.";
    const [good, bad] = await Promise.all(
      ["blue", "a list of seven rivers"].map((text) => vote({ rubric: rule, text, answer }, signal)),
    );
    if (!good?.isValid || !bad?.isValid || good.points <= bad.points)
      throw new CheckUnavailableError("the model does not answer simple questions in the form that is asked for");
  }

  return {
    name,
    async evaluate({ deliverable, options, signal }) {
      const asked = readRubric(options, { maxVotes, model: model.model });
      const { votes, threshold, answer } = asked;
      if (deliverable.length > maxDeliverable) {
        const reason = `it has ${deliverable.length} bytes, more than the ${maxDeliverable} that a model is shown`;
        throw new InvalidDeliverableError(reason, "deliverable-too-large");
      }
      const text = deliverableText(deliverable);
      if (text === undefined) throw new InvalidDeliverableError("it is no text, which a model could read");
      // What this evaluation leaves behind must not go on asking.
      const ending = new AbortController();
      const either = AbortSignal.any([signal, ending.signal]);
      try {
        const trial = known.get(answer) ?? tryModel(answer, either);
        known.set(answer, trial);
        await trial.catch((error: unknown) => {
          known.delete(answer);
          throw error;
        });
        const question = { rubric: asked.rubric, text, answer };
        const given = await Promise.all(Array.from({ length: votes }, () => vote(question, either)));
        const points = given.map((one) => one.points).sort((a, b) => b - a)[threshold - 1] ?? 0;
        const report = { model: model.model, threshold, votes: given };
        return { score: { numerator: BigInt(points), denominator: 100n }, report };
      } catch (cause) {
        if (cause instanceof CheckUnavailableError) throw cause;
        throw new CheckUnavailableError("the model could not be asked", cause);
      } finally {
        ending.abort();
      }
    },
  };
}

export declare namespace rubric {
  type Parameters = Model & {
    /** How often an answer without the form is asked for again; 2 by default. */
    retries?: number | undefined;
    /** The most votes that a specification may ask for; 9 by default. */
    maxVotes?: number | undefined;
    /** Bytes of a deliverable that the model is shown at most; 64 KiB by default. A longer one is refused. */
    maxDeliverable?: number | undefined;
  };
  type ReturnType = Check;
  type ErrorType = InvalidCheckError;
}

const name = "rubric";

function readRubric(options: Parameters<Check["evaluate"]>[0]["options"], here: { maxVotes: number; model: string }) {
  const known = ["rubric", "votes", "threshold", "answer", "model"] as const;
  const { rubric: text, votes, threshold, answer = "pass", model } = readOptions(options, known);
  const count = (value: unknown, most: number, what: string): number =>
    Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most
      ? (value as number)
      : refuse(`its option ${what} is no integer from 1 to ${most}`);
  if (typeof text !== "string" || text.trim() === "") return refuse("its option rubric is no text");
  if (answer !== "pass" && answer !== "score") return refuse('its option answer is neither "pass" nor "score"');
  if (model !== undefined && model !== here.model)
    return refuse("it insists on a model that this evaluator does not ask");
  const most = count(votes, here.maxVotes, "votes");
  return { rubric: text, votes: most, threshold: count(threshold, most, "threshold"), answer } as const;
}

function refuse(reason: string): never {
  throw new InvalidSpecError(reason);
}
