/**
 * What the two sides of a rule stand for: tags, groups and prefixes as addresses.
 */
import type { AddressSet } from '../engine/address-set.ts';
import { ANY_ADDRESS, NO_ADDRESS } from '../engine/address-set.ts';
import { Direction } from '../engine/rule.ts';
import { setOfPrefixes } from './address.ts';
import type { ApplicationSecurityGroups } from './application-security-groups.ts';
import { nameKey, nearestName } from './names.ts';
import type { ProblemList } from './problem.ts';
import { quote } from './problem.ts';
import type { AddressMatch, AsgReference, SecurityRule } from './security-rule.ts';
import type { ServiceTags } from './service-tags.ts';

/** What the names in rules stand for in one configuration. */
export interface NameScope {
  readonly tags: ServiceTags;
  readonly asgs: ApplicationSecurityGroups;
  readonly asgNames: readonly string[];
}

export interface ResolvedSide {
  readonly addresses: AddressSet;
  /** The tag AzurePlatformLKM: of these addresses only TCP port 1688 is meant. */
  readonly isLicensing: boolean;
}

function side(addresses: AddressSet): ResolvedSide {
  return { addresses, isLicensing: false };
}

export class AddressResolver {
  readonly #scope: NameScope;
  readonly #problems: ProblemList;
  /** Tags whose own problems are reported: once, however many rules name the tag. */
  readonly #reported = new Set<string>();

  constructor(scope: NameScope, problems: ProblemList) {
    this.#scope = scope;
    this.#problems = problems;
  }

  /**
   * The addresses of one side of `rule`. A name that means nothing is reported, and matches nothing: the set of a
   * mistake is the empty one, never every address.
   */
  resolve(rule: SecurityRule, which: 'source' | 'destination'): ResolvedSide {
    const match: AddressMatch = rule[which];
    if (match.kind === 'any') return side(ANY_ADDRESS);
    if (match.kind === 'tag') return this.#tag(match.tag, rule, which);
    if (match.kind === 'asgs') return side(this.#groups(match.asgs));
    return side(setOfPrefixes(match.prefixes.map(({ prefix }) => prefix)));
  }

  #tag(name: string, rule: SecurityRule, which: 'source' | 'destination'): ResolvedSide {
    const tag = this.#scope.tags.find(name);
    const report = (message: string): ResolvedSide => {
      const text = `Security rule ${quote(rule.name)} has invalid Address prefix. ${message}`;
      this.#problems.error(rule.positions[which], 'SecurityRuleInvalidAddressPrefix', text);
      return side(NO_ADDRESS);
    };
    if (tag.kind === 'addresses') return side(tag.addresses);
    if (tag.kind === 'unknown') return report(tag.message);
    if (tag.kind === 'licensing') {
      // As a source it would let in TCP from port 1688 of anyone who picks that port.
      if (which === 'destination' && rule.direction === Direction.Outbound) {
        return { addresses: tag.addresses, isLicensing: true };
      }
      return report(`${tag.name} is only for the destination of outbound rules`);
    }
    if (!this.#reported.has(nameKey(name))) this.#problems.addAll(tag.problems);
    this.#reported.add(nameKey(name));
    return side(NO_ADDRESS);
  }

  #groups(references: readonly AsgReference[]): AddressSet {
    const { asgs, asgNames } = this.#scope;
    for (const { name, at } of references) {
      if (!asgs.has(name)) {
        const nearest = nearestName(name, asgNames);
        const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
        const message = `there is no application security group ${quote(name)}${hint}`;
        this.#problems.error(at, 'InvalidResourceReference', message);
      } else if (asgs.isEmpty(name)) {
        const message = `no interface is in application security group ${quote(name)}: it matches nothing`;
        this.#problems.warning(at, 'EmptyApplicationSecurityGroup', message);
      }
    }
    return asgs.addressesOf(references.map(({ name }) => name));
  }
}
