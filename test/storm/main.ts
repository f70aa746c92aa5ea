/**
 * `npm run storm`: a storm over real members, told on standard error while it goes on and as one line of JSON at its end. Exits
 * with 1 if something was lost, could not be, or grew.
 */
import { writeFileSync } from "node:fs";
import { commandLine, refuse, wholeNumber } from "../../tools/script.ts";
import { ProcessCluster } from "../cluster/processes.ts";
import { straceMissing } from "./faults.ts";
import { NamespacedCluster, namespacesMissing } from "./namespaces.ts";
import type { StormCluster } from "./storm.ts";
import { Storm, wrongIn } from "./storm.ts";

const USAGE = `npm run storm -- [options]

  --minutes M    how long at least, default 30; a storm lasts until every kind of fault has happened
  --nodes N      members, default 3
  --seed S       of what goes wrong, default 1
  --quiet        full load, nothing goes wrong, and nobody is to be elected
  --namespaces   each member has a network of its own; for root, with ip and nft
  --json FILE    writes the report there too`;

const { values } = commandLine(USAGE, {
  minutes: { type: "string", default: "30" },
  nodes: { type: "string", default: "3" },
  seed: { type: "string", default: "1" },
  json: { type: "string" },
  quiet: { type: "boolean", default: false },
  namespaces: { type: "boolean", default: false },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) refuse(`--minutes takes a number above 0, not ${values.minutes}`);
const nodes = wholeNumber("nodes", values.nodes);
const seed = wholeNumber("seed", values.seed);
const impossible = values.namespaces && namespacesMissing();
if (impossible !== false) refuse(`--namespaces: ${impossible}`);

const began = Date.now();
const say = (what: string): void => {
  console.error(`${((Date.now() - began) / 1_000).toFixed(1).padStart(7)} s  ${what}`);
};

/** Where the storm takes place, and how to leave it. */
async function cluster(): Promise<StormCluster & { readonly close: () => Promise<void> }> {
  if (values.namespaces) {
    const found = await NamespacedCluster.start(nodes);
    const { members, url } = found;
    return { members, url, network: found, close: () => found.close() };
  }
  // With nothing to disturb, members reach each other directly: what is measured is theirs alone.
  const found = await ProcessCluster.start(nodes, { linked: !values.quiet });
  const nothing = { rule: () => Promise.resolve(), heal: () => Promise.resolve() };
  const network = values.quiet ? nothing : found.links;
  const { members, url } = found;
  return { members, url, network, close: () => found.close() };
}

async function main(): Promise<void> {
  const options = { seconds: minutes * 60, seed, isQuiet: values.quiet, say };
  const without = straceMissing();
  if (without !== false && !values.quiet) say(`without failing disks: ${without}`);
  const place = await cluster();
  try {
    const report = await new Storm(place, options).run();
    console.log(JSON.stringify(report));
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report)}\n`);
    const wrong = wrongIn(report, values.quiet);
    for (const each of wrong) console.error(each);
    if (wrong.length > 0) process.exitCode = 1;
  } finally {
    await place.close();
  }
}

await main();
