// The little of a page that modules of core need when they are loaded, for tests in Node.

const first = {
  account: { id: "a1", address: "anna@example.test", name: "" }, csrf: "", lang: "en", version: "0", base: "/ui/0/", origin: "mail.example.test", maxSize: 50e6, undo: 15,
};

Object.assign(globalThis, {
  document: { getElementById: () => ({ textContent: JSON.stringify(first) }), implementation: { createHTMLDocument: () => ({}) } },
  location: new URL("https://mail.example.test/mail/inbox"),
  addEventListener: () => {},
  Node: class {
    get childNodes() {
      return [];
    }
  },
});
if (!("navigator" in globalThis)) Object.assign(globalThis, { navigator: { onLine: true } });
