/**
 * A configuration as Terraform's JSON syntax (`*.tf.json`) for the azurerm provider.
 *
 * `security_rule` is an attribute that looks like a block: in JSON every one of its members must be given, null and
 * empty ones too.
 */
import { formatPrefix } from '../address.ts';
import type { Configuration } from '../configuration.ts';
import type { NetworkInterface } from '../configuration-interfaces.ts';
import type { VirtualNetwork } from '../configuration-network.ts';
import { nameKey } from '../names.ts';
import type { NetworkSecurityGroup, SecurityRule } from '../security-rule.ts';
import { ipConfigurations, NETWORK_NAME } from './azure-network.ts';
import { type AzureValue, ruleProperties } from './azure-rule.ts';
import { macAddressText, TAG_CONNECTED, TAG_FLUSH, TAG_MAC_ADDRESS, tagsOf } from './azure-tags.ts';

/** What Terraform takes where Azure's objects have nothing. */
type TerraformValue = AzureValue | null | readonly TerraformValue[] | { readonly [key: string]: TerraformValue }; // prettier-ignore
type TerraformObject = Record<string, TerraformValue>;

export function terraformConfiguration(configuration: Configuration): TerraformObject {
  return new TerraformWriter(configuration).write();
}

class TerraformWriter {
  readonly #configuration: Configuration;
  /** By type, then by label. */
  readonly #resources = new Map<string, Map<string, TerraformObject>>();
  /** Of each resource, by type and name without case. */
  readonly #labels = new Map<string, string>();

  constructor(configuration: Configuration) {
    this.#configuration = configuration;
  }

