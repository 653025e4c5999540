// The little of Node that tests use.
declare module "node:test" {
  export function test(name: string, work: () => void | Promise<void>): void;
}
declare module "node:assert/strict" {
  const assert: {
    (value: unknown, message?: string): asserts value;
    equal(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    rejects(work: Promise<unknown>, error: new (...of: any[]) => Error): Promise<void>;
    throws(work: () => unknown, message?: string): void;
  };
  export default assert;
}
