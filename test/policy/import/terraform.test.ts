import { describe, expect, test } from 'vitest';
import { importText } from '../../helpers/import-text.ts';

const rule = {
  name: 'ssh',
  description: '',
  priority: 100,
  direction: 'Inbound',
  access: 'Allow',
  protocol: 'Tcp',
  source_port_range: '*',
  source_port_ranges: [],
  destination_port_range: '22',
  destination_port_ranges: [],
  source_address_prefix: 'VirtualNetwork',
  source_address_prefixes: [],
  destination_address_prefix: '*',
  destination_address_prefixes: [],
  source_application_security_group_ids: [],
  destination_application_security_group_ids: [],
};
const { name: _, ...body } = rule;

interface Resource {
  readonly type: string;
  readonly name: string;
  readonly index?: string | number;
  readonly mode?: string;
  readonly values: object;
  readonly unknown?: object;
}

const addressOf = ({ type, name, index, mode }: Resource, module = ''): string => {
  const suffix = index === undefined ? '' : `[${JSON.stringify(index)}]`;
  return `${module}${mode === 'data' ? 'data.' : ''}${type}.${name}${suffix}`;
};

const entry = (resource: Resource, module = ''): object => ({
  address: addressOf(resource, module),
  mode: 'managed',
  type: resource.type,
  name: resource.name,
  ...(resource.index === undefined ? {} : { index: resource.index }),
  provider_name: 'registry.terraform.io/hashicorp/azurerm',
  values: resource.values,
});

const change = (resource: Resource, module = ''): object => ({
  address: addressOf(resource, module),
  change: {
    actions: ['create'],
    before: null,
    after: resource.values,
    after_unknown: resource.unknown ?? {},
  },
});

const refs = (...references: string[]): object => ({ references });

/** A plan: two subnets made by `for_each` in a module, whose groups and interfaces are outside it. */
const subnet = (key: string, number: number): Resource => ({
  type: 'azurerm_subnet',
  name: 'all',
  index: key,
  values: {
    name: key,
    resource_group_name: 'rg',
    virtual_network_name: 'vnet',
    address_prefixes: [`10.0.${number}.0/24`],
  },
  unknown: { id: true },
});
const inner = [subnet('web', 1), subnet('data', 2)];
const outer: Resource[] = [
  {
    type: 'azurerm_virtual_network',
    name: 'v',
    values: {
      name: 'vnet',
      resource_group_name: 'rg',
      address_space: ['10.0.0.0/16'],
      flow_timeout_in_minutes: null,
      tags: null,
    },
    unknown: { id: true, subnet: true, guid: true },
  },
  {
    type: 'azurerm_network_security_group',
    name: 'n',
    values: { name: 'nsg', resource_group_name: 'rg', security_rule: [rule] },
    unknown: { id: true, security_rule: [{}] },
  },
  {
    type: 'azurerm_network_security_rule',
    name: 'more',
    index: 0,
    values: {
      ...body,
      name: 'more',
      priority: 200,
      network_security_group_name: 'nsg',
      resource_group_name: 'rg',
      source_address_prefix: null,
    },
    unknown: { id: true, source_application_security_group_ids: true },
  },
  {
    type: 'azurerm_subnet_network_security_group_association',
    name: 'a',
    index: 'web',
    values: {},
    unknown: { id: true, subnet_id: true, network_security_group_id: true },
  },
  {
    type: 'azurerm_network_interface',
    name: 'vm',
    index: 1,
    values: {
      name: 'vm-1',
      resource_group_name: 'rg',
      ip_configuration: [
        { name: 'a', private_ip_address: '10.0.2.4', private_ip_address_allocation: 'Static' },
      ],
    },
    unknown: { id: true, mac_address: true, ip_configuration: [{ subnet_id: true }] },
  },
  {
    type: 'azurerm_network_interface_security_group_association',
    name: 'b',
    values: {},
    unknown: { network_interface_id: true, network_security_group_id: true },
  },
  {
    type: 'azurerm_network_interface_application_security_group_association',
    name: 'c',
    values: {},
    unknown: { network_interface_id: true, application_security_group_id: true },
  },
  {
    type: 'azurerm_application_security_group',
    name: 'g',
    values: { name: 'asg', resource_group_name: 'rg' },
    unknown: { id: true },
  },
  { type: 'azurerm_linux_virtual_machine', name: 'vm', values: { name: 'vm' } },
];

