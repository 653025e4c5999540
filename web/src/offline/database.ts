// The database of the browser in which mail is kept: one for each account.

type Table = "emails" | "state";

/** Kept is a database with two tables: emails by id, and what else is known, by name. */
export class Kept {
  constructor(private readonly db: IDBDatabase) {}

  get<T>(table: Table, key: string): Promise<T | undefined> {
    return this.ask(table, "readonly", (s) => s.get(key));
  }

  all<T>(table: Table): Promise<T[]> {
    return this.ask(table, "readonly", (s) => s.getAll());
  }

  keys(table: Table): Promise<string[]> {
    return this.ask(table, "readonly", (s) => s.getAllKeys() as IDBRequest<string[]>);
  }

  put(table: Table, key: string, value: unknown): Promise<unknown> {
    return this.ask(table, "readwrite", (s) => s.put(value, key));
  }

  putAll(table: Table, values: { id: string }[]): Promise<void> {
    return this.each(table, (s) => values.forEach((v) => s.put(v, v.id)));
  }

  deleteAll(table: Table, keys: string[]): Promise<void> {
    return this.each(table, (s) => keys.forEach((k) => s.delete(k)));
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
      const t = this.db.transaction(table, "readwrite");
      work(t.objectStore(table));
      t.oncomplete = () => resolve();
      t.onerror = t.onabort = () => reject(t.error);
    });
  }
}

export function open(account: string): Promise<Kept> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(`mail-${account}`, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("emails");
      request.result.createObjectStore("state");
    };
    request.onsuccess = () => resolve(new Kept(request.result));
    request.onerror = () => reject(request.error);
  });
}
