/**
 * One short value for all rules of a policy, so that an operator sees at a glance whether two machines, or a machine
 * before and after a change, enforce the same.
 */
import { createHash } from 'node:crypto';
import type { Policy } from '../src/engine/policy.ts';

/** Enough to tell any two policies apart by eye; nobody is to be kept from making equal ones. */
const DIGITS = 16;

/**
 * SHA-256 over the rules in evaluation order, tags and groups resolved to addresses, cut to 16 hexadecimal digits. What
 * differs from machine to machine, names and addresses of network interfaces, is not in it.
 */
export function hashOfRules({ ruleLists }: Policy): string {
  const text = JSON.stringify(ruleLists, (_, value: unknown) =>
    // IPv6 addresses are bigints, which JSON has no notation for.
    typeof value === 'bigint' ? value.toString(16) : value,
  );
  return createHash('sha256').update(text).digest('hex').slice(0, DIGITS);
}
