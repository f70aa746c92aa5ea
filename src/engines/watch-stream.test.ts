/** The stream face of a watch. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { watchStream } from "./watch-stream.ts";

test("[WCH-READY] a watch that was aborted before it began settles `ready` and ends its loop", async () => {
  const aborted = new AbortController();
  aborted.abort();
  const watch = watchStream(
    () => ({ resume: () => {}, progress: () => {}, cancel: () => {} }),
    aborted.signal,
  );
  await assert.rejects(watch.ready, { code: "ABORTED", outcome: "definite" });
  for await (const batch of watch) assert.fail(`a batch of revision ${batch.revision}`);
});
