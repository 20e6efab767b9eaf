import { expect } from "chai";
import { encode } from "gpt-tokenizer/encoding/o200k_base";
import OpenAI, { BadRequestError } from "openai";

import { type ModelServer, startModelServer } from "../../examples/model-calls/modelServer.ts";
import { answer, type ChatRequest, MODEL, passages, prompts } from "../../examples/model-calls/passages.ts";
import { countChatTokens, countTokens, truncateToTokens } from "../../examples/model-calls/tokens.ts";

const firstPassage =
  "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a " +
  "wife.\nHowever little known the feelings or views of such a man may be on his first entering a neighbourhood, this " +
  "truth is so well fixed in the minds of the surrounding families, that he is considered the rightful property of " +
  "some one or other of their daughters.";

const ask = (instruction: string, passage = firstPassage): ChatRequest => ({
  model: MODEL,
  messages: [{ role: "user", content: `${instruction}\n\n${passage}` }],
  max_completion_tokens: 200,
});

// The rule of tokens.ts once more, by the encoding itself.
const recount = ({ messages }: ChatRequest) =>
  messages.reduce((total, { role, content }) => total + encode(role).length + encode(content).length + 3, 3);

describe("model calls: prompts", () => {
  it("are all different, and the same at every run", () => {
    const made = [...prompts(1_000)].map((request) => JSON.stringify(request));
    expect(new Set(made).size).to.equal(1_000);
    expect([...prompts(1_000)].map((request) => JSON.stringify(request))).to.deep.equal(made);
    expect([...prompts(3)].map((request) => JSON.stringify(request))).to.deep.equal(made.slice(0, 3));
  });

  it("have an answer each, of one token or more", () => {
    for (const request of prompts(1_000))
      expect(answer(request), request.messages[1]?.content).to.be.a("string").not.empty;
  });

  it("are refused above the number that the text gives", () => {
    expect(() => [...prompts(1_000_000)]).to.throw(RangeError, "not 1000000");
  });

  it("are about passages of whole paragraphs", () => {
    expect(passages()[0]).to.equal(firstPassage);
    expect(passages().join("\n")).not.to.match(/Chapter|\n\n| {2}/);
    expect(passages().join(" ").split(/\s+/).length).to.be.greaterThan(12_000);
  });
});

describe("model calls: answers", () => {
  const cases = {
    "Copy the first sentence.":
      "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife.",
    "Give it a title: its first eight words.": "It is a truth universally acknowledged that a",
    "List the words that begin with a capital letter, each once, separated by commas.": "It, However",
    "List the five longest words, the longest first, separated by commas.":
      "neighbourhood, acknowledged, universally, surrounding, possession",
    "Copy what stands in quotation marks, or answer: nothing.": "nothing",
    "How many words are there? Answer with the number.": "70",
    "How many sentences are there? Answer with the number.": "2",
    "Copy the whole passage.": firstPassage,
  };
  for (const [instruction, expected] of Object.entries(cases)) {
    it(instruction, () => {
      expect(answer(ask(instruction))).to.equal(expected);
    });
  }

  it("take no title before a name for the end of a sentence", () => {
    expect(
      answer(ask("Copy the last sentence.", '"Do you not?" asked Mr. Bennet. Mrs. Long and St. James did.')),
    ).to.equal("Mrs. Long and St. James did.");
  });

  it("are given to the tasks alone", () => {
    expect(answer(ask("Write a poem."))).to.equal(undefined);
    expect(answer(ask("Copy the whole passage.", " "))).to.equal(undefined);
    expect(answer({ messages: [] })).to.equal(undefined);
  });
});

describe("model calls: tokens", () => {
  it("counts a prompt as the encoding of its texts, 3 a message and 3 more", () => {
    expect(countChatTokens([{ role: "user", content: "Hello" }])).to.equal(8);
    for (const request of prompts(200)) expect(countChatTokens(request.messages)).to.equal(recount(request));
  });

  it("counts control tokens that a text spells out as plain text", () => {
    expect(countTokens("<|endoftext|>")).to.equal(7);
    expect(countChatTokens([{ role: "user", content: "<|endoftext|>" }])).to.equal(14);
  });

  it("cuts a text before the character that would be too much", () => {
    for (const text of ["多谢你们的小额付款", "👩‍👩‍👧‍👦🏳️‍🌈🧑🏽‍💻", "a   b    c\n\n\n  d", firstPassage]) {
      for (let limit = 1; limit < countTokens(text); limit++) {
        const cut = truncateToTokens(text, limit);
        const next = String.fromCodePoint(text.codePointAt(cut.text.length)!);
        expect(text.startsWith(cut.text) && cut.truncated).to.equal(true);
        expect(cut.text).not.to.match(/\p{Surrogate}/u);
        expect(cut.tokens).to.equal(encode(cut.text).length).and.to.be.at.most(limit);
        expect(encode(cut.text + next).length).to.be.greaterThan(limit);
      }
      expect(truncateToTokens(text, countTokens(text))).to.deep.equal({
        text,
        tokens: encode(text).length,
        truncated: false,
      });
    }
  });
});

