import { describe, expect, test } from 'vitest';
import { importText } from '../../helpers/import-text.ts';

const NETWORK = 'Microsoft.Network';
const rule = (priority: unknown, changes: object = {}): object => ({
  priority,
  direction: 'Inbound',
  access: 'Allow',
  protocol: 'Tcp',
  sourceAddressPrefix: '*',
  sourcePortRange: '*',
  destinationAddressPrefix: '*',
  destinationPortRange: '22',
  ...changes,
});
const named = (name: unknown, priority: unknown, changes: object = {}): object => ({
  name,
  properties: rule(priority, changes),
});
const group = (name: unknown, securityRules: unknown, others: object = {}): object => ({
  type: `${NETWORK}/networkSecurityGroups`,
  apiVersion: '2023-09-01',
  name,
  properties: { securityRules },
  ...others,
});
const network = (subnets: unknown, others: object = {}): object => ({
  type: `${NETWORK}/virtualNetworks`,
  apiVersion: '2023-09-01',
  name: 'vnet',
  properties: { addressSpace: { addressPrefixes: ['10.0.0.0/16'] }, subnets, ...others },
});
const nic = (name: unknown, subnetId: unknown, address: unknown, others: object = {}): object => ({
  type: `${NETWORK}/networkInterfaces`,
  apiVersion: '2023-09-01',
  name,
  properties: {
    ipConfigurations: [
      { name: 'a', properties: { privateIPAddress: address, subnet: { id: subnetId } } },
    ],
    ...others,
  },
});
const template = (resources: unknown, others: object = {}): object => ({
  $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
  contentVersion: '1.0.0.0',
  ...others,
  resources,
});
const groupId = (name: string): object => ({
  id: `[resourceId('${NETWORK}/networkSecurityGroups', ${name})]`,
});
const SUBNET_ID = `[resourceId('${NETWORK}/virtualNetworks/subnets', 'vnet', 'web')]`;

interface Sections {
  readonly networkSecurityGroups?: readonly {
    name: string;
    securityRules: readonly Record<string, unknown>[];
  }[];
  readonly networkInterfaces?: readonly Record<string, unknown>[];
}

/** `group: rule@priority ...` of each group. */
const groupsOf = (resources: unknown, others: object = {}, parameters: string[] = []): string[] => {
  const { configuration, problems } = importText(
    { 'template.json': template(resources, others) },
    { parameters },
  );
  const { networkSecurityGroups = [] } = (configuration ?? {}) as Sections;
  const groups = networkSecurityGroups.map(({ name, securityRules }) =>
    [
      `${name}:`,
      ...securityRules.map((item) => `${String(item['name'])}@${String(item['priority'])}`),
    ].join(' '),
  );
  return [...groups, ...problems.filter((problem) => !problem.includes('NoNetworkInterface'))];
};

describe('loops', () => {
  test('of a resource, with its own index and an offset', () => {
    const resource = group(
      "[concat('nsg', copyIndex(1))]",
      [named('ssh', '[add(100, copyIndex())]')],
      {
        copy: { name: 'groups', count: "[length(parameters('tiers'))]" },
      },
    );
    expect(groupsOf([resource], { parameters: { tiers: { defaultValue: ['a', 'b'] } } })).toEqual([
      'nsg1: ssh@100',
      'nsg2: ssh@101',
    ]);
  });

  test('of properties, within a loop of resources', () => {
    const loop = {
      name: 'securityRules',
      count: 2,
      input: {
        name: "[format('r{0}-{1}', copyIndex(), copyIndex('securityRules'))]",
        properties: rule("[add(100, copyIndex('securityRules'))]"),
      },
    };
    const resource = {
      ...group("[concat('nsg', copyIndex())]", []),
      properties: { copy: [loop] },
      copy: { name: 'all', count: 2 },
    };
    expect(groupsOf([resource])).toEqual(['nsg0: r0-0@100 r0-1@101', 'nsg1: r1-0@100 r1-1@101']);
  });

  test('of variables, alone and in an object', () => {
    const input = {
      name: "[concat('r', copyIndex('rules'))]",
      properties: rule("[add(200, copyIndex('rules'))]"),
    };
    const variables = { copy: [{ name: 'rules', count: 2, input }], own: { copy: [{ name: 'rules', count: 1, input }] } }; // prettier-ignore
    expect(
      groupsOf([group('a', "[variables('rules')]"), group('b', "[variables('own').rules]")], {
        variables,
      }),
    ).toEqual(['a: r0@200 r1@201', 'b: r0@200']);
  });

  test('that go round no times, too often or unknown times', () => {
    const loop = (count: unknown): object =>
      group("[concat('g', copyIndex())]", [], { copy: { name: 'c', count } });
    expect(groupsOf([loop(0), group('only', [])])).toEqual(['only:']);
    expect(groupsOf([loop(801)])[0]).toContain('goes round 801 times, not 0 to 800');
    expect(
      groupsOf([loop("[parameters('n')]")], { parameters: { n: { type: 'int' } } })[0],
    ).toContain(
      'resources[0].copy: the copy loop cannot be known offline: the parameter "n" has no default value',
    );
  });
});

