/** The agenda against a sorted list, machines against their own clocks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { prng } from "../../base/prng.ts";
import { Agenda } from "./agenda.ts";
import type { Appointment } from "./agenda.ts";
import { Machine } from "./machine.ts";

/** Fires what is due by `untilMs`, as a runner would. */
function pass(agenda: Agenda, untilMs: number): void {
  for (let next = agenda.take(untilMs); next !== undefined; next = agenda.take(untilMs)) {
    const { machine } = next;
    if (!machine.isOn) continue;
    if (machine.stillUntilMs > agenda.nowMs) agenda.putOff(next, machine.stillUntilMs);
    else next.fire();
  }
  agenda.passTo(untilMs);
}

test("[SIM-TIME-1] appointments come in the order of their times, then of their making, without the cancelled ones", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), delayMs: fc.nat(20) }),
    fc.record({ kind: fc.constant("cancel" as const), which: fc.nat() }),
    fc.record({ kind: fc.constant("take" as const), count: fc.nat(5) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const agenda = new Agenda();
      const machine = new Machine("m", 0, agenda, prng(1));
      const made: Appointment[] = [];
      let expected: Appointment[] = [];
      for (const each of steps) {
        if (each.kind === "add") {
          const one = agenda.add(machine, each.delayMs, () => {});
          made.push(one);
          expected.push(one);
        } else if (each.kind === "cancel") {
          const one = made[each.which % Math.max(1, made.length)];
          if (one !== undefined && expected.includes(one)) agenda.cancel(one);
          expected = expected.filter((other) => other !== one);
        } else {
          for (let at = 0; at < each.count; at++) {
            expected.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
            assert.equal(agenda.take(Infinity), expected.shift());
          }
        }
      }
      expected.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      for (const each of expected) assert.equal(agenda.take(Infinity), each);
      assert.equal(agenda.take(Infinity), undefined);
    }),
  );
});

test("[SIM-TIME-2] no timer fires before its time on a clock that drifts, stands still and jumps; each fires once", () => {
  const event = fc.record({
    afterMs: fc.nat(50),
    kind: fc.constantFrom("timer", "drift", "still", "jump"),
    size: fc.nat(100),
  });
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 40 }), (events) => {
      const agenda = new Agenda();
      const machine = new Machine("m", 0, agenda, prng(1));
      let fired = 0;
      let timers = 0;
      let last = 0;
      for (const { afterMs, kind, size } of events) {
        pass(agenda, agenda.nowMs + afterMs);
        assert.ok(machine.clock.monotonicMs() >= last);
        last = machine.clock.monotonicMs();
        if (kind === "drift") machine.drift(0.5 + size / 100);
        else if (kind === "still") machine.standStill(size);
        else if (kind === "jump") machine.skew((size - 50) * 1_000);
        else {
          timers++;
          const dueMs = machine.clock.monotonicMs() + size;
          machine.clock.after(size, () => {
            fired++;
            assert.ok(machine.clock.monotonicMs() >= dueMs);
            assert.ok(agenda.nowMs >= machine.stillUntilMs);
          });
        }
      }
      pass(agenda, agenda.nowMs + 10_000);
      assert.equal(fired, timers);
    }),
  );
});

test("[SIM-LIFE-1] what a life has asked for does not happen in the next, and a dead one asks in vain", () => {
  const agenda = new Agenda();
  const machine = new Machine("m", 0, agenda, prng(1));
  const { clock } = machine;
  const seen: string[] = [];
  clock.after(10, () => seen.push("before"));
  machine.turnOff();
  clock.after(10, () => seen.push("dead"));
  machine.turnOn();
  clock.after(10, () => seen.push("the dead's clock"));
  clock.soon(() => seen.push("the dead's next turn"));
  machine.clock.after(10, () => seen.push("next life"));
  pass(agenda, 100);
  assert.deepEqual(seen, ["next life"]);
});
