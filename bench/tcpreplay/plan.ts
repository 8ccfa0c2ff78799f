/**
 * What is measured on which device: plans from a look that takes a few minutes to all combinations, which take hours
 * for all devices.
 */
import { DEVICES } from '../peers/peers.ts';
import type { Family } from '../rules/trial-policy.ts';
import type { FrameSize, Traffic, TrafficKind } from '../traffic/traffic.ts';
import type { DeviceUnderTest } from './device.ts';

export type Measure =
  'saturated' | 'zero-loss' | 'curve' | 'latency' | 'cpu' | 'tcpreplay' | 'stream' | 'reload';

/** Everything that is measured on a device between its start and its stop. */
export interface Visit {
  readonly device: DeviceUnderTest;
  readonly rules: number;
  readonly family: Family;
  readonly parts: readonly VisitPart[];
}

/** `nsgd af-xdp, 100 rules, IPv4`. */
export function visitName({ device, rules, family }: Visit): string {
  return `${device.name}, ${rules} rules, IPv${family}`;
}

export interface VisitPart {
  readonly traffic: Traffic;
  readonly measures: readonly Measure[];
}

const FLOWS = 8192;
const RULES = [1, 100, 1000] as const;
const MOST_RULES = Math.max(...RULES);
const SIZES: readonly FrameSize[] = [64, 512, 1514, 'mix'];
const KINDS: readonly TrafficKind[] = ['established', 'new', 'half-denied'];
const ALL: readonly Measure[] = [
  'saturated',
  'zero-loss',
  'curve',
  'latency',
  'cpu',
  'tcpreplay',
  'stream',
];

function traffic(kind: TrafficKind, size: FrameSize, family: Family): Traffic {
  return { kind, size, family, flows: FLOWS };
}

/** A device without rules is the same at any number of them. */
function rulesOf(device: DeviceUnderTest, counts: readonly number[]): readonly number[] {
  return device.policy === 'none' ? [0] : counts;
}

function withoutVariants(devices: readonly DeviceUnderTest[]): DeviceUnderTest[] {
  return devices.filter((device) => device.isLatencyVariant !== true);
}

function hasPolicy(device: DeviceUnderTest): boolean {
  return device.policy !== 'none';
}

function quick(devices: readonly DeviceUnderTest[]): Visit[] {
  return devices.flatMap((device) =>
    rulesOf(device, [100]).map((rules) => ({
      device,
      rules,
      family: 4 as const,
      parts: small(['saturated', 'latency']),
    })),
  );
}

/** nsgd beside every peer: smallest frames, established flows, by number of rules; most of it at the most rules. */
function compare(devices: readonly DeviceUnderTest[]): Visit[] {
  return devices.flatMap((device) => {
    if (device.isLatencyVariant === true) return latencyOnly(device);
    return rulesOf(device, RULES).map((rules) => ({
      device,
      rules,
      family: 4 as const,
      parts: isMostRules(rules) ? everything(device) : small(['saturated']),
    }));
  });
}

function isMostRules(rules: number): boolean {
  return rules === 0 || rules === MOST_RULES;
}

function small(measures: readonly Measure[]): VisitPart[] {
  return [{ traffic: traffic('established', 64, 4), measures }];
}

function everything(device: DeviceUnderTest): VisitPart[] {
  const established = small(ALL);
  if (!hasPolicy(device)) return established;
  return [
    ...established,
    { traffic: traffic('new', 64, 4), measures: ['saturated', 'zero-loss'] },
    { traffic: traffic('denied', 64, 4), measures: ['saturated'] },
  ];
}

function latencyOnly(device: DeviceUnderTest): Visit[] {
  return [{ device, rules: MOST_RULES, family: 4, parts: small(['saturated', 'latency']) }];
}

/** Every frame size, kind of traffic, family and number of rules. */
function matrix(devices: readonly DeviceUnderTest[]): Visit[] {
  return withoutVariants(devices).flatMap((device) =>
    ([4, 6] as const).flatMap((family) =>
      rulesOf(device, RULES).map((rules) => ({
        device,
        rules,
        family,
        parts: (hasPolicy(device) ? KINDS : (['established'] as const)).flatMap((kind) =>
          SIZES.map((size) => ({
            traffic: traffic(kind, size, family),
            measures: ['saturated', 'zero-loss'] as const,
          })),
        ),
      })),
    ),
  );
}

/** What happens to traffic while the policy changes: 100 times in a minute. */
function reload(devices: readonly DeviceUnderTest[]): Visit[] {
  return withoutVariants(devices).map((device) => ({
    device,
    rules: 1000,
    family: 4 as const,
    parts: small(['reload']),
  }));
}

const PLANS = { quick, compare, matrix, reload } as const;
export type PlanName = keyof typeof PLANS;
export const PLAN_NAMES = Object.keys(PLANS) as PlanName[];

/** @param devices that the plan is to have, in order */
export function visitsOf(name: PlanName, devices: readonly DeviceUnderTest[]): Visit[] {
  return PLANS[name](devices).filter(({ device, family }) => device.families.includes(family));
}

/** The devices whose names contain one of the words; every device for the word "all". */
export function devicesMatching(words: readonly string[]): DeviceUnderTest[] {
  return DEVICES.filter(({ name }) =>
    words.some((word) => word === 'all' || name.toLowerCase().includes(word.toLowerCase().trim())),
  );
}
