// What the browser itself keeps of an account, in IndexedDB: what was typed and is not at the server yet, messages that wait
// for the line, uploads that go on later. Each account has a database of its own.

import { first } from "./first";

type Shelf = "drafts" | "outbox" | "uploads";

const shelves: Shelf[] = ["drafts", "outbox", "uploads"];
let opened: Promise<IDBDatabase> | undefined;

function database(): Promise<IDBDatabase> {
  return (opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open(`postiljon-${first.account.id}`, 1);
    asked.onupgradeneeded = () => {
      for (const s of shelves) if (!asked.result.objectStoreNames.contains(s)) asked.result.createObjectStore(s, { keyPath: "id" });
    };
    asked.onsuccess = () => {
      asked.result.onversionchange = () => asked.result.close();
      resolve(asked.result);
    };
    asked.onerror = () => {
      opened = undefined;
      reject(asked.error);
    };
  }));
}

async function run<T>(shelf: Shelf, mode: IDBTransactionMode, ask: (s: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const transaction = (await database()).transaction(shelf, mode, { durability: "strict" });
  const request = ask(transaction.objectStore(shelf));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

/** kept is all that lies on a shelf. */
export const kept = <T extends { id: string }>(shelf: Shelf): Promise<T[]> => run(shelf, "readonly", (s) => s.getAll());

/** keepThat puts something on a shelf, in place of what has the same id. It resolves once that is durable. */
export const keepThat = async (shelf: Shelf, what: { id: string }): Promise<void> => void (await run(shelf, "readwrite", (s) => s.put(what)));

/** keepNot takes something off a shelf. */
export const keepNot = (shelf: Shelf, id: string): Promise<void> => run(shelf, "readwrite", (s) => s.delete(id));
