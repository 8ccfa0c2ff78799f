/**
 * What the fuzzer of configurations starts from: one of every kind of file that operators write or export, with most of what each
 * may say. Configurations, network security groups, templates with their functions and loops, building blocks, Terraform's plans,
 * states and configurations, and service tags.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { configurationText, WEB } from '../helpers/pipeline-rig.ts';
import { projectRoot } from '../helpers/project-root.ts';
import { tagFile } from '../helpers/service-tag-text.ts';

/** A file. Its name tells what kind it is. */
export interface ConfigurationSeed {
  readonly file: string;
  readonly text: string;
}

const FILES = [
  'config/nsgd.yaml',
  'config/examples/four-vms.yaml',
  'config/examples/application-security-groups.yaml',
  'test/golden/web-server.yaml',
];
const NETWORK = 'Microsoft.Network';
const SCHEMA = 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#';

const RULE = {
  priority: 100,
  direction: 'Inbound',
  access: 'Allow',
  protocol: 'Tcp',
  sourceAddressPrefixes: ['203.0.113.0/24', '198.51.100.7'],
  sourcePortRange: '*',
  destinationAddressPrefix: 'VirtualNetwork',
  destinationPortRanges: ['80', '443', '8000-8100'],
};
const NAMED_RULE = { name: 'AllowHttp', properties: RULE };
const IPV6_RULE = {
  name: 'AllowIpv6',
  properties: {
    ...RULE,
    priority: 110,
    protocol: '*',
    sourceAddressPrefixes: ['2001:db8::/32'],
    destinationAddressPrefix: '*',
  },
};
const EXPORT = {
  name: 'nsg1',
  location: 'westeurope',
  properties: { securityRules: [NAMED_RULE, IPV6_RULE] },
};

const group = (name: string, securityRules: unknown, others: object = {}): object => ({
  type: `${NETWORK}/networkSecurityGroups`,
  name,
  properties: { securityRules },
  ...others,
});

const TEMPLATE = {
  $schema: SCHEMA,
  parameters: { port: { type: 'string', defaultValue: '80' } },
  variables: { name: "[concat('nsg', '1')]" },
  resources: [
    group("[variables('name')]", [
      {
        ...NAMED_RULE,
        properties: { ...RULE, destinationPortRanges: ["[parameters('port')]"] },
      },
    ]),
  ],
};

/** A network with its groups, whose names, addresses and numbers are all worked out. */
const WORKED_OUT = {
  $schema: SCHEMA,
  parameters: {
    tiers: { type: 'array', defaultValue: ['web', 'data'] },
    space: { type: 'string', defaultValue: '10.0.0.0/16' },
    options: { type: 'object', defaultValue: { isOpen: true, ports: { ssh: 22, web: 443 } } },
  },
  variables: {
    copy: [
      {
        name: 'rules',
        count: "[length(parameters('tiers'))]",
        input: {
          name: "[format('r{0}', copyIndex('rules'))]",
          properties: {
            ...RULE,
            priority: "[add(100, mul(10, copyIndex('rules')))]",
            destinationPortRanges: ["[string(parameters('options').ports.ssh)]"],
          },
        },
      },
    ],
    last: "[toUpper(substring(last(split('a-b-nsg', '-')), 0, 3))]",
    merged: "[union(createObject('a', 1), parameters('options'))]",
  },
  resources: [
    group("[concat('nsg', copyIndex(1))]", "[variables('rules')]", {
      copy: { name: 'groups', count: 2 },
      condition: "[and(parameters('options').isOpen, not(equals('a', 'b')))]",
    }),
    {
      type: `${NETWORK}/virtualNetworks`,
      name: "[replace(toLower(trim(' VNET ')), 'v', 'x')]",
      properties: {
        addressSpace: { addressPrefixes: ["[parameters('space')]"] },
        subnets: [
          {
            name: "[first(parameters('tiers'))]",
            properties: {
              addressPrefix: "[cidrSubnet(parameters('space'), 24, 1)]",
              networkSecurityGroup: {
                id: `[resourceId('${NETWORK}/networkSecurityGroups', 'nsg1')]`,
              },
            },
          },
        ],
      },
    },
    {
      type: `${NETWORK}/networkInterfaces`,
      name: "[if(empty(range(0, 2)), 'none', join(createArray('vm', padLeft('1', 2, '0')), '-'))]",
      properties: {
        ipConfigurations: [
          {
            name: 'a',
            properties: {
              privateIPAddress: "[cidrHost('10.0.1.0/24', max(1, min(3, int('4'))))]",
              subnet: { id: `[resourceId('${NETWORK}/virtualNetworks/subnets', 'xnet', 'web')]` },
              applicationSecurityGroups: [
                { id: `[resourceId('${NETWORK}/applicationSecurityGroups', 'asg')]` },
              ],
            },
          },
        ],
      },
    },
    { type: `${NETWORK}/applicationSecurityGroups`, name: 'asg' },
    {
      type: 'Microsoft.Resources/deployments',
      name: 'inner',
      properties: {
        mode: 'Incremental',
        expressionEvaluationOptions: { scope: 'inner' },
        parameters: { name: { value: "[coalesce(null(), 'deep')]" } },
        template: {
          $schema: SCHEMA,
          parameters: { name: { type: 'string' } },
          resources: [group("[parameters('name')]", [NAMED_RULE])],
        },
      },
    },
  ],
};

