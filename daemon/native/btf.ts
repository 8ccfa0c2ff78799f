/**
 * Finds a function of the running kernel in its type information (BTF, Documentation/bpf/btf.rst), to call it from a
 * BPF program by number. The whole list is read in order, because types have different lengths.
 */
import { readFileSync } from 'node:fs';

const KERNEL_BTF = '/sys/kernel/btf/vmlinux';
const MAGIC = 0xeb9f;
const TYPE_BYTES = 12;
const KIND_FUNCTION = 12;

/** Bytes behind struct btf_type for a kind, where they do not depend on the count of members. */
const FIXED_BYTES: Readonly<Record<number, number>> = { 1: 4, 3: 12, 14: 4, 17: 4 };
/** Bytes per member: structs, unions, enums, function prototypes, data sections, 64-bit enums. */
const MEMBER_BYTES: Readonly<Record<number, number>> = {
  4: 12,
  5: 12,
  6: 8,
  13: 8,
  15: 12,
  19: 12,
};

/** Number of a kernel function; undefined where the kernel has none of that name or no type information. */
export function kernelFunction(name: string): number | undefined {
  try {
    return findFunction(readFileSync(KERNEL_BTF), name);
  } catch {
    return undefined;
  }
}

/** @param btf little-endian */
export function findFunction(btf: Buffer, name: string): number | undefined {
  if (btf.readUInt16LE(0) !== MAGIC) return undefined;
  // struct btf_header { u16 magic; u8 version, flags; u32 hdr_len, type_off, type_len, str_off, str_len }
  const headerBytes = btf.readUInt32LE(4);
  const typesAt = headerBytes + btf.readUInt32LE(8);
  const typesEnd = typesAt + btf.readUInt32LE(12);
  const stringsAt = headerBytes + btf.readUInt32LE(16);
  // A string is only looked for where one begins, so that "xname" is not taken for "name".
  const nameAt = btf.indexOf(`\0${name}\0`, stringsAt, 'latin1') + 1 - stringsAt;
  let number = 1;
  for (let at = typesAt; at < typesEnd; number++) {
    // struct btf_type { u32 name_off; u32 info: vlen 0-15, kind 24-28; u32 size_or_type }
    const info = btf.readUInt32LE(at + 4);
    const kind = (info >>> 24) & 0x1f;
    if (kind === KIND_FUNCTION && btf.readUInt32LE(at) === nameAt) return number;
    at += TYPE_BYTES + (FIXED_BYTES[kind] ?? 0) + (info & 0xffff) * (MEMBER_BYTES[kind] ?? 0);
  }
  return undefined;
}