/** What the configuration says of each attribute that is unknown. */
const EXPRESSIONS: Record<string, object> = {
  'azurerm_network_security_rule.more': {
    source_application_security_group_ids: refs(
      'azurerm_application_security_group.g.id',
      'azurerm_application_security_group.g',
    ),
  },
  'azurerm_subnet_network_security_group_association.a': {
    subnet_id: refs('module.net.ids', 'module.net', 'each.key'),
    network_security_group_id: refs(
      'azurerm_network_security_group.n.id',
      'azurerm_network_security_group.n',
    ),
  },
  'azurerm_network_interface.vm': {
    ip_configuration: [{ subnet_id: refs('module.net.data_id', 'module.net') }],
  },
  'azurerm_network_interface_security_group_association.b': {
    network_interface_id: refs(
      'azurerm_network_interface.vm[1].id',
      'azurerm_network_interface.vm[1]',
      'azurerm_network_interface.vm',
    ),
    network_security_group_id: refs(
      'var.group',
      'azurerm_network_security_group.n.id',
      'azurerm_network_security_group.n',
    ),
  },
  'azurerm_network_interface_application_security_group_association.c': {
    network_interface_id: refs(
      'azurerm_network_interface.vm[1].id',
      'azurerm_network_interface.vm[1]',
      'azurerm_network_interface.vm',
    ),
    application_security_group_id: refs(
      'azurerm_application_security_group.g.id',
      'azurerm_application_security_group.g',
    ),
  },
};

const plan = (
  changes: { readonly resources?: Resource[]; readonly expressions?: Record<string, object> } = {},
): object => {
  const resources = changes.resources ?? outer;
  const expressions = changes.expressions ?? EXPRESSIONS;
  return {
    format_version: '1.2',
    terraform_version: '1.9.5',
    planned_values: {
      root_module: {
        resources: resources.map((resource) => entry(resource)),
        child_modules: [
          {
            address: 'module.net',
            resources: inner.map((resource) => entry(resource, 'module.net.')),
          },
        ],
      },
    },
    resource_changes: [
      ...resources.map((resource) => change(resource)),
      ...inner.map((resource) => change(resource, 'module.net.')),
    ],
    configuration: {
      root_module: {
        resources: resources.map((resource) => {
          const address = `${resource.type}.${resource.name}`;
          return {
            address,
            type: resource.type,
            name: resource.name,
            expressions: expressions[address] ?? {},
          };
        }),
        module_calls: {
          net: {
            source: './net',
            expressions: { group: refs('azurerm_network_security_group.n') },
            module: {
              outputs: {
                ids: {
                  expression: refs(
                    'azurerm_subnet.all["web"].id',
                    'azurerm_subnet.all["web"]',
                    'azurerm_subnet.all',
                  ),
                },
                data_id: {
                  expression: refs(
                    'azurerm_subnet.all["data"].id',
                    'azurerm_subnet.all["data"]',
                    'azurerm_subnet.all',
                  ),
                },
              },
              resources: [
                {
                  address: 'azurerm_subnet.all',
                  type: 'azurerm_subnet',
                  name: 'all',
                  expressions: {},
                },
              ],
            },
          },
        },
      },
    },
  };
};