const BUILDING_BLOCKS = {
  $schema: 'https://raw.githubusercontent.com/mspnp/template-building-blocks/settings.json',
  parameters: {
    buildingBlocks: {
      value: [
        {
          type: 'NetworkSecurityGroup',
          settings: [
            {
              name: 'web-nsg',
              virtualNetworks: [{ name: 'vnet', subnets: ['web'] }],
              securityRules: [{ name: 'ssh', ...RULE }],
            },
          ],
        },
        {
          type: 'VirtualNetwork',
          settings: {
            name: 'vnet',
            addressPrefixes: ['10.0.0.0/16'],
            subnets: [{ name: 'web', addressPrefix: '10.0.1.0/24' }],
          },
        },
        { type: 'Template', settings: { template: TEMPLATE } },
      ],
    },
  },
};

const TERRAFORM_RULE = {
  name: 'ssh',
  priority: 100,
  direction: 'Inbound',
  access: 'Allow',
  protocol: 'Tcp',
  source_port_range: '*',
  destination_port_ranges: ['22', '80-90'],
  source_address_prefix: 'VirtualNetwork',
  destination_address_prefix: '*',
};
const TERRAFORM_VALUES: Readonly<Record<string, object>> = {
  azurerm_network_security_group: { name: 'nsg', security_rule: [TERRAFORM_RULE] },
  azurerm_virtual_network: { name: 'vnet', address_space: ['10.0.0.0/16'] },
  azurerm_subnet: {
    name: 'web',
    virtual_network_name: 'vnet',
    address_prefixes: ['10.0.1.0/24'],
  },
  azurerm_network_interface: {
    name: 'vm',
    ip_configuration: [{ name: 'a', private_ip_address: '10.0.1.4' }],
  },
  azurerm_network_security_rule: {
    ...TERRAFORM_RULE,
    name: 'more',
    priority: 200,
    network_security_group_name: 'nsg',
  },
  azurerm_subnet_network_security_group_association: {},
};
const references = (...names: string[]): object => ({ references: names });
const GROUP = references('var.group', 'azurerm_network_security_group.all["web"].id');
const EXPRESSIONS: Readonly<Record<string, object>> = {
  azurerm_network_interface: { ip_configuration: [{ subnet_id: references('module.net.id') }] },
  azurerm_subnet_network_security_group_association: {
    subnet_id: references('module.net.id', 'module.net', 'each.key'),
    network_security_group_id: GROUP,
  },
};
const UNKNOWN: Readonly<Record<string, object>> = {
  azurerm_network_interface: { ip_configuration: [{ subnet_id: true }] },
  azurerm_subnet_network_security_group_association: {
    subnet_id: true,
    network_security_group_id: true,
  },
};

