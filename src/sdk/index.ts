/** What `import … from "quorate"` gives. */
export { connect } from "./connect.ts";
export type { ConnectOptions, LazyQuorate, Logger } from "./connect.ts";
export type { TlsConnectOptions } from "../host/tls-network.ts";
export type { Engine } from "./engine.ts";
export type { ConnectionState } from "./states.ts";
export { Quorate } from "./quorate.ts";
export { QuorateError } from "../base/errors.ts";
export type { ErrorCode, Failure, Outcome, Retry } from "../base/errors.ts";
export type { Card } from "../contract/card.ts";
export type { Guarantee } from "../contract/guarantee.ts";
export { cards } from "../mechanisms/cards.ts";
export type { Explained, ExplainOptions, Noun } from "../mechanisms/explain.ts";