const sshRule = {
  name: 'ssh',
  priority: 100,
  direction: 'Inbound',
  access: 'Allow',
  protocol: 'Tcp',
  sourceAddressPrefix: 'VirtualNetwork',
  sourcePortRange: '*',
  destinationAddressPrefix: '*',
  destinationPortRange: '22',
};
const { sourceAddressPrefix: __, ...withoutSource } = sshRule;
const configuration = {
  virtualNetwork: {
    name: 'vnet',
    addressSpace: ['10.0.0.0/16'],
    subnets: [
      { name: 'web', addressPrefixes: ['10.0.1.0/24'], networkSecurityGroup: 'nsg' },
      { name: 'data', addressPrefixes: ['10.0.2.0/24'] },
    ],
  },
  applicationSecurityGroups: [{ name: 'asg' }],
  networkSecurityGroups: [
    {
      name: 'nsg',
      securityRules: [
        sshRule,
        { ...withoutSource, name: 'more', priority: 200, sourceApplicationSecurityGroups: ['asg'] },
      ],
    },
  ],
  networkInterfaces: [
    {
      name: 'vm-1',
      subnet: 'data',
      addresses: ['10.0.2.4'],
      networkSecurityGroup: 'nsg',
      applicationSecurityGroups: ['asg'],
    },
  ],
};

describe('terraform show -json of a plan', () => {
  test('modules, for_each, count, and ids that are not known yet', () => {
    expect(importText({ 'plan.json': plan() })).toEqual({ configuration, problems: [] });
  });

  test('through variables of a module and each.value', () => {
    const association = {
      type: 'azurerm_subnet_network_security_group_association',
      name: 'a',
      index: 'web',
      values: {},
      unknown: { subnet_id: true, network_security_group_id: true },
    };
    const value = plan() as { planned_values: { root_module: { resources: object[]; child_modules: { resources: object[] }[] } }; resource_changes: object[]; configuration: { root_module: { module_calls: { net: { module: { resources: object[] } } } } } }; // prettier-ignore
    const { root_module: root } = value.planned_values;
    root.resources = root.resources.filter(
      (resource) => !JSON.stringify(resource).includes('subnet_network_security_group_association'),
    );
    root.child_modules[0]?.resources.push(entry(association, 'module.net.'));
    value.resource_changes.push(change(association, 'module.net.'));
    value.configuration.root_module.module_calls.net.module.resources.push({
      address: 'azurerm_subnet_network_security_group_association.a',
      for_each_expression: refs('azurerm_subnet.all'),
      expressions: {
        subnet_id: refs('each.value.id', 'each.value'),
        network_security_group_id: refs('var.group'),
      },
    });
    expect(importText({ 'plan.json': value })).toEqual({ configuration, problems: [] });
  });

  const unknown = (attribute: string, resource: string): string[] => {
    const expressions = { ...EXPRESSIONS, [resource]: {} };
    return importText({ 'plan.json': plan({ expressions }) }).problems.map((problem) => problem.replace(/^plan\.json:\d+:\d+: /, '')).filter((problem) => problem.includes(attribute)); // prettier-ignore
  };
  test('what nobody can know before apply is named', () => {
    expect(unknown('subnet_id', 'azurerm_network_interface.vm')).toEqual([
      'TerraformValueUnknown: azurerm_network_interface.vm[1].ip_configuration.0.subnet_id is known only after apply',
    ]);
    expect(unknown('group_ids', 'azurerm_network_security_rule.more')).toEqual([
      'TerraformValueUnknown: azurerm_network_security_rule.more[0].source_application_security_group_ids is known only after apply',
    ]);
    const nameless = outer.map((resource) =>
      resource.type === 'azurerm_network_security_group'
        ? { ...resource, values: { security_rule: [] }, unknown: { id: true, name: true } }
        : resource,
    );
    const { problems } = importText({ 'plan.json': plan({ resources: nameless }) });
    expect(problems).toContainEqual(
      expect.stringContaining('azurerm_network_security_group.n.name is known only after apply'),
    );
  });

  test('an address that Azure assigns is asked for', () => {
    const dynamic = outer.map((resource) =>
      resource.type === 'azurerm_network_interface'
        ? {
            ...resource,
            values: { name: 'vm-1', resource_group_name: 'rg', ip_configuration: [{ name: 'a' }] },
            unknown: {
              id: true,
              ip_configuration: [{ subnet_id: true, private_ip_address: true }],
            },
          }
        : resource,
    );
    const files = { 'plan.json': plan({ resources: dynamic }) };
    expect(importText(files).problems).toEqual([expect.stringContaining('MissingAddresses')]);
    const addresses = new Map([['vm-1', ['10.0.2.4']]]);
    expect(importText(files, { addresses })).toEqual({ configuration, problems: [] });
  });
});

