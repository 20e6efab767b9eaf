// Made by `npm run generate` from the compiler's artifacts. Do not edit.

/** Code of our contracts on any chain: its hash with the immutable values zeroed. */
export const defaultCodes = [
  {
    contract: "PaymentChannels",
    size: 13803,
    hash: "0x0f4e1bea1f1a859849731c4aefd31354bdfb7cba7a4ff781ae439228809d6b74",
    immutables: [{"start":788,"length":32},{"start":3604,"length":32},{"start":5038,"length":32},{"start":5300,"length":32},{"start":5366,"length":32},{"start":5409,"length":32},{"start":6789,"length":32},{"start":6831,"length":32},{"start":6873,"length":32},{"start":6954,"length":32},{"start":6994,"length":32}],
  },
  {
    contract: "TaskEscrow",
    size: 8268,
    hash: "0xb3e5f79267ac7e52eef9f2c3ca52072eb2526da046130f0b79bfc5b3695e008a",
    immutables: [{"start":4657,"length":32},{"start":4705,"length":32},{"start":5680,"length":32},{"start":5722,"length":32},{"start":5764,"length":32},{"start":5845,"length":32},{"start":5885,"length":32}],
  },
  {
    contract: "HashlockCondition",
    size: 546,
    hash: "0x1cba3daaa4d073d92f2e27db43481019cf4c81f9bca1164789dfd97ea9397b8c",
    immutables: [],
  },
  {
    contract: "AttestationCondition",
    size: 3112,
    hash: "0x5198b2bf1803d406ed6c25e2fca1d1b5c3e206f80979a5443ef7295b1bc111d3",
    immutables: [],
  },
  {
    contract: "TickCondition",
    size: 830,
    hash: "0x6d66059683cc83ecf446309ea6d441f2ff42ec12fa095a1d28e742a7684a7c58",
    immutables: [],
  },
  {
    contract: "KthCondition",
    size: 2125,
    hash: "0xc7858b16ecf743f090ef030316b9773142de351c94409ac1f48a5bcfd8bb1529",
    immutables: [],
  },
  {
    contract: "ReviewCondition",
    size: 2833,
    hash: "0x5cfd56911df78e0a919032b87d5291ac4110a6886838260dde4b9338ff118e40",
    immutables: [],
  },
  {
    contract: "MockDigitalYuan",
    size: 9515,
    hash: "0x8e26621e45cc41c0aa93b74267f2bce480e7f3b20841f66bf6855b7c57c998ef",
    immutables: [{"start":4027,"length":32},{"start":4069,"length":32},{"start":4111,"length":32},{"start":4192,"length":32},{"start":4232,"length":32},{"start":4319,"length":32},{"start":4666,"length":32}],
  },
] as const;