describe('references', () => {
  const subnets = [{ name: 'web', properties: { addressPrefix: '10.0.1.0/24', networkSecurityGroup: groupId("'nsg'") } }]; // prettier-ignore
  const subnetOf = (resources: unknown, others: object = {}): unknown => {
    const { configuration, problems } = importText({ 't.json': template(resources, others) });
    return problems.length > 0
      ? problems
      : ((configuration ?? {}) as Sections).networkInterfaces?.map((item) => item['subnet']);
  };

  test('to a subnet of another resource by reference()', () => {
    const list = [group('nsg', []), network(subnets)];
    for (const name of ["'vnet'", `resourceId('${NETWORK}/virtualNetworks', 'vnet')`]) {
      const id = `[reference(${name}).subnets[0].id]`;
      expect(subnetOf([...list, nic('vm', id, '10.0.1.4')])).toEqual(['web']);
    }
  });

  test('by symbolic name, as newer Bicep builds it', () => {
    const resources = {
      nsg: group('nsg', []),
      shared: { existing: true, type: `${NETWORK}/networkSecurityGroups`, name: 'elsewhere' },
      net: network([
        {
          name: 'web',
          properties: {
            addressPrefix: '10.0.1.0/24',
            networkSecurityGroup: { id: "[resourceInfo('nsg').id]" },
          },
        },
      ]),
      nics: {
        ...nic("[concat('vm', copyIndex())]", "[reference('net').subnets[0].id]", "[concat('10.0.1.', add(copyIndex(), 4))]"), // prettier-ignore
        copy: { name: 'nics', count: 2 },
      },
    };
    expect(subnetOf(resources, { languageVersion: '2.0' })).toEqual(['web', 'web']);
  });

  test("to a module's output, and into it", () => {
    const inner = template([group("[parameters('name')]", [named('ssh', 100)])], {
      parameters: { name: { type: 'string' } },
      outputs: {
        id: {
          type: 'string',
          value: `[resourceId('${NETWORK}/networkSecurityGroups', parameters('name'))]`,
        },
      },
    });
    const module = {
      type: 'Microsoft.Resources/deployments',
      apiVersion: '2022-09-01',
      name: 'nsgModule',
      properties: {
        expressionEvaluationOptions: { scope: 'inner' },
        mode: 'Incremental',
        parameters: { name: { value: 'nsg-inner' } },
        template: inner,
      },
    };
    const id =
      "[reference(resourceId('Microsoft.Resources/deployments', 'nsgModule'), '2022-09-01').outputs.id.value]";
    const web = {
      name: 'web',
      properties: { addressPrefix: '10.0.1.0/24', networkSecurityGroup: { id } },
    };
    const { configuration, problems } = importText({
      't.json': template([module, network([web]), nic('vm', SUBNET_ID, '10.0.1.4')]),
    });
    expect(problems).toEqual([]);
    expect(configuration).toMatchObject({
      virtualNetwork: { subnets: [{ name: 'web', networkSecurityGroup: 'nsg-inner' }] },
      networkSecurityGroups: [{ name: 'nsg-inner', securityRules: [{ name: 'ssh' }] }],
    });
  });

  test('of a linked template are said to be elsewhere', () => {
    const link = {
      type: 'Microsoft.Resources/deployments',
      name: 'd',
      properties: { templateLink: { uri: 'https://x' } },
    };
    expect(groupsOf([link, group('nsg', [])])).toEqual([
      'nsg:',
      expect.stringContaining('LinkedTemplateNotRead: warning: '),
    ]);
  });
});

