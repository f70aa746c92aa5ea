/**
 * Calls of a module's functions in a thread of their own: Node's test runner watches every promise of the thread that it
 * runs in, which is half of what a simulation costs there.
 *
 * Invariants: I1 one call at a time; I2 what goes in and comes out is cloned, what was thrown too, with its cause.
 */
import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

interface Served {
  /** Path or url of the module whose functions are called here. */
  readonly offThread: string;
}
interface Call {
  readonly name: string;
  readonly args: readonly unknown[];
}
type Answer = { readonly value: unknown } | { readonly error: unknown };

type Functions = Readonly<Record<string, (...args: never[]) => unknown>>;

/** The functions of a module of type `M`, in a thread that begins now and goes on until `end`. */
export class OffThread<M extends Functions> {
  readonly #worker: Worker;
  /** Rejects when the thread ends. */
  readonly #over: Promise<never>;

  /** `module`: its url, as `import.meta.resolve` gives it. */
  constructor(module: string) {
    const served: Served = { offThread: module };
    this.#worker = new Worker(new URL(import.meta.url), { workerData: served });
    this.#over = once(this.#worker, "exit").then(() => {
      throw new Error(`the thread of ${module} has ended`);
    });
    this.#over.catch(() => {});
  }

  /** What `name` resolves to, called with `args`. Throws what it throws, and an error if the thread ends instead. */
  async call<K extends keyof M & string>(
    name: K,
    ...args: Parameters<M[K]>
  ): Promise<Awaited<ReturnType<M[K]>>> {
    const answered = new AbortController();
    const { signal } = answered;
    this.#worker.postMessage({ name, args } satisfies Call);
    try {
      const message = once(this.#worker, "message", { signal });
      const [answer] = (await Promise.race([message, this.#over])) as [Answer];
      if ("error" in answer) throw answer.error;
      return answer.value as Awaited<ReturnType<M[K]>>;
    } finally {
      answered.abort();
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

async function serve({ offThread }: Served): Promise<void> {
  const functions = (await import(offThread)) as Functions;
  const answer = async ({ name, args }: Call): Promise<Answer> => {
    try {
      return {
        value: await (functions[name] as (...all: never[]) => unknown)(...(args as never[])),
      };
    } catch (error) {
      return { error };
    }
  };
  parentPort?.on("message", (call: Call) => {
    void answer(call).then((found) => parentPort?.postMessage(found));
  });
}

if (!isMainThread && typeof (workerData as Partial<Served> | null)?.offThread === "string")
  await serve(workerData as Served);