/** The subnet is in a module. */
const resources = Object.entries(TERRAFORM_VALUES).map(([type, values]) => ({
  address: `${type === 'azurerm_subnet' ? 'module.net.' : ''}${type}.all["web"]`,
  mode: 'managed',
  type,
  name: 'all',
  index: 'web',
  values,
}));
const isInModule = ({ address }: { readonly address: string }): boolean =>
  address.startsWith('module.');
const outside = resources.filter((resource) => !isInModule(resource));
const VALUES = {
  root_module: {
    resources: outside,
    child_modules: [{ address: 'module.net', resources: resources.filter(isInModule) }],
  },
};
const STATE = { format_version: '1.0', terraform_version: '1.9.5', values: VALUES };
const PLAN = {
  format_version: '1.2',
  terraform_version: '1.9.5',
  planned_values: VALUES,
  resource_changes: resources.map(({ address, type, values }) => ({
    address,
    change: {
      actions: ['create'],
      before: null,
      after: values,
      after_unknown: { id: true, ...UNKNOWN[type] },
    },
  })),
  configuration: {
    root_module: {
      resources: outside.map(({ type }) => ({
        address: `${type}.all`,
        type,
        name: 'all',
        expressions: EXPRESSIONS[type] ?? {},
      })),
      module_calls: {
        net: {
          source: './net',
          expressions: { group: GROUP },
          module: {
            outputs: { id: { expression: references('azurerm_subnet.all["web"].id') } },
            resources: [{ address: 'azurerm_subnet.all', type: 'azurerm_subnet', name: 'all' }],
          },
        },
      },
    },
  },
};
const TERRAFORM = {
  locals: { prefix: 'x' },
  variable: { space: { default: ['10.0.0.0/16'] }, group: { type: 'string' } },
  resource: {
    azurerm_virtual_network: { v: { name: '${local.prefix}', address_space: '${var.space}' } },
    azurerm_subnet: {
      web: {
        name: 'web',
        virtual_network_name: '${azurerm_virtual_network.v.name}',
        address_prefixes: ['10.0.1.0/24'],
      },
    },
    azurerm_network_security_group: {
      n: { name: 'nsg', security_rule: [{ ...TERRAFORM_RULE, description: '$${text} %%{}' }] },
    },
    azurerm_subnet_network_security_group_association: {
      a: {
        subnet_id: '${azurerm_subnet.web.id}',
        network_security_group_id: '${azurerm_network_security_group.n.id}',
      },
    },
  },
};

/** Names itself as its service tags, as its next configuration and as a network security group. */
const WITH_FILES = `serviceTags:
  file: nsgd.yaml
  custom: { Office: [203.0.113.0/24, '2001:db8::/32'] }
candidate: nsgd.yaml
networkSecurityGroups:
  - { name: nsg1, file: nsgd.yaml }
`;

const written = (file: string, value: object): ConfigurationSeed => ({
  file,
  text: JSON.stringify(value, null, 1),
});

export function configurationSeeds(): ConfigurationSeed[] {
  const ours = FILES.map((file) => join(projectRoot, file))
    .filter((path) => existsSync(path))
    .map((path) => ({ file: 'nsgd.yaml', text: readFileSync(path, 'utf8') }));
  const configuration = JSON.stringify(JSON.parse(configurationText(WEB)), null, 1);
  return [
    ...ours,
    { file: 'nsgd.json', text: configuration },
    { file: 'nsgd.yaml', text: configuration },
    { file: 'nsgd.yaml', text: WITH_FILES },
    { file: 'tags.json', text: tagFile({ Sql: ['203.0.113.0/24'], 'Sql.WestEurope': ['::/64'] }) },
    written('nsg.json', EXPORT),
    written('template.json', TEMPLATE),
    written('network.json', WORKED_OUT),
    written('blocks.json', BUILDING_BLOCKS),
    written('plan.json', PLAN),
    written('state.json', STATE),
    written('main.tf.json', TERRAFORM),
  ];
}
