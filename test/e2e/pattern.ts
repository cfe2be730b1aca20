/** A prime period, so that a piece that is lost, doubled or moved cannot go unnoticed. */
const PERIOD = 251;

/** The bytes of the stream from an offset on. */
export function pattern(offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i += 1) bytes[i] = (offset + i) % PERIOD;
  return bytes;
}

/** The first place where a piece of the stream is not what it should be, or undefined. */
export function mismatch(offset: number, piece: Buffer): number | undefined {
  const expected = pattern(offset, piece.length);
  if (expected.equals(piece)) return undefined;
  return offset + piece.findIndex((byte, i) => byte !== expected[i]);
}