  write(): TerraformObject {
    const { applicationSecurityGroups, networkSecurityGroups, networkInterfaces, virtualNetwork } =
      this.#configuration;
    for (const name of applicationSecurityGroups) {
      this.#add('azurerm_application_security_group', name, located(name));
    }
    for (const group of networkSecurityGroups) this.#group(group);
    if (virtualNetwork.addressSpace.length > 0) this.#network(virtualNetwork);
    for (const nic of networkInterfaces) this.#interface(nic);
    const resources = [...this.#resources].map(([type, byLabel]) => [
      type,
      Object.fromEntries(byLabel),
    ]);
    return {
      terraform: { required_providers: { azurerm: { source: 'hashicorp/azurerm' } } },
      provider: { azurerm: { features: {} } },
      variable: { location: { type: 'string' }, resource_group_name: { type: 'string' } },
      resource: Object.fromEntries(resources) as TerraformObject,
    };
  }

  #group(group: NetworkSecurityGroup): void {
    this.#add('azurerm_network_security_group', group.name, {
      ...located(group.name),
      ...(group.flushConnection ? { tags: { [TAG_FLUSH]: 'true' } } : {}),
      ...(group.rules.length === 0
        ? {}
        : { security_rule: group.rules.map((rule) => this.#rule(rule)) }),
    });
  }

  #rule(rule: SecurityRule): TerraformObject {
    const written = ruleProperties(rule, ({ name }) =>
      this.#id('azurerm_application_security_group', name),
    );
    const properties = Object.entries(written).map(([key, value]) => [
      snakeCase(key).replace(/groups$/, 'group_ids'),
      typeof value === 'string' ? literal(value) : value,
    ]);
    return {
      name: rule.name,
      ...EMPTY_RULE,
      ...(Object.fromEntries(properties) as TerraformObject),
    };
  }

  #network(virtualNetwork: VirtualNetwork): void {
    const { subnets, flowTimeoutInMinutes } = virtualNetwork;
    const name = virtualNetwork.name ?? NETWORK_NAME;
    const tags = tagsOf(TAG_CONNECTED, virtualNetwork.connectedAddressSpaces.map(formatPrefix));
    const type = 'azurerm_virtual_network';
    this.#add(type, name, {
      ...located(name),
      address_space: virtualNetwork.addressSpace.map(formatPrefix),
      ...(flowTimeoutInMinutes === undefined
        ? {}
        : { flow_timeout_in_minutes: flowTimeoutInMinutes }),
      ...(Object.keys(tags).length === 0 ? {} : { tags }),
    });
    for (const subnet of subnets) {
      this.#add('azurerm_subnet', subnet.name, {
        name: subnet.name,
        resource_group_name: GROUP,
        virtual_network_name: `\${${type}.${this.#label(type, name)}.name}`,
        address_prefixes: subnet.prefixes.map(formatPrefix),
      });
      if (subnet.networkSecurityGroup === undefined) continue;
      this.#add('azurerm_subnet_network_security_group_association', subnet.name, {
        subnet_id: this.#id('azurerm_subnet', subnet.name),
        network_security_group_id: this.#id(
          'azurerm_network_security_group',
          subnet.networkSecurityGroup,
        ),
      });
    }
  }

  #interface(nic: NetworkInterface): void {
    const { subnet } = nic;
    const type = 'azurerm_network_interface';
    this.#add(type, nic.name, {
      ...located(nic.name),
      ip_configuration: ipConfigurations(nic).map(({ name, address, version, isPrimary }) => ({
        name,
        ...(subnet === undefined ? {} : { subnet_id: this.#id('azurerm_subnet', subnet.name) }),
        private_ip_address_allocation: address === undefined ? 'Dynamic' : 'Static',
        private_ip_address_version: version,
        ...(address === undefined ? {} : { private_ip_address: address }),
        primary: isPrimary,
      })),
      ...(nic.macAddress === undefined
        ? {}
        : { tags: { [TAG_MAC_ADDRESS]: macAddressText(nic.macAddress) } }),
    });
    const id = this.#id(type, nic.name);
    if (nic.networkSecurityGroup !== undefined) {
      this.#add('azurerm_network_interface_security_group_association', nic.name, {
        network_interface_id: id,
        network_security_group_id: this.#id(
          'azurerm_network_security_group',
          nic.networkSecurityGroup,
        ),
      });
    }
    for (const asg of nic.applicationSecurityGroups) {
      const name = `${nic.name}-${asg}`;
      this.#add('azurerm_network_interface_application_security_group_association', name, {
        network_interface_id: id,
        application_security_group_id: this.#id('azurerm_application_security_group', asg),
      });
    }
  }

  #add(type: string, name: string, attributes: TerraformObject): void {
    const byLabel = this.#resources.get(type) ?? new Map<string, TerraformObject>();
    this.#resources.set(type, byLabel);
    const label = freeLabel(name, byLabel);
    this.#labels.set(`${type} ${nameKey(name)}`, label);
    byLabel.set(label, attributes);
  }

  #label(type: string, name: string): string {
    return this.#labels.get(`${type} ${nameKey(name)}`) ?? name;
  }

  #id(type: string, name: string): string {
    return `\${${type}.${this.#label(type, name)}.id}`;
  }
}

const GROUP = '${var.resource_group_name}';

function located(name: string): TerraformObject {
  return { name, location: '${var.location}', resource_group_name: GROUP };
}

const EMPTY_RULE: TerraformObject = Object.freeze({
  description: null,
  ...Object.fromEntries(
    ['source', 'destination'].flatMap((side) => [
      [`${side}_address_prefix`, null],
      [`${side}_address_prefixes`, []],
      [`${side}_application_security_group_ids`, []],
      [`${side}_port_range`, null],
      [`${side}_port_ranges`, []],
    ]),
  ),
});

function snakeCase(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Text in which nothing is a template. References are put in afterwards, and only into lists. */
function literal(text: string): string {
  return text.replaceAll(/[$%](?=\{)/g, (sign) => sign + sign);
}

/** A name of Terraform's: letters, digits, `_` and `-`, no digit first; not taken by another resource of the type. */
function freeLabel(name: string, taken: ReadonlyMap<string, unknown>): string {
  const label = name.replaceAll(/[^\w-]/g, '_').replace(/^(?=[\d-])/, '_');
  let free = label;
  for (let count = 2; taken.has(free); count++) free = `${label}_${count}`;
  return free;
}
