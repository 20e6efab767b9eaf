// Made by `npm run generate` from the compiler's artifacts. Do not edit.

/** Code of our contracts on any chain: its hash with the immutable values zeroed. */
export const productionCodes = [
  {
    contract: "PaymentChannels",
    size: 14775,
    hash: "0xeea9bf9619d5627917eaceb91fd40f5efda49827a127b17d912f4712cefd7ea9",
    immutables: [{"start":733,"length":32},{"start":3243,"length":32},{"start":3502,"length":32},{"start":3543,"length":32},{"start":10039,"length":32},{"start":10098,"length":32},{"start":11433,"length":32},{"start":11480,"length":32},{"start":11559,"length":32},{"start":11597,"length":32},{"start":11669,"length":32}],
  },
  {
    contract: "MockDigitalYuan",
    size: 11433,
    hash: "0xd5d07428b040277ca7da8649f90195b9b31ee2b41e9c80437a732f42cd2b30c0",
    immutables: [{"start":4655,"length":32},{"start":4696,"length":32},{"start":5870,"length":32},{"start":7912,"length":32},{"start":7959,"length":32},{"start":8038,"length":32},{"start":8076,"length":32},{"start":8148,"length":32}],
  },
] as const;