describe("model calls: model server", () => {
  let server: ModelServer;
  let client: OpenAI;

  beforeEach(async () => {
    server = await startModelServer();
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0, timeout: 10_000 });
  });

  afterEach(() => server.close());

  async function expectAnswered(request: ChatRequest) {
    const completion = await client.chat.completions.create(request);
    const whole = answer(request)!;
    const text = completion.choices[0]!.message.content!;
    const cut = encode(whole).length > request.max_completion_tokens;
    expect(completion.model).to.equal(request.model);
    expect(completion.choices).to.have.length(1);
    expect(completion.choices[0]!.finish_reason).to.equal(cut ? "length" : "stop");
    if (cut) expect(whole.startsWith(text)).to.equal(true);
    else expect(text).to.equal(whole);
    expect(completion.usage).to.deep.equal({
      prompt_tokens: recount(request),
      completion_tokens: encode(text).length,
      total_tokens: recount(request) + encode(text).length,
    });
    expect(encode(text).length).to.be.within(1, request.max_completion_tokens);
  }

  async function refusalOf(body: unknown) {
    const error: unknown = await client.chat.completions.create(body as ChatRequest).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(BadRequestError);
    return error as BadRequestError;
  }

  it("listens on loopback", () => {
    expect(new URL(server.url).hostname).to.equal("127.0.0.1");
  });

  it("answers with the text of the pure function and counts its tokens", async () => {
    for (const request of prompts(40)) await expectAnswered(request);
    expect(server.calls).to.equal(40);
  });

  it("answers 200 calls at once", async () => {
    await Promise.all(Array.from(prompts(200), expectAnswered));
    expect(server.calls).to.equal(200);
  });

  it("cuts the answer at max_completion_tokens", async () => {
    const request = { ...ask("Copy the whole passage."), max_completion_tokens: 7 };
    await expectAnswered(request);
    const completion = await client.chat.completions.create(request);
    expect(completion.choices[0]!.message.content).to.equal("It is a truth universally acknowledged,");
    expect(completion.choices[0]!.finish_reason).to.equal("length");
    expect(completion.usage!.completion_tokens).to.equal(7);
  });

  it("answers in full without a limit", async () => {
    const { model, messages } = ask("Copy the whole passage.");
    const completion = await client.chat.completions.create({ model, messages });
    expect(completion.choices[0]!.message.content).to.equal(firstPassage);
    expect(completion.choices[0]!.finish_reason).to.equal("stop");
  });

  it("refuses a prompt that it does not know", async () => {
    const error = await refusalOf(ask("Write a poem."));
    expect(error.message).to.include("answers the tasks of");
    expect(error.param).to.equal("messages");
    expect(server.calls).to.equal(0);
  });

  it("refuses a limit that is no positive integer", async () => {
    for (const limit of [0, -1, 1.5, "7"]) {
      const error = await refusalOf({ ...ask("Copy the whole passage."), max_completion_tokens: limit });
      expect(error.param).to.equal("max_completion_tokens");
    }
  });

  it("refuses messages that are no text", async () => {
    const { messages, ...rest } = ask("Copy the whole passage.");
    const parts = [{ type: "text", text: messages[0]!.content }];
    for (const odd of [{ role: "user", content: parts }, { role: "user" }, { ...messages[0], role: "tool" }]) {
      const error = await refusalOf({ ...rest, messages: [odd, ...messages] });
      expect(error.param).to.equal("messages");
    }
  });

  it("keeps no journal of the calls", async () => {
    await Promise.all(Array.from(prompts(20), expectAnswered));
    const journal: unknown = await (await fetch(`${server.url}/__aimock/journal`)).json();
    expect(journal).to.be.an("array").with.lengthOf.at.most(1);
  });
});
