// A zip archive made while its files are read (PKWARE APPNOTE 6.3.10), compressed by the browser itself.

/** fits tells whether an archive can hold files: beyond that it would need ZIP64, which not everybody can open. */
export const fits = (files: File[]): boolean => files.length < 0xffff && files.reduce((sum, f) => sum + f.size + 1000, 0) < 0xffffffff;

/** zip packs files that fit into an archive. progress tells how much was read, 0 to 1. */
export async function zip(files: File[], progress: (share: number) => void): Promise<Blob> {
  const whole = files.reduce((sum, f) => sum + f.size, 0);
  const parts: BlobPart[] = [];
  const directory: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  let read = 0;
  const names = new Set<string>();
  for (const f of files) {
    const name = unique(f.name, names);
    let crc = ~0;
    const counted = f.stream().pipeThrough(new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, c) {
        crc = crc32(crc, chunk);
        read += chunk.length;
        progress(read / Math.max(1, whole));
        c.enqueue(chunk);
      },
    }));
    const packed = await new Response(counted.pipeThrough(new CompressionStream("deflate-raw"))).blob();
    const entry = { name: new TextEncoder().encode(name), crc: ~crc >>> 0, packed: packed.size, size: f.size, at, time: dosTime(new Date(f.lastModified)) };
    const head = header(entry, false);
    parts.push(head, packed);
    directory.push(header(entry, true));
    at += head.length + packed.size;
  }
  const size = directory.reduce((sum, d) => sum + d.length, 0);
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, files.length, true);
  end.setUint16(10, files.length, true);
  end.setUint32(12, size, true);
  end.setUint32(16, at, true);
  return new Blob([...parts, ...directory, end.buffer], { type: "application/zip" });
}

interface Entry {
  name: Uint8Array;
  crc: number;
  packed: number;
  size: number;
  at: number;
  time: number;
}

/** header is that of a file, or its line in the directory at the end. */
function header(e: Entry, central: boolean): Uint8Array<ArrayBuffer> {
  const length = central ? 46 : 30;
  const bytes = new Uint8Array(length + e.name.length);
  const v = new DataView(bytes.buffer);
  let o = 0;
  const u16 = (n: number) => (v.setUint16(o, n, true), (o += 2));
  const u32 = (n: number) => (v.setUint32(o, n, true), (o += 4));
  u32(central ? 0x02014b50 : 0x04034b50);
  if (central) u16(20);
  u16(20); // version that is needed
  u16(0x0800); // names are UTF-8
  u16(8); // deflate
  u32(e.time);
  u32(e.crc);
  u32(e.packed);
  u32(e.size);
  u16(e.name.length);
  u16(0);
  if (central) {
    u16(0);
    u16(0);
    u16(0);
    u32(0);
    u32(e.at);
  }
  bytes.set(e.name, length);
  return bytes;
}

const dosTime = (d: Date): number =>
  (((Math.max(1980, d.getFullYear()) - 1980) << 25) | ((d.getMonth() + 1) << 21) | (d.getDate() << 16) | (d.getHours() << 11) | (d.getMinutes() << 5) | (d.getSeconds() >> 1)) >>> 0;

function unique(name: string, names: Set<string>): string {
  let now = name;
  for (let i = 2; names.has(now); i++) now = name.replace(/(\.[^.]*)?$/, ` (${i})$1`);
  names.add(now);
  return now;
}

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(crc: number, bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return crc;
}
