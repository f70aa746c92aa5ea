/** The first program, as a person would write it: it ends by itself, without being told to close. */
import { connect } from "../../src/sdk/index.ts";

const q = await connect(process.argv[2]);
const report = q.lock("cron/report");
const ran = await report.tryRun(({ token }) => `built with token ${token}`);
console.log(ran.ok ? ran.value : ran.why);
