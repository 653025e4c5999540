// What the sessions of both libraries need.

/** The field Authorization of a password. */
export const basic = (address, password) => "Basic " + Buffer.from(`${address}:${password}`).toString("base64");

/** Notes what works; the test reads it. */
export const passed = (what) => console.log("passed: " + what);
