/**
 * What a program pays before it can coordinate: `import "quorate"` over bare Node, `connect("memory:")`, and the first
 * lock on `file:` in an empty directory. Every figure is a median over fresh processes, bare Node in turn with ours.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { median, output } from "./drivers.ts";
import type { BenchOptions } from "./options.ts";
import type { Row } from "./rows.ts";
import { scratchDirectory } from "./servers.ts";
import { settingOf } from "./setting.ts";

/** What `import "quorate"` resolves to in the package. */
const ENTRY: string = import.meta.resolve("quorate");
const PROCESSES_PER_ROUND = 4;

const PROGRAMS = {
  bare: "",
  import: `import ${JSON.stringify(ENTRY)};\n`,
  memory: `import { connect } from ${JSON.stringify(ENTRY)};
const started = performance.now();
const q = await connect("memory:");
console.log(performance.now() - started);
await q.close();\n`,
  file: `import { connect } from ${JSON.stringify(ENTRY)};
const started = performance.now();
const q = await connect(process.argv[2]);
const held = await q.lock("first").acquire();
console.log(performance.now() - started);
await held.release();
await q.close();\n`,
} as const;

type Program = keyof typeof PROGRAMS;

export async function startupBench(
  options: BenchOptions,
  report: (row: Row) => void,
): Promise<void> {
  const directory = scratchDirectory("startup");
  const pathOf = (program: Program): string => join(directory, `${program}.mjs`);
  for (const program of Object.keys(PROGRAMS) as Program[])
    writeFileSync(pathOf(program), PROGRAMS[program]);
  const took: Record<Program, number[]> = { bare: [], import: [], memory: [], file: [] };
  try {
    for (let run = 0; run < options.rounds * PROCESSES_PER_ROUND; run++) {
      for (const program of ["bare", "import"] as const) {
        const started = performance.now();
        await output(process.execPath, [pathOf(program)]);
        took[program].push(performance.now() - started);
      }
      took.memory.push(Number(await output(process.execPath, [pathOf("memory")])));
      const data = join(directory, `data-${run}`);
      took.file.push(
        Number(await output(process.execPath, [pathOf("file"), pathToFileURL(data).href])),
      );
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  const setting = settingOf(options, { keys: 0, valueBytes: 0 });
  const runs = options.rounds * PROCESSES_PER_ROUND;
  const least = (values: readonly number[], less = 0): string =>
    `the least of ${runs} processes ${(Math.min(...values) - less).toFixed(1)} ms: what a busy machine does not add`;
  const row = (driver: string, ours: number, limit: number, note: string): void =>
    report({
      ...{
        bench: "startup",
        inFlight: 1,
        driver,
        unit: "ms",
        ours,
        limit,
        peer: null,
        peerName: "bare node",
        ratio: null,
      },
      ...{ setting, note },
    });
  const bare = median(took.bare);
  row(
    "import over bare node",
    median(took.import) - bare,
    40,
    `bare Node itself takes ${bare.toFixed(1)} ms; ${least(took.import, Math.min(...took.bare))}`,
  );
  row("connect memory:", median(took.memory), 5, least(took.memory));
  row("connect file: and first lock", median(took.file), 50, least(took.file));
}
