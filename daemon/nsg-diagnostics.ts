/**
 * NSG diagnostics: the answer to a question in the JSON of Azure's networkConfigurationDiagnostic (`az network watcher
 * run-configuration-diagnostic`), with every rule of every stage and the fields of it that matched.
 *
 * One result for each part of the answer, where Azure has one for each profile that was asked. A platform rule that decides
 * stands first, where Azure has the rules of a network manager.
 */
import { Access, Direction } from '../src/engine/rule.ts';
import { type PolicyRule, RuleKind } from '../src/engine/policy.ts';
import { evaluateRules, type PartStage, type TrafficPart } from '../src/policy/explain-parts.ts';
import { nameKey } from '../src/policy/names.ts';
import type { LoadedConfiguration } from '../src/policy/load.ts';
import { type PartTexts, partTexts } from './traffic-text.ts';

interface Profile {
  readonly direction: 'Inbound' | 'Outbound';
  readonly protocol: string;
  readonly source: string;
  /** Not in Azure's profile, where it is always every port; only there when the answer depends on it. */
  readonly sourcePort?: string;
  readonly destination: string;
  readonly destinationPort: string;
}

interface EvaluatedGroup {
  readonly networkSecurityGroupId: string;
  /** The subnet or network interface. */
  readonly appliedTo: string;
  /** Null when packets of the part match different rules, which only happens behind a denial. */
  readonly matchedRule: { readonly ruleName: string; readonly action: 'Allow' | 'Deny' } | null;
  /** In the order of evaluation; a field matched when it did for every packet of the part. */
  readonly rulesEvaluationResult: readonly {
    readonly name: string;
    readonly protocolMatched: boolean;
    readonly sourceMatched: boolean;
    readonly sourcePortMatched: boolean;
    readonly destinationMatched: boolean;
    readonly destinationPortMatched: boolean;
  }[];
}

export interface NsgDiagnostics {
  readonly results: readonly {
    readonly profile: Profile;
    readonly networkSecurityGroupResult: {
      readonly securityRuleAccessResult: 'Allow' | 'Deny';
      readonly evaluatedNetworkSecurityGroups: readonly EvaluatedGroup[];
    };
  }[];
}

const PREFIXES = Object.freeze({
  [RuleKind.Security]: 'UserRule_',
  [RuleKind.Default]: 'DefaultRule_',
  [RuleKind.Platform]: 'PlatformRule_',
});

/** As NSG diagnostics and flow logs write it. */
function diagnosticName({ kind, name }: PolicyRule): string {
  return `${PREFIXES[kind]}${name}`;
}

function accessText(access: Access): 'Allow' | 'Deny' {
  return access === Access.Allow ? 'Allow' : 'Deny';
}

function profileOf(texts: PartTexts, direction: Direction): Profile {
  const isInbound = direction === Direction.Inbound;
  const [from, to] = isInbound ? [texts.remote, texts.local] : [texts.local, texts.remote];
  // Of a protocol without ports as Azure writes any.
  const remotePort = texts.remotePorts.join(',') || '*';
  const localPort = texts.localPorts.join(',') || '*';
  const [sourcePort, destinationPort] = isInbound
    ? [remotePort, localPort]
    : [localPort, remotePort];
  return {
    direction: isInbound ? 'Inbound' : 'Outbound',
    protocol: texts.protocol,
    source: from.join(','),
    ...(sourcePort === '*' ? {} : { sourcePort }),
    destination: to.join(','),
    destinationPort,
  };
}

function idsOf(
  { configuration }: LoadedConfiguration,
  nicName: string,
  { stage, list }: PartStage,
): { group: string; appliedTo: string } {
  const owner = list?.owner ?? '';
  const nic = configuration.networkInterfaces.find(({ name }) => name === nicName);
  const group = configuration.networkSecurityGroups.find(
    ({ name }) => nameKey(name) === nameKey(owner),
  );
  return {
    group: stage === 'platform' ? 'platform' : (group?.id ?? owner),
    appliedTo: stage === 'subnet' ? (nic?.subnet?.name ?? '') : nicName,
  };
}

/** Of a part: its stages that have a group, and the platform where one of its rules decided. */
function evaluatedGroups(
  loaded: LoadedConfiguration,
  nicName: string,
  part: TrafficPart,
  direction: Direction,
): EvaluatedGroup[] {
  return part.stages.flatMap((stage): EvaluatedGroup[] => {
    const { list, matched } = stage;
    if (list === undefined || (stage.stage === 'platform' && matched === undefined)) return [];
    const { group, appliedTo } = idsOf(loaded, nicName, stage);
    return [
      {
        networkSecurityGroupId: group,
        appliedTo,
        matchedRule:
          matched === undefined
            ? null
            : { ruleName: diagnosticName(matched), action: accessText(matched.access) },
        rulesEvaluationResult: evaluateRules(part, list, direction).map(({ rule, ...fields }) => ({
          name: diagnosticName(rule),
          ...fields,
        })),
      },
    ];
  });
}

/** @param nicName as the configuration spells it */
export function nsgDiagnostics(
  loaded: LoadedConfiguration,
  nicName: string,
  parts: readonly TrafficPart[],
  direction: Direction,
): NsgDiagnostics {
  return {
    results: parts.map((part) => ({
      profile: profileOf(partTexts(part), direction),
      networkSecurityGroupResult: {
        securityRuleAccessResult: part.access,
        evaluatedNetworkSecurityGroups: evaluatedGroups(loaded, nicName, part, direction),
      },
    })),
  };
}
