/** append-forever appends 0, 1, 2 … to the log it is given, and says each number once it is promised. */
import { writeSync } from "node:fs";
import { encodeUtf8 } from "../../src/base/bytes.ts";
import { openAppendLog } from "../../src/store/append-log.ts";

const log = openAppendLog(process.argv[2] ?? "", { kind: "numbers", version: 1 });
for (let next = log.records.length; ; next++) {
  log.append(encodeUtf8(`${next}`));
  writeSync(1, `${next}\n`);
}
