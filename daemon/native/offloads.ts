/**
 * Offloads: the device features that make a capture see frames no wire ever carried. Receive offloads (GRO, LRO) glue
 * segments into frames of up to 64 KiB that cannot be sent on; segmentation and checksum offloads do the same to what
 * this host sends. While nsgd owns an interface they are off, and afterwards they are as they were.
 *
 * ethtool's feature interface (linux/ethtool.h: ETHTOOL_GFEATURES, _SFEATURES) is used rather than the older commands
 * one by one: it names every feature of the running kernel, those that came after this was written too.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

import { loadLibc, SystemCallError } from './libc.ts';
import { readNetworkDevice } from './network-device.ts';

const SIOCETHTOOL = 0x8946;
const ETHTOOL_GSTRINGS = 0x1b;
const ETHTOOL_GSSET_INFO = 0x37;
const ETHTOOL_GFEATURES = 0x3a;
const ETHTOOL_SFEATURES = 0x3b;
const ETH_SS_FEATURES = 4;
const GSTRING_BYTES = 32;
/** Both lists have a header of two words: command and set, then count; strings have a third. */
const STRINGS_AT = 12;
const BLOCKS_AT = 8;
const GET_BLOCK_BYTES = 16;
const SET_BLOCK_BYTES = 8;

const MERGING = /^rx-(gro|lro)|^rx-udp-gro-forwarding$/;
const SPLITTING = /^tx-.*segmentation$|^tx-gso-/;
const CHECKSUMMING = /^tx-checksum-/;
/** Takes VLAN tags out of frames. Harmless to packet sockets, which get the tag beside the frame. */
const STRIPPING = /^rx-vlan(-stag)?-hw-parse$/;

/** What was on before and is to be on again. */
export interface SavedOffloads {
  readonly device: string;
  /** A device made again under the same name has another index and its own settings. */
  readonly index: number;
  /** Feature names as `ethtool -k` prints them for the kernel. */
  readonly features: readonly string[];
}

/** Offloads that a device refuses to switch off. */
export class OffloadError extends Error {
  readonly code = 'OFFLOADS_ON';
  readonly features: readonly string[];

  constructor(device: string, features: readonly string[], reason: string) {
    super(
      `offloads of ${device} stay on (${features.join(', ')}): ${reason}; ` +
        `switch them off with "ethtool -K ${device} ... off" or set offloads: ignore`,
    );
    this.features = features;
  }
}

interface Feature {
  readonly name: string;
  readonly bit: number;
  readonly isChangeable: boolean;
  readonly isRequested: boolean;
  readonly isActive: boolean;
}

/** Names of the offloads that are on and harm a capture, sorted as the kernel lists them. */
export function activeOffloads(device: string): string[] {
  return readFeatures(device)
    .filter((feature) => isHarmful(feature) && feature.isActive)
    .map((feature) => feature.name);
}

/** True when the driver takes VLAN tags out of frames. */
export function isStrippingTags(device: string): boolean {
  return readFeatures(device).some(({ name, isActive }) => isActive && STRIPPING.test(name));
}

/** What is on of that which `disableOffloads` would switch off: what to give to `restoreOffloads`. */
export function readOffloads(device: string): SavedOffloads {
  const index = readNetworkDevice(device)?.index ?? 0;
  return { device, index, features: unwantedFeatures(device).map(({ name }) => name) };
}

/** Requested but inactive features come back by themselves when what they depend on does, so they count too. */
function unwantedFeatures(device: string): Feature[] {
  return readFeatures(device).filter(
    (feature) =>
      (isHarmful(feature) || STRIPPING.test(feature.name)) &&
      feature.isChangeable &&
      (feature.isActive || feature.isRequested),
  );
}

/**
 * Switches every harmful offload off, and VLAN stripping where the driver allows.
 * @returns what to give to `restoreOffloads`
 * @throws OffloadError when one stays on; those that could be switched off are on again then
 */
export function disableOffloads(device: string): SavedOffloads {
  const saved = readOffloads(device);
  let reason = 'the driver does not allow it';
  try {
    setFeatures(device, unwantedFeatures(device), false);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    reason = error.message;
  }
  const remaining = activeOffloads(device);
  if (remaining.length > 0) {
    restoreOffloads(saved);
    throw new OffloadError(device, remaining, reason);
  }
  return saved;
}

