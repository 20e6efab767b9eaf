import { answer, type Contender } from "../contender.ts";

/** `node:http` and nothing else: what any server costs. */
export const hello: Contender = {
  name: "node:http hello",
  books: "none",
  serve: async () => ({
    listener: (_request, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(answer) });
      response.end(answer);
    },
    earned: async () => undefined,
  }),
  buyer: async () => async () => undefined,
};
