import { first } from "./first";

/** load fetches a part of the program that is not needed at the start: an entry of web/build/bundle.go. */
export function load<T>(part: string): Promise<T> {
  const url = `${first.base}${part}.js`;
  return import(url);
}
