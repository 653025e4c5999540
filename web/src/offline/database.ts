// The database of the browser in which mail is kept: one for each account.

/** Table is one of emails and their texts by id, of what was done without a line in its order, and of what else is known, by name. */
type Table = "emails" | "texts" | "changes" | "state";

const prefix = "offline-";

/** databaseOf is the name of the database of an account. */
export const databaseOf = (account: string): string => prefix + account;

export class Kept {
  constructor(private readonly db: IDBDatabase) {}

  get<T>(table: Table, key: string): Promise<T | undefined> {
    return this.ask(table, "readonly", (s) => s.get(key));
  }

  all<T>(table: Table): Promise<T[]> {
    return this.ask(table, "readonly", (s) => s.getAll());
  }

  keys<K = string>(table: Table): Promise<K[]> {
    return this.ask(table, "readonly", (s) => s.getAllKeys() as unknown as IDBRequest<K[]>);
  }

  put(table: Table, key: string, value: unknown): Promise<void> {
    return this.each(table, (s) => s.put(value, key));
  }

  putAll<T extends { id: string }>(table: Table, values: T[]): Promise<void> {
    return this.each(table, (s) => values.forEach((v) => s.put(v, v.id)));
  }

  /** add puts something after all else. */
  add(table: "changes", value: unknown): Promise<void> {
    return this.each(table, (s) => s.add(value));
  }

  deleteAll(table: Table, keys: IDBValidKey[]): Promise<void> {
    return keys.length ? this.each(table, (s) => keys.forEach((k) => s.delete(k))) : Promise.resolve();
  }

  /** clear takes away all but what was done without a line, and tells whether there is something of that. */
  async clear(): Promise<boolean> {
    for (const table of ["emails", "texts", "state"] as const) await this.each(table, (s) => s.clear());
    return (await this.keys("changes")).length > 0;
  }

  private ask<T>(table: Table, mode: IDBTransactionMode, work: (s: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const request = work(this.db.transaction(table, mode).objectStore(table));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }

  private each(table: Table, work: (s: IDBObjectStore) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const t = this.db.transaction(table, "readwrite", { durability: table === "changes" ? "strict" : "relaxed" });
      t.oncomplete = () => resolve();
      t.onerror = t.onabort = () => reject(t.error);
      work(t.objectStore(table));
    });
  }
}

export function open(account: string): Promise<Kept> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(databaseOf(account), 1);
    request.onupgradeneeded = () => {
      for (const table of ["emails", "texts", "state"]) request.result.createObjectStore(table);
      request.result.createObjectStore("changes", { autoIncrement: true });
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close(); // it is taken away: by a repair, or as another account is signed in
      resolve(new Kept(request.result));
    };
    request.onerror = () => reject(request.error);
  });
}

/**
 * dropOthers takes away what is kept of other accounts, and what an earlier form of the program kept. What somebody did without a line, whose
 * session ended before it was back, waits until they sign in again.
 */
export async function dropOthers(account: string): Promise<void> {
  for (const { name } of (await indexedDB.databases?.()) ?? []) {
    if (!name || !/^(?:mail|offline)-/.test(name) || name === databaseOf(account)) continue;
    const waits = name.startsWith(prefix) && (await open(name.slice(prefix.length)).then((other) => other.clear(), () => false));
    if (!waits) indexedDB.deleteDatabase(name);
  }
}
