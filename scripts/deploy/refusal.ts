/** Why nothing is deployed, and what to do: a failure that was foreseen, shown without a stack trace. */
export class Refusal extends Error {}
