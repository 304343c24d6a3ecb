// Reads MessagePack, as the ledger's entries are written: maps with names. Whole numbers that do not fit are BigInt.

const text = new TextDecoder("utf-8", { fatal: true });

/** The one value that the bytes hold; anything else is thrown as an error. */
export const decode = (bytes) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const skip = (size) => {
    const from = at;
    at += size;
    if (at > bytes.length) throw new Error("the entry ends too early");
    return from;
  };
  const whole = (big) => (big >= -9007199254740991n && big <= 9007199254740991n ? Number(big) : big);
  const string = (size) => {
    const from = skip(size);
    return text.decode(bytes.subarray(from, from + size));
  };
  const binary = (size) => {
    const from = skip(size);
    return bytes.slice(from, from + size);
  };
  const list = (size, depth) => Array.from({ length: size }, () => value(depth));
  const map = (size, depth) => {
    const read = Object.create(null);
    for (let n = 0; n < size; n += 1) {
      const key = value(depth);
      if (typeof key !== "string") throw new Error("a field of the entry has no name");
      read[key] = value(depth);
    }
    return read;
  };
  const size = (kind) => [() => view.getUint8(skip(1)), () => view.getUint16(skip(2)), () => view.getUint32(skip(4))][kind]();
  const value = (depth) => {
    if (depth > 64) throw new Error("the entry is too deep");
    const tag = view.getUint8(skip(1));
    if (tag < 0x80) return tag;
    if (tag < 0x90) return map(tag & 15, depth + 1);
    if (tag < 0xa0) return list(tag & 15, depth + 1);
    if (tag < 0xc0) return string(tag & 31);
    if (tag >= 0xe0) return tag - 256;
    if (tag === 0xc0) return null;
    if (tag === 0xc2 || tag === 0xc3) return tag === 0xc3;
    if (tag >= 0xc4 && tag <= 0xc6) return binary(size(tag - 0xc4));
    if (tag === 0xca) return view.getFloat32(skip(4));
    if (tag === 0xcb) return view.getFloat64(skip(8));
    if (tag >= 0xcc && tag <= 0xce) return size(tag - 0xcc);
    if (tag === 0xcf) return whole(view.getBigUint64(skip(8)));
    if (tag === 0xd0) return view.getInt8(skip(1));
    if (tag === 0xd1) return view.getInt16(skip(2));
    if (tag === 0xd2) return view.getInt32(skip(4));
    if (tag === 0xd3) return whole(view.getBigInt64(skip(8)));
    if (tag >= 0xd9 && tag <= 0xdb) return string(size(tag - 0xd9));
    if (tag === 0xdc || tag === 0xdd) return list(size(tag - 0xdc + 1), depth + 1);
    if (tag === 0xde || tag === 0xdf) return map(size(tag - 0xde + 1), depth + 1);
    throw new Error("the entry has a value of an unknown kind");
  };
  const read = value(0);
  if (at !== bytes.length) throw new Error("the entry is followed by something else");
  return read;
};
