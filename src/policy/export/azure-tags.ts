/**
 * Resource tags of ours, for what Azure or Terraform's provider has no property that can be set: exporting and importing
 * again must lose nothing.
 */
import type { AzureObject } from './azure-rule.ts';

/** Of virtual networks: prefixes, with spaces between. Azure knows them from peerings and gateways. */
export const TAG_CONNECTED = 'nsgd-connectedAddressSpaces';
/** Of network interfaces: `00-0D-3A-92-6A-7C`. */
export const TAG_MAC_ADDRESS = 'nsgd-macAddress';
/** Of security groups in Terraform, whose provider does not have the property: `true`. */
export const TAG_FLUSH = 'nsgd-flushConnection';

/** Azure's limit for the value of a tag, in characters. */
const VALUE_LENGTH_MAX = 256;

/** A tag whose value may be too long for one: then it goes on under `name-2` and so on. */
export function tagsOf(name: string, words: readonly string[]): AzureObject {
  const values: string[] = [];
  for (const word of words) {
    const joined = `${values.at(-1) ?? ''} ${word}`;
    if (values.length === 0 || joined.length > VALUE_LENGTH_MAX) values.push(word);
    else values[values.length - 1] = joined;
  }
  return Object.fromEntries(
    values.map((value, index) => [index === 0 ? name : `${name}-${index + 1}`, value]),
  );
}

/** As Azure prints it. Text that is no address of twelve digits stays as it is. */
export function macAddressText(text: string): string {
  const digits = text.replaceAll(/[-:]/g, '').toUpperCase();
  return /^[\dA-F]{12}$/.test(digits) ? (digits.match(/../g) ?? []).join('-') : text;
}