describe('functions', () => {
  const texts: [expression: string, text: string][] = [
    ["replace('a-b-c', '-', '_')", 'a_b_c'],
    ["join(split('a,b', ','), '-')", 'a-b'],
    ["first(skip(createArray('a', 'b', 'c'), 1))", 'b'],
    ["last(take(createArray('a', 'b', 'c'), 2))", 'b'],
    ["concat(substring('nsg-web', 4), padLeft(7, 3, '0'))", 'web007'],
    ["toUpper(trim(' a '))", 'A'],
    ["coalesce(null(), tryGet(createObject('a', 'b'), 'x'), 'c')", 'c'],
    ["tryGet(createObject('a', createObject('b', 'c')), 'a', 'b')", 'c'],
    ["union(createObject('a', 'x'), createObject('a', 'y')).a", 'y'],
    ["shallowMerge(createArray(createObject('a', 'x'), createObject('b', 'y'))).b", 'y'],
    ["join(map(range(1, 3), lambda('n', mul(lambdaVariables('n'), 2))), '')", '246'],
    [
      "join(filter(createArray('a', 'b'), lambda('x', not(equals(lambdaVariables('x'), 'a')))), '')",
      'b',
    ],
    ["items(createObject('z', '1', 'a', '2'))[0].key", 'a'],
    ['json(\'{"a": ["b"]}\').a[0]', 'b'],
    ['string(max(1, min(createArray(5, 3))))', '3'],
    ["if(startsWith('nsg-a', 'NSG'), 'yes', 'no')", 'yes'],
    ["string(indexOf('abc', 'C'))", '2'],
    ["contoso.prefixed('a')", 'nsg-a'],
    ["replace(replace(cidrSubnet('10.0.0.0/16', 24, 3), '/', '_'), '.', '-')", '10-0-3-0_24'],
    ["replace(cidrHost('10.0.0.0/24', 3), '.', '-')", '10-0-0-4'],
    ["string(length(flatten(createArray(createArray('a'), createArray('b', 'c')))))", '3'],
    ["join(intersection(createArray('a', 'b'), createArray('b')), '')", 'b'],
  ];
  const functions = [
    {
      namespace: 'contoso',
      members: {
        prefixed: {
          parameters: [{ name: 'name', type: 'string' }],
          output: { type: 'string', value: "[concat('nsg-', parameters('name'))]" },
        },
      },
    },
  ];
  test.each(texts)('%s', (expression, text) => {
    expect(groupsOf([group(`[${expression}]`, [])], { functions })).toEqual([`${text}:`]);
  });

  const refusals: [expression: string, reason: string][] = [
    ["substring('abc', 2, 5)", 'is not in the text'],
    ["cidrSubnet('10.0.0.0/16', 8, 0)", 'is not in the network'],
    ["cidrSubnet('10.0.0.0/16', 24, 256)", 'is not in the network'],
    ["cidrHost('10.0.0.0/30', 4)", 'is not in the network'],
    ['string(div(1, 0))', 'out of range'],
    ["json('{')", 'is no JSON'],
    ['first(1, 2).x', 'there is no "x"'],
    ["map('a', lambda('x', 'y'))", 'do not fit together'],
    ["lambdaVariables('x')", 'there is no lambda variable "x"'],
    ["concat('g', copyIndex())", 'outside its loop'],
    ["join(range(0, 20000), '')", 'too long'],
    ["padLeft('a', 2000)", 'too long'],
    ["uniqueString('x')", 'evaluated only by Azure'],
  ];
  test.each(refusals)('%s is refused', (expression, reason) => {
    const [problem, ...others] = groupsOf([group(`[${expression}]`, [])]);
    expect([problem, ...others]).toEqual([expect.stringContaining('TemplateValueUnknown')]);
    expect(problem).toContain(reason);
  });

  test('doubled brackets are text', () => {
    const rules = [named('r', 100, { description: '[[not an expression]' })];
    const { configuration } = importText({ 't.json': template([group('nsg', rules)]) });
    expect((configuration as Sections).networkSecurityGroups?.[0]?.securityRules[0]).toMatchObject({
      description: '[not an expression]',
    });
  });
});

