/** The services of the etcd face, as one table of methods. */
import { ETCD_NAMING } from "../../wire/etcd/schema.ts";
import { describeServices } from "../../wire/grpc/schema.ts";
import { healthMethods } from "../grpc/health.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { CARE } from "../../wire/etcd/cluster.ts";
import { METHODS } from "../../wire/etcd/messages.ts";
import { said } from "../../wire/etcd/statuses.ts";
import type { Methods, StreamMethod, UnaryMethod } from "../grpc/method.ts";
import { Catalogue, reflectionMethods } from "../grpc/reflection.ts";
import { authMethods } from "./auth.ts";
import { clusterMethods } from "./cluster.ts";
import type { EtcdContext } from "./context.ts";
import { electionMethods } from "./election.ts";
import { kvMethods } from "./kv.ts";
import { leaseMethods } from "./lease.ts";
import { lockMethods } from "./lock.ts";
import { maintenanceMethods } from "./maintenance.ts";
import { snapshotMethods } from "./snapshot.ts";
import { watchMethods } from "./watch.ts";

/** What a learner answers, besides serializable ranges: what is said of itself. */
const OF_LEARNERS: ReadonlySet<string> = new Set([METHODS.status.path, CARE.snapshot.path]);

/** `healthy`: whether the server takes calls. */
export function etcdMethods(context: EtcdContext, healthy: () => boolean): Methods {
  const all = allMethods(context, healthy);
  return context.cluster.isShared ? exceptLearners(all, context.cluster) : all;
}

/** As etcd has it: a learner may be far behind, and does not say so. */
function exceptLearners(all: Methods, cluster: Cluster): Methods {
  return new Map(
    [...all].map(([path, method]) => {
      const isOpen = path.startsWith("/grpc.") || OF_LEARNERS.has(path);
      return [path, isOpen ? method : exceptLearner(method, cluster)];
    }),
  );
}

function exceptLearner(
  method: UnaryMethod | StreamMethod,
  cluster: Cluster,
): UnaryMethod | StreamMethod {
  if (method.kind === "unary") {
    const run: UnaryMethod["run"] = (request, call) => {
      const isFree = "serializable" in request && request.serializable === true;
      if (isFree || !cluster.isLearner) return method.run(request, call);
      throw said("notForLearners");
    };
    return { ...method, run };
  }
  const open: StreamMethod["open"] = (outgoing) => {
    if (!cluster.isLearner) return method.open(outgoing);
    outgoing.end(said("notForLearners"));
    return { received: () => {}, finished: () => {}, drained: () => {}, closed: () => {} };
  };
  return { ...method, open };
}

function allMethods(context: EtcdContext, healthy: () => boolean): Methods {
  const methods: Methods = new Map([
    ...healthMethods(healthy),
    ...kvMethods(context),
    ...leaseMethods(context),
    ...watchMethods(context),
    ...maintenanceMethods(context),
    ...snapshotMethods(context),
    ...clusterMethods(context),
    ...authMethods(context),
    ...lockMethods(context),
    ...electionMethods(context),
    ...reflectionMethods(() => (catalogue ??= catalogueOf(methods))),
  ]);
  return methods;
}

/** Whoever is served, the methods and their messages are the same. */
let catalogue: Catalogue | undefined;

function catalogueOf(methods: Methods): Catalogue {
  const served = [...methods].map(([path, method]) => ({
    path,
    request: method.request,
    response: method.response,
    clientStreaming: method.kind === "stream" && method.takes === "many",
    serverStreaming: method.kind === "stream",
  }));
  return new Catalogue(describeServices(served, ETCD_NAMING));
}
