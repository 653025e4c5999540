// A session with tus-js-client: node tus.mjs URL ADDRESS PASSWORD.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Upload } from "tus-js-client";

const [url, address, password] = process.argv.slice(2);
const headers = { Authorization: "Basic " + Buffer.from(`${address}:${password}`).toString("base64") };
const passed = (what) => console.log("passed: " + what);

/** upload sends octets; stop, given the octets that were accepted, tells when to break off. */
const upload = (data, options, stop = () => false) =>
  new Promise((resolve, reject) => {
    const one = new Upload(data, {
      endpoint: new URL("/files/", url).href, headers, retryDelays: [0, 100, 1000], chunkSize: 5 << 20,
      metadata: { filename: "Åland.bin", filetype: "application/octet-stream" }, ...options,
      onError: reject,
      onSuccess: () => resolve(one),
      onChunkComplete: (_, accepted) => {
        if (stop(accepted)) one.abort().then(() => resolve(one), reject);
      },
    });
    one.start();
  });
const ask = async (method, path, body) => {
  const response = await fetch(new URL(path, url), { method, headers, body });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return response.status === 204 ? undefined : response.json();
};
const told = (one) => ask("GET", "/api" + new URL(one.url).pathname);

const data = randomBytes(23 << 20);
const sum = createHash("sha256").update(data).digest("hex");
const half = await upload(data, {}, (accepted) => accepted >= 10 << 20);
const there = await told(half);
assert.ok(there.offset >= 10 << 20 && !there.whole);
passed("creation, pieces, a break");

const whole = await upload(data, { uploadUrl: half.url });
const file = await told(whole);
assert.deepEqual([file.whole, file.sha256, file.size, file.name], [true, sum, data.length, "Åland.bin"]);
passed("it goes on where it stopped, the checksum is right");

const once = await upload(randomBytes(1000), { uploadDataDuringCreation: true });
assert.equal((await told(once)).whole, true);
passed("creation with upload");

const linked = await ask("POST", "/api" + new URL(whole.url).pathname + "/link", "{}");
const back = await fetch(new URL(new URL(linked.file.link.url).pathname + "/download", url));
assert.equal(createHash("sha256").update(Buffer.from(await back.arrayBuffer())).digest("hex"), sum);
passed("the link leads to the same octets");

await whole.abort(true);
assert.equal((await fetch(whole.url, { method: "HEAD", headers: { ...headers, "Tus-Resumable": "1.0.0" } })).status, 404);
passed("termination");
console.log("end");
