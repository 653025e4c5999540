// The smallest client of IMAP that the flows need.

import tls from "node:tls";
import { info } from "./flow.mjs";

/** imap signs in and answers a function that gives a command and answers its untagged lines; anything but OK is an error. */
export async function imap(account) {
  const at = info.imaps.lastIndexOf(":");
  const socket = tls.connect({ host: info.imaps.slice(0, at), port: Number(info.imaps.slice(at + 1)), rejectUnauthorized: false });
  socket.setEncoding("utf8");
  let buffered = "";
  let lines = [];
  let wake = () => {};
  socket.on("data", (chunk) => {
    const parts = (buffered + chunk).split("\r\n");
    buffered = parts.pop();
    lines.push(...parts);
    wake();
  });
  const failed = new Promise((_, reject) => {
    socket.on("error", reject);
    socket.setTimeout(30_000, () => reject(new Error("IMAP: no answer")));
  });
  failed.catch(() => {});
  let n = 0;
  const command = async (text) => {
    const tag = `t${++n}`;
    socket.write(`${tag} ${text}\r\n`);
    for (;;) {
      const end = lines.findIndex((l) => l.startsWith(`${tag} `));
      if (end < 0) {
        await Promise.race([failed, new Promise((resolve) => (wake = resolve))]);
        continue;
      }
      const [answer, last] = [lines.slice(0, end), lines[end]];
      lines = lines.slice(end + 1);
      if (!last.startsWith(`${tag} OK`)) throw new Error(`IMAP: ${text}: ${last}`);
      return answer;
    }
  };
  try {
    await command(`LOGIN "${account.address}" "${account.password}"`);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return Object.assign(command, { close: () => socket.destroy() });
}