describe('parameters', () => {
  const parameters = { name: { type: 'string' }, first: { type: 'int', defaultValue: 100 }, rules: { type: 'array', defaultValue: [] } }; // prettier-ignore
  const resources = [group("[parameters('name')]", "[concat(parameters('rules'), createArray(createObject('name', 'a', 'properties', variables('body'))))]")]; // prettier-ignore
  const variables = { body: rule("[parameters('first')]") };
  const run = (sources: string[], file?: unknown): string[] => {
    const { configuration, problems } = importText(
      { 't.json': template(resources, { parameters, variables }) },
      { parameters: sources, others: { 'p.json': JSON.stringify(file, null, 1) } },
    );
    const groups = (configuration as Sections | undefined)?.networkSecurityGroups ?? [];
    return [
      ...groups.map(
        ({ name, securityRules }) =>
          `${name} ${securityRules.map((item) => item['priority']).join(' ')}`,
      ),
      ...problems.filter((problem) => !problem.includes('NoNetworkInterface')),
    ];
  };
  const body = { $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#', contentVersion: '1.0.0.0' }; // prettier-ignore

  test('from a file, and one by one, the later winning', () => {
    expect(
      run(['p.json'], { ...body, parameters: { name: { value: 'nsg' }, first: { value: 300 } } }),
    ).toEqual(['nsg 300']);
    expect(run(['p.json', 'first=400'], { name: 'plain' })).toEqual(['plain 400']);
    expect(run(['name=x', `rules=${JSON.stringify([named('b', 101)])}`])).toEqual(['x 101 100']);
  });

  test('that are missing, secret or unknown', () => {
    expect(run([])).toEqual([expect.stringContaining('the parameter "name" has no default value')]);
    const secret = { ...body, parameters: { name: { reference: { keyVault: { id: '/x' } } } } };
    expect(run(['p.json'], secret)).toEqual([expect.stringContaining('a secret of a key vault')]);
    expect(run(['name=x', 'fist=1'])).toEqual([
      '--parameters:1:1: UnknownParameter: no template has a parameter "fist"; did you mean first?',
    ]);
    expect(run(['q.json', 'name=x'])).toEqual([
      expect.stringContaining('q.json:1:1: FileNotReadable'),
    ]);
  });
});

describe('resources within and beside others', () => {
  test('subnets, rules and peerings as children and alone', () => {
    const resources = [
      group('nsg', []),
      {
        type: `${NETWORK}/networkSecurityGroups/securityRules`,
        name: 'nsg/alone',
        properties: rule(200),
      },
      {
        ...network([]),
        resources: [{ type: 'subnets', name: 'web', properties: { addressPrefix: '10.0.1.0/24' } }],
      },
      {
        type: `${NETWORK}/virtualNetworks/subnets`,
        name: 'vnet/data',
        properties: { addressPrefixes: ['10.0.2.0/24'], networkSecurityGroup: groupId("'nsg'") },
      },
      {
        type: `${NETWORK}/virtualNetworks/virtualNetworkPeerings`,
        name: 'vnet/to-hub',
        properties: {
          remoteVirtualNetwork: { id: '/x/hub' },
          remoteAddressSpace: { addressPrefixes: ['10.9.0.0/16'] },
        },
      },
      nic('vm', SUBNET_ID, '10.0.1.4'),
    ];
    const { configuration, problems } = importText({ 't.json': template(resources) });
    expect(problems).toEqual([]);
    expect(configuration).toMatchObject({
      virtualNetwork: {
        name: 'vnet',
        connectedAddressSpaces: ['10.9.0.0/16'],
        subnets: [
          { name: 'web', addressPrefixes: ['10.0.1.0/24'] },
          { name: 'data', addressPrefixes: ['10.0.2.0/24'], networkSecurityGroup: 'nsg' },
        ],
      },
      networkSecurityGroups: [{ name: 'nsg', securityRules: [{ name: 'alone', priority: 200 }] }],
      networkInterfaces: [{ name: 'vm', subnet: 'web', addresses: ['10.0.1.4'] }],
    });
  });

  test('what nsgd has nothing for is said', () => {
    const scaleSet = {
      type: 'Microsoft.Compute/virtualMachineScaleSets',
      name: 's',
      properties: {},
    };
    const routed = network([
      { name: 'web', properties: { addressPrefix: '10.0.1.0/24', routeTable: { id: '/x' } } },
    ]);
    const { problems } = importText({
      't.json': template([scaleSet, routed, nic('vm', SUBNET_ID, '10.0.1.4')]),
    });
    expect(problems.map((problem) => problem.split(': ')[1])).toEqual([
      'UnsupportedResource',
      'RouteTableNotRead',
    ]);
  });

  test('a subnet whose network is elsewhere is refused', () => {
    const subnet = {
      type: `${NETWORK}/virtualNetworks/subnets`,
      name: 'hub/a',
      properties: { addressPrefix: '10.0.0.0/24' },
    };
    const { problems } = importText({ 't.json': template([subnet]) });
    expect(problems).toEqual([
      expect.stringContaining('ParentResourceNotFound: its virtual network "hub"'),
    ]);
  });
});
