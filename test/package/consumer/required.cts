// A CommonJS module of a project that installed the tarball.
import subfen = require("subfen");

const amount: bigint = subfen.parseYuan("0.0012");
export = amount;