describe('terraform show -json of a state', () => {
  const group = '/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network';
  const state = (resources: Resource[]): object => ({
    format_version: '1.0',
    terraform_version: '1.9.5',
    values: { root_module: { resources: resources.map((resource) => entry(resource)) } },
  });
  const [, , , , , , , asg] = outer;
  test('everything has its id', () => {
    const resources: Resource[] = [
      {
        type: 'azurerm_virtual_network',
        name: 'v',
        values: {
          id: `${group}/virtualNetworks/vnet`,
          name: 'vnet',
          address_space: ['10.0.0.0/16'],
          subnet: [
            {
              name: 'web',
              address_prefixes: ['10.0.1.0/24'],
              security_group: `${group}/networkSecurityGroups/nsg`,
              id: 'x',
            },
            { name: 'data', address_prefixes: ['10.0.2.0/24'], security_group: '' },
          ],
        },
      },
      { ...asg, values: { id: `${group}/applicationSecurityGroups/asg`, name: 'asg' } } as Resource,
      {
        type: 'azurerm_network_security_group',
        name: 'n',
        values: {
          id: `${group}/networkSecurityGroups/nsg`,
          name: 'nsg',
          security_rule: [
            rule,
            {
              ...rule,
              name: 'more',
              priority: 200,
              source_address_prefix: '',
              source_application_security_group_ids: [`${group}/applicationSecurityGroups/asg`],
            },
          ],
        },
      },
      {
        type: 'azurerm_network_interface',
        name: 'vm',
        values: {
          id: `${group}/networkInterfaces/vm-1`,
          name: 'vm-1',
          mac_address: '',
          ip_configuration: [
            {
              name: 'a',
              subnet_id: `${group}/virtualNetworks/vnet/subnets/data`,
              private_ip_address: '10.0.2.4',
            },
          ],
        },
      },
      {
        type: 'azurerm_network_interface_security_group_association',
        name: 'b',
        values: {
          network_interface_id: `${group}/networkInterfaces/vm-1`,
          network_security_group_id: `${group}/networkSecurityGroups/nsg`,
        },
      },
      {
        type: 'azurerm_network_interface_application_security_group_association',
        name: 'c',
        values: {
          network_interface_id: `${group}/networkInterfaces/vm-1`,
          application_security_group_id: `${group}/applicationSecurityGroups/asg`,
        },
      },
    ];
    expect(importText({ 'state.json': state(resources) })).toEqual({ configuration, problems: [] });
    const route = { type: 'azurerm_subnet_route_table_association', name: 'r', values: {} };
    expect(importText({ 'state.json': state([...resources, route]) }).problems).toEqual([
      expect.stringContaining('RouteTableNotRead'),
    ]);
    const lost = resources.filter(({ type }) => type !== 'azurerm_network_interface');
    expect(
      importText({ 'state.json': state(lost) }).problems.map((problem) => problem.split(': ')[1]),
    ).toContain('InvalidResourceReference');
  });
});