/** Switches on again what `disableOffloads` switched off. Nothing to do when that device is gone. */
export function restoreOffloads(saved: SavedOffloads): void {
  if (saved.features.length === 0 || readNetworkDevice(saved.device)?.index !== saved.index) return;
  const names = new Set(saved.features);
  try {
    setFeatures(
      saved.device,
      readFeatures(saved.device).filter((feature) => names.has(feature.name)),
      true,
    );
  } catch (error) {
    // Removed since the line above: its settings went with it.
    if (!(error instanceof SystemCallError && error.code === 'ENODEV')) throw error;
  }
}

/** Keeps the record for a later process, in case this one is killed before it restores. */
export function writeSavedOffloads(path: string, saved: readonly SavedOffloads[]): void {
  writeFileSync(path, JSON.stringify(saved), { mode: 0o600 });
}

/** The record of an earlier process; empty where there is none, or none that can be read. */
export function readSavedOffloads(path: string): SavedOffloads[] {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return Array.isArray(value) ? value.filter(isSavedOffloads) : [];
  } catch {
    return [];
  }
}

export function removeSavedOffloads(path: string): void {
  rmSync(path, { force: true });
}

function isSavedOffloads(value: unknown): value is SavedOffloads {
  if (typeof value !== 'object' || value === null) return false;
  const { device, index, features } = value as Partial<Record<keyof SavedOffloads, unknown>>;
  return (
    typeof device === 'string' &&
    typeof index === 'number' &&
    Array.isArray(features) &&
    features.every((name) => typeof name === 'string')
  );
}

function isHarmful({ name }: Feature): boolean {
  return MERGING.test(name) || SPLITTING.test(name) || CHECKSUMMING.test(name);
}

/** All features of a device, in the order of their bits. */
function readFeatures(device: string): Feature[] {
  const libc = loadLibc();
  const count = featureCount(device);
  const strings = Buffer.alloc(STRINGS_AT + count * GSTRING_BYTES);
  strings.writeUInt32LE(ETHTOOL_GSTRINGS, 0);
  strings.writeUInt32LE(ETH_SS_FEATURES, 4);
  strings.writeUInt32LE(count, 8);
  libc.deviceIoctl(device, SIOCETHTOOL, strings);

  const blocks = Math.ceil(count / 32);
  const states = Buffer.alloc(BLOCKS_AT + blocks * GET_BLOCK_BYTES);
  states.writeUInt32LE(ETHTOOL_GFEATURES, 0);
  states.writeUInt32LE(blocks, 4);
  libc.deviceIoctl(device, SIOCETHTOOL, states);

  const features: Feature[] = [];
  for (let bit = 0; bit < count; bit++) {
    const nameAt = STRINGS_AT + bit * GSTRING_BYTES;
    const [name = ''] = strings.toString('latin1', nameAt, nameAt + GSTRING_BYTES).split('\0');
    const block = BLOCKS_AT + (bit >> 5) * GET_BLOCK_BYTES;
    const has = (word: number): boolean =>
      ((states.readUInt32LE(block + word * 4) >>> (bit & 31)) & 1) === 1;
    // struct ethtool_get_features_block { available, requested, active, never_changed }
    features.push({
      name,
      bit,
      isChangeable: has(0) && !has(3),
      isRequested: has(1),
      isActive: has(2),
    });
  }
  return features;
}

function featureCount(device: string): number {
  // struct ethtool_sset_info { cmd, reserved, u64 sset_mask, data[] }
  const info = Buffer.alloc(20);
  info.writeUInt32LE(ETHTOOL_GSSET_INFO, 0);
  info.writeUInt32LE(1 << ETH_SS_FEATURES, 8);
  loadLibc().deviceIoctl(device, SIOCETHTOOL, info);
  return info.readUInt32LE(16);
}

function setFeatures(device: string, features: readonly Feature[], isOn: boolean): void {
  if (features.length === 0) return;
  // struct ethtool_set_features_block { valid, requested }; the kernel takes exactly its own number of blocks.
  const blocks = Math.ceil(featureCount(device) / 32);
  const request = Buffer.alloc(BLOCKS_AT + blocks * SET_BLOCK_BYTES);
  request.writeUInt32LE(ETHTOOL_SFEATURES, 0);
  request.writeUInt32LE(blocks, 4);
  for (const { bit } of features) {
    const at = BLOCKS_AT + (bit >> 5) * SET_BLOCK_BYTES;
    const mask = 2 ** (bit & 31);
    request.writeUInt32LE((request.readUInt32LE(at) | mask) >>> 0, at);
    if (isOn) request.writeUInt32LE((request.readUInt32LE(at + 4) | mask) >>> 0, at + 4);
  }
  loadLibc().deviceIoctl(device, SIOCETHTOOL, request);
}
