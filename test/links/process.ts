/** The process of a `LinkForwarder`: carries out what its parent asks for and says so; ends with it. */
import { LinkForwarder } from "./forwarder.ts";
import type { LinkAnswer, LinkOrder } from "./links.ts";

const forwarder = new LinkForwarder();

async function carryOut(order: LinkOrder): Promise<number> {
  switch (order.kind) {
    case "add":
      return await forwarder.add(order.target, order.port);
    case "rename":
      forwarder.rename(order.called, order.name);
      return 0;
    case "rule":
      for (const ruling of order.rulings) forwarder.rule(ruling);
      return 0;
  }
}

process.on("message", (order: LinkOrder) => {
  void carryOut(order).then((port) => {
    const answer: LinkAnswer = { id: order.id, port };
    process.send?.(answer);
  });
});
process.once("disconnect", () => process.exit());
