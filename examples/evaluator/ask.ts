import { formatYuan, parseYuan } from "subfen";
import { requestVerdict, type Spec } from "subfen/evaluator";
import { type Address, type Hex, keccak256, toHex } from "viem";

const { EVALUATOR_URL = "", EVALUATOR, CONDITION, CHAIN_ID, TOKEN } = process.env;
const service = {
  url: EVALUATOR_URL,
  token: TOKEN,
  evaluator: EVALUATOR as Address,
  condition: CONDITION as Address,
  chainId: Number(CHAIN_ID),
};

// Longbourn is the Bennets' house, Netherfield has been let: what an agent is asked to take from the novel's first chapter.
const fields: Spec = {
  check: "json-schema",
  description: "Who has taken Netherfield, and with how many pounds a year?",
  options: {
    schema: {
      type: "object",
      properties: { tenant: { type: "string", pattern: "^[A-Z]" }, incomePounds: { type: "integer", minimum: 1 } },
      required: ["tenant", "incomePounds"],
      additionalProperties: false,
    },
  },
};
const name: Spec = { check: "normalized-text", options: { expected: "Mr. Bingley", ignoreCase: true } };
const code: Spec = { check: "test-command", payment: "graded", options: { test: "slug" } };

const plain = `export const slug = (title) => title.trim().toLowerCase().replaceAll(/\\W+/g, "-");`;
const works: [string, Spec, string][] = [
  ["fields that fit", fields, '{"tenant":"Bingley","incomePounds":4000}'],
  ["fields that do not", fields, '{"tenant":"Bingley","incomePounds":"four or five thousand"}'],
  ["the name", name, "mr.  bingley\n"],
  ["another name", name, "Mr. Darcy"],
  ["code that is half right", code, plain],
  ["code that does not run", code, "export const slug = "],
];

// In a channel it is computePaymentId(...) of the conditional payment, in the escrow the task's id.
const paymentId = (index: number): Hex => keccak256(toHex(`work ${index} of ${process.env.RUN ?? "one run"}`));
const amount = parseYuan("0.0008");

for (const [index, [what, spec, deliverable]] of works.entries()) {
  const { verdict } = await requestVerdict({ ...service, paymentId: paymentId(index), amount, spec, deliverable });
  console.log(`${what}: ${formatYuan(verdict.amount)} of ${formatYuan(amount)} yuan`);
}
