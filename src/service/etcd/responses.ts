/**
 * The contract's responses as etcd's. The answers inside a transaction carry a header with nothing but the revision.
 */
import type * as contract from "../../contract/requests.ts";
import type * as etcd from "../../wire/etcd/messages.ts";
import type { Init } from "../../wire/protobuf.ts";

type Head = Init<etcd.Header>;

export function txnMessage(response: contract.TxnResponse, header: Head): Init<etcd.TxnResponse> {
  const { succeeded, responses } = response;
  return { header, succeeded, responses: responses.map(operationMessage) };
}

function operationMessage(response: contract.TxnOperationResponse): Init<etcd.ResponseOp> {
  const header = { revision: response.revision };
  switch (response.kind) {
    case "range":
      return { range: { ...response, header } };
    case "put":
      return { put: { ...response, header } };
    case "deleteRange":
      return { deleteRange: { ...response, header } };
    case "txn":
      return { txn: txnMessage(response, {}) };
  }
}
