/** Node's SHA-256. */
import { createHash } from "node:crypto";
import type { Sha256 } from "../ports/digest.ts";

export const hostSha256: Sha256 = () => {
  const hash = createHash("sha256");
  return {
    add: (bytes) => void hash.update(bytes),
    take: () => hash.digest(),
  };
};