describe('*.tf.json', () => {
  const tf = (changes: object = {}): object => ({
    locals: { prefix: 'x' },
    variable: { space: { default: ['10.0.0.0/16'] }, group: { type: 'string' } },
    resource: {
      azurerm_resource_group: { rg: { name: 'rg', location: 'westeurope' } },
      azurerm_virtual_network: {
        v: {
          name: 'vnet',
          resource_group_name: '${azurerm_resource_group.rg.name}',
          address_space: '${var.space}',
        },
      },
      azurerm_subnet: {
        web: {
          name: 'web',
          virtual_network_name: '${azurerm_virtual_network.v.name}',
          resource_group_name: '${var.group}',
          address_prefixes: ['10.0.1.0/24'],
        },
        data: [
          {
            name: 'data',
            virtual_network_name: '${azurerm_virtual_network.v.name}',
            address_prefixes: ['10.0.2.0/24'],
          },
        ],
      },
      azurerm_application_security_group: { g: { name: 'asg' } },
      azurerm_network_security_group: {
        n: {
          name: 'nsg',
          security_rule: [
            rule,
            {
              ...rule,
              name: 'more',
              priority: 200,
              source_address_prefix: null,
              source_application_security_group_ids: ['${azurerm_application_security_group.g.id}'],
            },
          ],
        },
      },
      azurerm_subnet_network_security_group_association: {
        a: {
          subnet_id: '${azurerm_subnet.web.id}',
          network_security_group_id: '${azurerm_network_security_group.n.id}',
        },
      },
      azurerm_network_interface: {
        vm: {
          name: 'vm-1',
          ip_configuration: {
            name: 'a',
            subnet_id: '${azurerm_subnet.data.id}',
            private_ip_address: '10.0.2.4',
          },
        },
      },
      azurerm_network_interface_security_group_association: {
        b: {
          network_interface_id: '${azurerm_network_interface.vm.id}',
          network_security_group_id: '${azurerm_network_security_group.n.id}',
        },
      },
      azurerm_network_interface_application_security_group_association: {
        c: {
          network_interface_id: '${azurerm_network_interface.vm.id}',
          application_security_group_id: '${azurerm_application_security_group.g.id}',
        },
      },
      ...changes,
    },
  });

  test('literals, references, variables and locals', () => {
    expect(importText({ 'main.tf.json': tf() })).toEqual({ configuration, problems: [] });
  });

  test('what only Terraform evaluates is named', () => {
    const groups = {
      azurerm_network_security_group: {
        n: {
          name: '${upper("nsg")}',
          security_rule: [
            { ...rule, destination_port_range: '${var.nowhere}', description: '$${text} %%{}' },
          ],
        },
        m: { name: 'm', count: 2 },
      },
    };
    const { problems } = importText({ 'main.tf.json': tf(groups) });
    const unknown = problems.filter((problem) => problem.includes('TerraformValueUnknown'));
    expect(unknown.map((problem) => problem.replace(/^\S+ \S+ /, '').replace(/;.*/, ''))).toEqual([
      '"${upper("nsg")}" is evaluated only by Terraform',
      '"${var.nowhere}" is evaluated only by Terraform',
      'azurerm_network_security_group.m: count is evaluated only by Terraform',
      '"${azurerm_network_security_group.n.id}" is evaluated only by Terraform',
    ]);
  });

  test('references in a circle end', () => {
    const circle = {
      azurerm_network_security_group: { n: { name: '${azurerm_network_security_group.n.name}' } },
    };
    expect(importText({ 'main.tf.json': tf(circle) }).problems.join('\n')).toContain(
      'evaluated only by Terraform',
    );
  });
});

test.each([
  ['main.tf', 'resource "azurerm_subnet" "a" {\n}', 'terraform show -json PLAN'],
  ['main.tf.txt', 'x', 'terraform show -json PLAN'],
  ['terraform.tfstate', '{}', 'terraform show -json > state.json'],
  [
    'state.json',
    '{\n  "version": 4,\n  "terraform_version": "1.9.5"}',
    'terraform show -json > state.json',
  ],
  ['main.bicep', 'param a string', 'az bicep build --file'],
  ['main.bicepparam', "using 'main.bicep'", 'az bicep build-params'],
])('%s is no file that is read, and what is instead', (name, text, way) => {
  expect(importText({ [name]: text }).problems).toEqual([
    expect.stringMatching(`^${name}:1:1: UnsupportedFileFormat: .*${way}`),
  ]);
});
