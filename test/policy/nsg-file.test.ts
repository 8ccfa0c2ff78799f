import * as fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readDocument } from '../../src/policy/document.ts';
import { readInlineGroup, readNsgFile } from '../../src/policy/nsg-file.ts';
import { ProblemList } from '../../src/policy/problem.ts';
import { sharedData } from '../helpers/shared-data.ts';
import { groupText, marked, placesOf } from './nsg-marked-text.ts';

const BODY = {
  priority: 100,
  direction: 'Inbound',
  access: 'Allow',
  protocol: 'Tcp',
  sourceAddressPrefix: 'Internet',
  sourceAddressPrefixes: [],
  sourcePortRange: '*',
  sourcePortRanges: [],
  destinationAddressPrefix: '*',
  destinationAddressPrefixes: [],
  destinationPortRanges: ['80', '8080-8090'],
};

const GROUP = 'Microsoft.Network/networkSecurityGroups';

const restRule = (name: string, changes: object = {}): object => ({
  name,
  id: `/x/securityRules/${name}`,
  etag: 'W/"1"',
  type: `${GROUP}/securityRules`,
  properties: { provisioningState: 'Succeeded', ...BODY, ...changes },
});

const DEFAULT_BODY = {
  ...BODY,
  protocol: '*',
  destinationPortRanges: [],
  destinationPortRange: '*',
};

const denyAllInBound = {
  name: 'DenyAllInBound',
  type: `${GROUP}/defaultSecurityRules`,
  properties: { ...DEFAULT_BODY, sourceAddressPrefix: '*', access: 'Deny', priority: 65500 },
};

const restGroup = (name: string, rules: object[] = [restRule('web')]): object => ({
  name,
  id: `/subscriptions/s/resourceGroups/g/providers/${GROUP}/${name}`,
  etag: 'W/"1"',
  type: GROUP,
  location: 'westeurope',
  tags: { team: 'a' },
  properties: {
    provisioningState: 'Succeeded',
    resourceGuid: '1',
    flushConnection: false,
    securityRules: rules,
    defaultSecurityRules: [denyAllInBound],
    networkInterfaces: [{ id: '/x' }],
    subnets: [{ id: '/y' }],
    flowLogs: [],
  },
});

const flatGroup = (name: string): object => ({
  additionalProperties: {},
  defaultSecurityRules: [
    {
      ...DEFAULT_BODY,
      additionalProperties: {},
      access: 'Allow',
      description: 'Allow outbound traffic from all VMs to Internet',
      destinationAddressPrefix: 'Internet',
      destinationApplicationSecurityGroups: null,
      direction: 'Outbound',
      etag: 'W/"1"',
      name: 'AllowInternetOutBound',
      priority: 65001,
      provisioningState: 'Succeeded',
      resourceGroup: 'g',
      sourceAddressPrefix: '*',
      type: `${GROUP}/defaultSecurityRules`,
    },
  ],
  etag: 'W/"1"',
  flushConnection: null,
  id: `/x/${name}`,
  location: 'westeurope',
  name,
  networkInterfaces: null,
  provisioningState: 'Succeeded',
  resourceGroup: 'g',
  resourceGuid: '1',
  securityRules: [
    {
      ...BODY,
      description: null,
      destinationPortRange: null,
      name: 'web',
      resourceGroup: 'g',
      type: `${GROUP}/securityRules`,
    },
  ],
  subnets: [],
  tags: null,
  type: GROUP,
});

const template = (parts: object): object => ({
  $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
  contentVersion: '1.0.0.0',
  ...parts,
});

const templateGroup = (
  name: string,
  rules: unknown = [{ name: 'web', properties: BODY }],
): object => ({
  type: GROUP,
  apiVersion: '2024-05-01',
  name,
  location: '[resourceGroup().location]',
  dependsOn: [],
  properties: { securityRules: rules },
});

const childRule = (name: string, changes: object = {}): object => ({
  type: `${GROUP}/securityRules`,
  apiVersion: '2024-05-01',
  name,
  dependsOn: ["[resourceId('Microsoft.Network/networkSecurityGroups', 'nsg1')]"],
  properties: { ...BODY, ...changes },
});

const read = (value: unknown, file = 'nsg.json') =>
  readNsgFile(JSON.stringify(value, null, 2), file);

/** `group: rule rule` of each group. */
const summaryOf = ({ groups }: ReturnType<typeof readNsgFile>): string[] =>
  groups.map(({ name, rules }) => `${name}: ${rules.map((rule) => rule.name).join(' ')}`);

describe('shapes of exports', () => {
  const vnet = {
    type: 'Microsoft.Network/virtualNetworks',
    name: 'v',
    properties: { x: '[reference()]' },
  };
  const rows: [name: string, value: unknown, summary: string[]][] = [
    ['REST answer', restGroup('nsg1'), ['nsg1: web']],
    [
      'REST list',
      { value: [restGroup('nsg1'), restGroup('nsg2')], nextLink: '' },
      ['nsg1: web', 'nsg2: web'],
    ],
    ['az network nsg show', flatGroup('nsg1'), ['nsg1: web']],
    ['az network nsg list', [flatGroup('nsg1'), flatGroup('nsg2')], ['nsg1: web', 'nsg2: web']],
    [
      'flat group without a type',
      { name: 'nsg1', securityRules: [{ name: 'r', ...BODY }] },
      ['nsg1: r'],
    ],
    ['ARM resource', templateGroup('nsg1'), ['nsg1: web']],
    [
      'ARM resource with child resources',
      { ...templateGroup('nsg1', []), resources: [childRule('r')] },
      ['nsg1: r'],
    ],
    ['group without rules', { name: 'nsg1' }, ['nsg1: ']],
    [
      'template',
      template({ resources: [vnet, templateGroup('nsg1'), templateGroup('nsg2')] }),
      ['nsg1: web', 'nsg2: web'],
    ],
    [
      'template with symbolic names',
      template({
        languageVersion: '2.0',
        resources: {
          a: vnet,
          b: templateGroup('nsg1'),
          c: { existing: true, type: GROUP, name: 'old' },
        },
      }),
      ['nsg1: web'],
    ],
    [
      'stand-alone rule, before its group and in another case',
      template({ resources: [childRule('NSG1/ssh', { priority: 200 }), templateGroup('nsg1')] }),
      ['nsg1: web ssh'],
    ],
    [
      'rule among the resources of its group',
      template({
        resources: [
          {
            ...templateGroup('nsg1'),
            resources: [{ ...childRule('ssh', { priority: 200 }), type: 'securityRules' }],
          },
        ],
      }),
      ['nsg1: web ssh'],
    ],
    [
      'each rule in its group and as a resource, as the portal exports',
      template({
        resources: [
          templateGroup('nsg1', [restRule('web', { destinationPortRanges: ['8080-8090', '80'] })]),
          childRule('nsg1/Web', {
            destinationPortRanges: ['80', '8080-8090'],
            protocol: 'TCP',
            sourceAddressPrefix: 'INTERNET',
          }),
        ],
      }),
      ['nsg1: web'],
    ],
    [
      'resource as az resource show prints it',
      {
        ...restGroup('nsg1'),
        extendedLocation: null,
        identity: null,
        kind: null,
        managedBy: null,
        plan: null,
        sku: null,
      },
      ['nsg1: web'],
    ],
    [
      'nested deployment',
      template({
        resources: [
          {
            type: 'Microsoft.Resources/deployments',
            name: 'd',
            properties: {
              mode: 'Incremental',
              template: template({ resources: [templateGroup('nsg1')] }),
            },
          },
        ],
      }),
      ['nsg1: web'],
    ],
    [
      'building blocks',
      {
        parameters: {
          buildingBlocks: {
            value: [
              { type: 'VirtualNetwork', settings: [{ name: 'v' }] },
              {
                type: 'NetworkSecurityGroup',
                settings: [
                  {
                    name: 'nsg1',
                    virtualNetworks: [],
                    securityRules: [
                      {
                        name: 'r',
                        ...BODY,
                        destinationPortRanges: undefined,
                        destinationPortRange: 3389,
                      },
                    ],
                  },
                ],
              },
              {
                type: 'Template',
                settings: { template: template({ resources: [templateGroup('nsg2')] }) },
              },
            ],
          },
        },
      },
      ['nsg1: r', 'nsg2: web'],
    ],
    [
      'other letter case',
      { NAME: 'nsg1', Properties: { SecurityRules: [{ Name: 'r', PROPERTIES: BODY }] } },
      ['nsg1: r'],
    ],
    [
      'default rules among the custom ones',
      { name: 'nsg1', securityRules: [restRule('web'), denyAllInBound] },
      ['nsg1: web'],
    ],
  ];
  it.each(rows)('%s', (_, value, summary) => {
    const reading = read(value);
    expect(reading.problems).toEqual([]);
    expect(summaryOf(reading)).toEqual(summary);
  });

  it('YAML as az -o yaml prints it', () => {
    const reading = readNsgFile(
      `- ${groupText({}).trim().replaceAll('\n', '\n  ')}\n`,
      'list.yaml',
    );
    expect(reading.problems).toEqual([]);
    expect(summaryOf(reading)).toEqual(['nsg1: web']);
  });

  it('id and flushConnection are kept', () => {
    const group = {
      ...restGroup('nsg1'),
      properties: { flushConnection: true, securityRules: [] },
    };
    expect(read(group).groups).toMatchObject([
      {
        name: 'nsg1',
        id: `/subscriptions/s/resourceGroups/g/providers/${GROUP}/nsg1`,
        flushConnection: true,
      },
    ]);
  });

  it('a resource that says otherwise than its group is a conflict', () => {
    const { problems } = read(
      template({
        resources: [templateGroup('nsg1'), childRule('nsg1/web', { access: 'Deny' })],
      }),
    );
    expect(problems.map(({ code }) => code)).toEqual([
      'DuplicateResourceName',
      'SecurityRuleConflict',
    ]);
  });

  it('a partial list is read with a warning', () => {
    const { text, marks } = marked(
      JSON.stringify({ value: [flatGroup('nsg1')], nextLink: 'MARK' }).replace(
        '"MARK"',
        '§"https://x"',
      ),
    );
    const { groups, problems } = readNsgFile(text, 'a.json');
    expect(placesOf(problems)).toEqual([`${marks[0]} PartialList`]);
    expect(problems[0]?.severity).toBe('warning');
    expect(groups).toHaveLength(1);
  });
});

describe('what cannot be read', () => {
  const rows: [name: string, file: string, source: string, codes: string[], message?: string][] = [
    ['Bicep', 'a.bicep', '§param x string', ['UnsupportedFileFormat'], 'az bicep build'],
    [
      'Bicep under another name',
      'a.txt',
      "§param x string = 'a'\nresource n 'y' = {",
      ['UnsupportedFileFormat'],
      'bicep',
    ],
    [
      'Terraform',
      'a.tf',
      '§resource "azurerm_x" "y" {',
      ['UnsupportedFileFormat'],
      'terraform show -json',
    ],
    ['Terraform state', 'a.tfstate', '§{}', ['UnsupportedFileFormat'], 'terraform show -json'],
    ['Terraform without groups', 'a.tf.json', '§{}', ['NoNetworkSecurityGroup']],
    [
      'Terraform under another name',
      'a.txt',
      '§# x\nresource "azurerm_x" "y" {\n}',
      ['UnsupportedFileFormat'],
    ],
    ['broken JSON', 'a.json', '{"name": "nsg1"§', ['InvalidJson']],
    ['text', 'a.yaml', '§just words', ['InvalidValue'], 'not text'],
    [
      'another resource',
      'a.json',
      '{"type": §"Microsoft.Network/virtualNetworks", "name": "v"}',
      ['InvalidValue'],
    ],
    ['template without groups', 'a.json', '§{"resources": []}', ['NoNetworkSecurityGroup']],
    ['empty list', 'a.json', '§[]', ['NoNetworkSecurityGroup']],
    [
      'list of rules',
      'a.json',
      '[§{"name": "r", "priority": 100, "direction": "Inbound"}]',
      ['InvalidValue'],
      'without their',
    ],
    ['list of words', 'a.json', '[§"a", §1]', ['InvalidValue', 'InvalidValue'], 'a map'],
    ['no name', 'a.json', '§{"securityRules": []}', ['SecurityGroupNameMissing']],
    ['bad name', 'a.json', '{"name": §"a/b"}', ['InvalidResourceName']],
    [
      'unknown key of a group',
      'a.json',
      '{"name": "a", §"securityRuels": []}',
      ['UnknownProperty'],
      '"securityRules"',
    ],
    [
      'unknown key in properties',
      'a.json',
      '{"name": "a", "properties": {§"x": 1}}',
      ['UnknownProperty'],
    ],
    [
      'rules that are no list',
      'a.json',
      '{"name": "a", "securityRules": §{}}',
      ['InvalidValue'],
      'a list',
    ],
    [
      'rule that is no map',
      'a.json',
      '{"name": "a", "securityRules": [§"x"]}',
      ['InvalidValue'],
      'a map',
    ],
    [
      'rules both flat and nested',
      'a.json',
      '{"name": "a", "securityRules": [1], "properties": {§"securityRules": [2]}}',
      ['DuplicateKey', 'InvalidValue'],
    ],
    [
      'flushConnection as text',
      'a.json',
      '{"name": "a", "flushConnection": §"yes"}',
      ['InvalidValue'],
      'true or false',
    ],
  ];
  it.each(rows)('%s', (_, file, source, codes, message = '') => {
    const { text, marks } = marked(source);
    const { problems } = readNsgFile(text, file);
    expect(problems.map(({ code }) => code).toSorted()).toEqual(codes.toSorted());
    for (const mark of marks) expect(placesOf(problems).join(' ')).toContain(`${mark} `);
    expect(problems[0]?.message).toContain(message);
  });

  const modified = (changes: object): object => ({
    ...denyAllInBound,
    properties: { ...denyAllInBound.properties, ...changes },
  });
  const defaults: [name: string, rule: object, codes: string[]][] = [
    ['an allowed DenyAll', modified({ access: 'Allow' }), ['DefaultSecurityRuleModified']],
    [
      'another source',
      modified({ sourceAddressPrefix: 'Internet' }),
      ['DefaultSecurityRuleModified'],
    ],
    ['another port', modified({ destinationPortRange: '80' }), ['DefaultSecurityRuleModified']],
    ['an unknown name', { ...denyAllInBound, name: 'MyDefault' }, ['DefaultSecurityRuleModified']],
    ['a priority of custom rules', modified({ priority: 100 }), ['SecurityRuleInvalidPriority']],
    ['ports as documentation prints them', modified({ destinationPortRange: '0-65535' }), []],
    ['name as documentation prints it', { ...denyAllInBound, name: 'DenyAllInbound' }, []],
  ];
  it.each(defaults)('default rule with %s', (_, rule, codes) => {
    const { problems } = read({ name: 'nsg1', defaultSecurityRules: [rule] });
    expect(problems.map(({ code }) => code)).toEqual(codes);
  });
});

const deployment = (scope: string | undefined, nested: object, passed: object = {}): object => ({
  type: 'Microsoft.Resources/deployments',
  name: 'd',
  properties: {
    mode: 'Incremental',
    parameters: passed,
    ...(scope === undefined ? {} : { expressionEvaluationOptions: { scope } }),
    template: template(nested),
  },
});

const chain = (count: number, link: (previous: string) => string): Record<string, string> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `v${index}`,
      index === 0 ? 'x' : link(`v${index - 1}`),
    ]),
  );

describe('template expressions', () => {
  /** What the source address becomes when it is `expression`. */
  const resolve = (expression: string, parts: { parameters?: object; variables?: object } = {}) => {
    const rules = [{ name: 'web', properties: { ...BODY, sourceAddressPrefix: expression } }];
    const reading = read(template({ ...parts, resources: [templateGroup('nsg1', rules)] }));
    const source = reading.groups[0]?.rules[0]?.source;
    const text =
      source?.kind === 'tag'
        ? source.tag
        : source?.kind === 'prefixes'
          ? source.prefixes[0]?.text
          : source?.kind;
    return { text, problems: reading.problems };
  };
  const parameters = {
    net: { type: 'string', defaultValue: '10.1.0.0' },
    indirect: { defaultValue: "[concat(parameters('net'), '/16')]" },
    flag: { type: 'bool', defaultValue: true },
    none: { type: 'string' },
    list: { defaultValue: ['10.2.0.0/16', '10.3.0.0/16'] },
    maybe: { type: 'string', nullable: true },
  };
  const variables = {
    cidr: "[parameters('indirect')]",
    nested: { Inner: ['a', { tag: 'Storage' }] },
    loop: "[variables('loop')]",
    size: 16,
  };

  const known: [expression: string, text: string][] = [
    ["[parameters('indirect')]", '10.1.0.0/16'],
    ["[ PARAMETERS( 'INDIRECT' ) ]", '10.1.0.0/16'],
    ["[variables('cidr')]", '10.1.0.0/16'],
    ["[variables('nested').inner[1].tag]", 'Storage'],
    ["[variables('nested')['inner'][1]['tag']]", 'Storage'],
    ["[parameters('list')[1]]", '10.3.0.0/16'],
    ["[concat(parameters('net'), '/', variables('size'))]", '10.1.0.0/16'],
    ["[format('{0}/{1}', parameters('net'), 16)]", '10.1.0.0/16'],
    ["[sys.concat('Inter', 'net')]", 'Internet'],
    ["[toLower('INTERNET')]", 'internet'],
    ["[if(parameters('flag'), 'Internet', parameters('none'))]", 'Internet'],
    ["[if(and(equals(1, 1), not(false())), 'Sql', 'x')]", 'Sql'],
    ["[if(or(empty(''), bool(parameters('none'))), 'Sql', 'x')]", 'Sql'],
    ["[if(greater(length(parameters('list')), 1), 'Sql', 'x')]", 'Sql'],
    ["[if(contains(parameters('list'), '10.2.0.0/16'), 'Sql', 'x')]", 'Sql'],
    ["[concat(createArray('Sql'), parameters('list'))[0]]", 'Sql'],
    ["[string('Sql')]", 'Sql'],
  ];
  it.each(known)('%s', (expression, text) => {
    expect(resolve(expression, { parameters, variables })).toEqual({ text, problems: [] });
  });

  const unknown: [expression: string, reason: string][] = [
    ["[parameters('none')]", 'the parameter "none" has no default value'],
    ["[parameters('nowhere')]", 'there is no parameter "nowhere"'],
    ["[variables('nowhere')]", 'the variable "nowhere" does not exist'],
    ["[variables('loop')]", 'refers to itself'],
    ["[variables('nested').outer]", 'there is no "outer"'],
    ["[parameters('list')[7]]", 'there is no "7"'],
    ["[reference('x').address]", 'reference() is evaluated only by Azure'],
    ['[resourceGroup().location]', 'resourcegroup() is evaluated only by Azure'],
    ["[concat('a', uniqueString('b'))]", 'uniquestring() is evaluated only by Azure'],
    ["[contoso.prefix('b')]", 'contoso.prefix() is evaluated only by Azure'],
    ["[concat('a'', 'b')]", 'not understood'],
    ['[10.0.0.0/8]', 'not understood'],
    ["[parameters('a') parameters('b')]", 'not understood'],
    [`[${'concat('.repeat(60)}'a'${')'.repeat(60)}]`, 'not understood'],
    ["[if('maybe', 'a', 'b')]", 'neither true nor false'],
    ["[int('x')]", 'no whole number'],
    ['[concat()[0]]', 'there is no "0"'],
    ["[format('{0:N}', 1)]", 'format is not understood'],
    ["[format('{3}', 1)]", 'too few arguments'],
  ];
  it.each(unknown)('%s', (expression, reason) => {
    const { text, problems } = resolve(expression, { parameters, variables });
    expect(text).toBeUndefined();
    expect(problems.map(({ code }) => code)).toEqual(['TemplateValueUnknown']);
    const [problem] = problems;
    expect(problem?.message).toContain(
      'resources[0].properties.securityRules[0].properties.sourceAddressPrefix: ',
    );
    expect(problem?.message).toContain(reason);
  });

  it('a null parameter is an absent value', () => {
    const { problems } = resolve("[parameters('maybe')]", { parameters });
    expect(problems.map(({ code }) => code)).toEqual(['SecurityRuleParametersMissing']);
  });

  it('rules and names may be expressions themselves', () => {
    const rules = "[concat(variables('base'), createArray(variables('ssh')))]";
    const reading = read(
      template({
        parameters,
        variables: {
          name: "[concat('nsg', '-', 'a')]",
          base: [{ name: 'web', properties: "[variables('body')]" }],
          body: BODY,
          ssh: { name: 'ssh', properties: { ...BODY, priority: 200 } },
        },
        resources: [
          templateGroup("[variables('name')]", rules),
          childRule("[concat(variables('name'), '/more')]", { priority: 300 }),
        ],
      }),
    );
    expect(reading.problems).toEqual([]);
    expect(summaryOf(reading)).toEqual(['nsg-a: web ssh more']);
  });

  it('resourceId gives an application security group its name', () => {
    const asgs = [
      { id: "[resourceId('Microsoft.Network/applicationSecurityGroups', variables('asg'))]" },
      { id: "[resourceId('rg', 'Microsoft.Network/applicationSecurityGroups', 'asg-b')]" },
    ];
    const rule = {
      name: 'r',
      properties: {
        ...BODY,
        sourceAddressPrefix: undefined,
        sourceApplicationSecurityGroups: asgs,
      },
    };
    const reading = read(
      template({ variables: { asg: 'asg-a' }, resources: [templateGroup('nsg1', [rule])] }),
    );
    expect(reading.problems).toEqual([]);
    expect(reading.groups[0]?.rules[0]?.source).toMatchObject({
      kind: 'asgs',
      asgs: [{ name: 'asg-a' }, { name: 'asg-b' }],
    });
  });

  it('conditions leave resources out', () => {
    const off = { condition: "[equals(parameters('flag'), false())]" };
    const reading = read(
      template({
        parameters,
        resources: [
          templateGroup('nsg1'),
          { ...templateGroup('nsg2'), ...off },
          { ...childRule('nsg1/x', { priority: 300 }), ...off },
        ],
      }),
    );
    expect(reading.problems).toEqual([]);
    expect(summaryOf(reading)).toEqual(['nsg1: web']);
  });

  it('an unknown description or location is no problem', () => {
    const rule = {
      name: 'r',
      properties: { ...BODY, description: "[concat('by ', parameters('none'))]" },
    };
    const reading = read(template({ parameters, resources: [templateGroup('nsg1', [rule])] }));
    expect(reading.problems).toEqual([]);
    expect(reading.groups[0]?.rules[0]?.description).toBe("[concat('by ', parameters('none'))]");
  });

  const nestedGroup = templateGroup("[parameters('name')]");

  it('a nested template sees the outer parameters, an inner one its own and those passed', () => {
    const outer = { name: { defaultValue: 'outer' } };
    const own = { name: { defaultValue: 'own' } };
    const nested = { parameters: own, resources: [nestedGroup] };
    const nameIn = (resource: object) => {
      const reading = read(
        template({ parameters: outer, variables: { v: 'pass' }, resources: [resource] }),
      );
      expect(reading.problems).toEqual([]);
      return reading.groups[0]?.name;
    };
    expect(nameIn(deployment(undefined, nested))).toBe('outer');
    expect(nameIn(deployment('inner', nested))).toBe('own');
    expect(
      nameIn(deployment('inner', nested, { name: { value: "[concat(variables('v'), 'ed')]" } })),
    ).toBe('passed');
  });

  it('what is passed unknown stays unknown, with its reason', () => {
    const nested = { parameters: { name: { type: 'string' } }, resources: [nestedGroup] };
    const resource = deployment('inner', nested, { name: { value: "[parameters('none')]" } });
    const { problems } = read(template({ parameters, resources: [resource] }));
    expect(problems.map(({ message }) => message)).toEqual([
      'resources[0].properties.template.resources[0].name: "[parameters(\'name\')]" cannot be known offline: the parameter "none" has no default value',
    ]);
  });

  const places: [name: string, resources: object[], path: string][] = [
    [
      'group copy',
      [{ ...templateGroup('nsg1'), copy: { name: 'c', count: "[parameters('none')]" } }],
      'resources[0].copy',
    ],
    [
      'property copy',
      [{ ...templateGroup('nsg1'), properties: { copy: [{ name: 'securityRules', count: 2 }] } }],
      'resources[0].properties.copy[0]',
    ],
    [
      'condition',
      [{ ...templateGroup('nsg1'), condition: "[parameters('none')]" }],
      'resources[0].condition',
    ],
    ['name', [templateGroup("[parameters('none')]")], 'resources[0].name'],
    [
      'rules',
      [templateGroup('nsg1', "[parameters('none')]")],
      'resources[0].properties.securityRules',
    ],
    [
      'rule',
      [templateGroup('nsg1', ["[parameters('none')]"])],
      'resources[0].properties.securityRules[0]',
    ],
    [
      'port in a list',
      [
        templateGroup('nsg1', [
          {
            name: 'r',
            properties: { ...BODY, destinationPortRanges: ['80', "[parameters('none')]"] },
          },
        ]),
      ],
      'resources[0].properties.securityRules[0].properties.destinationPortRanges[1]',
    ],
  ];
  it.each(places)('an unknown %s is named with its path, once', (_, resources, path) => {
    const { problems } = read(template({ parameters, resources }));
    expect(problems.map(({ code }) => code)).toEqual(['TemplateValueUnknown']);
    expect(problems[0]?.message.split(': ')[0]).toBe(path);
  });

  it('a rule whose group is elsewhere is refused', () => {
    const { problems } = read(template({ resources: [childRule('elsewhere/r', { priority: 1 })] }));
    expect(problems.map(({ code }) => code)).toEqual([
      'ParentResourceNotFound',
      'SecurityRuleInvalidPriority',
    ]);
    const short = read(template({ resources: [childRule('r')] }));
    expect(short.problems.map(({ code }) => code)).toEqual(['InvalidResourceName']);
  });

  it('hostile variables end in a problem, not in exhausted memory or stack', () => {
    const attacks = [
      chain(60, (previous) => `[concat(variables('${previous}'), variables('${previous}'))]`),
      chain(60, (previous) => `[createArray(variables('${previous}'), variables('${previous}'))]`),
      chain(
        60,
        (previous) => `[if(equals(variables('${previous}'), variables('${previous}')), 'a', 'b')]`,
      ),
      chain(20_000, (previous) => `[variables('${previous}')]`),
    ];
    for (const attack of attacks) {
      const last = `[variables('v${Object.keys(attack).length - 1}')]`;
      const { problems } = resolve(last, { variables: attack });
      expect(problems.map(({ code }) => code)).toEqual(['TemplateValueUnknown']);
    }
    const cycle = { a: ["[variables('a')]"] };
    expect(resolve("[contains(variables('a'), 'x')]", { variables: cycle }).problems).toHaveLength(
      1,
    );
  });
});

const inline = (text: string) => {
  const problems = new ProblemList();
  const { document } = readDocument(text, 'nsgd.yaml');
  const group = document && readInlineGroup(document.root, problems);
  return { group, problems: problems.sorted() };
};

describe('groups in a configuration', () => {
  it('are read by the same code', () => {
    const { group, problems } = inline(
      groupText({}).replace('securityRules', 'flushConnection: true\nsecurityRules'),
    );
    expect(problems).toEqual([]);
    expect(group).toMatchObject({ name: 'nsg1', flushConnection: true, rules: [{ name: 'web' }] });
    expect(group).toEqual({ ...group, position: { file: 'nsgd.yaml', line: 1, column: 7 } });
  });

  it('have no template around them', () => {
    const { problems } = inline(groupText({ sourceAddressPrefix: '"[parameters(\'x\')]"' }));
    expect(problems.map(({ code }) => code)).toEqual(['TemplateValueUnknown']);
  });
});

/** The value with what stands at a place, chosen by `choices`, replaced or left out. */
function mutate(value: unknown, choices: readonly number[], replacement: unknown): unknown {
  const [choice, ...rest] = choices;
  if (choice === undefined || typeof value !== 'object' || value === null) return replacement;
  const keys = Object.keys(value);
  const key = keys[choice % Math.max(1, keys.length)];
  if (key === undefined) return replacement;
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value)
    ? [...value]
    : { ...value };
  const target = copy as Record<string, unknown>;
  if (rest.length === 0 && choice % 3 === 0) delete target[key];
  else target[key] = mutate(target[key], rest, replacement);
  return copy;
}

describe('properties', () => {
  const seeds = [
    restGroup('nsg1'),
    { value: [flatGroup('nsg1')] },
    template({
      parameters: { p: { defaultValue: 'x' } },
      variables: { v: ['a'] },
      resources: [templateGroup("[parameters('p')]"), childRule('x/r')],
    }),
  ];
  const junk = fc.oneof(
    fc.constantFrom<unknown>(
      null,
      '',
      [],
      {},
      0,
      -1,
      true,
      '*',
      '[',
      '[]',
      "[variables('v')]",
      '::/0',
      '70000',
      GROUP,
    ),
    fc.jsonValue({ maxDepth: 2 }),
  );

  it('no mutation of an export throws, and what is read without errors has whole rules', () => {
    const mutation = fc.tuple(fc.array(fc.nat(40), { minLength: 1, maxLength: 8 }), junk);
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        (seed, mutations) => {
          const mutated = mutations.reduce<unknown>(
            (value, [path, replacement]) => mutate(value, path, replacement),
            seed,
          );
          const { groups, problems } = read(mutated);
          if (problems.every(({ severity }) => severity === 'warning'))
            expect(groups.length).toBeGreaterThan(0);
          for (const rule of groups.flatMap((group) => group.rules)) {
            expect(rule.priority).toBeGreaterThanOrEqual(100);
            for (const match of [rule.source, rule.destination]) {
              if (match.kind === 'prefixes') expect(match.prefixes.length).toBeGreaterThan(0);
              if (match.kind === 'asgs') expect(match.asgs.length).toBeGreaterThan(0);
            }
            for (const ports of [rule.sourcePorts, rule.destinationPorts])
              expect(ports.length).toBeGreaterThan(0);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('no cut or change of the text throws', () => {
    const text = JSON.stringify(seeds[2], null, 1);
    fc.assert(
      fc.property(
        fc.nat(text.length),
        fc.nat(20),
        fc.string({ maxLength: 3 }),
        (start, length, inserted) => {
          const changed = text.slice(0, start) + inserted + text.slice(start + length);
          expect(() => readNsgFile(changed, 'a.json')).not.toThrow();
        },
      ),
      { numRuns: 1000 },
    );
  });
});

const directory = sharedData('nsg');

const load = (name: string) => readNsgFile(readFileSync(join(directory ?? '', name), 'utf8'), name);

describe.skipIf(directory === undefined)('real files (needs ../shared/data)', () => {
  const loads: [file: string, groups: string[]][] = [
    ['azure-rest-recorded-empty-nsg.json', ['testResource: 0']],
    ['batfish-VM1-nsg.json', ['VM1-nsg: 3']],
    ['batfish-VM2-nsg.json', ['VM2-nsg: 0']],
    ['batfish-subnet-nsg.json', ['subnet-nsg: 5']],
    ['aznetsec-demo-lab-standard.json', ['SOC-NS-NSG-SPOKE1: 2', 'SOC-NS-NSG-SPOKE2: 2']],
    [
      'mspnp-secure-vnet-dmz.json',
      ['web-nsg: 4', 'biz-nsg: 3', 'data-nsg: 4', 'ra-bastion-nsg: 6'],
    ],
    ['quickstart-application-security-group.json', ['webNsg: 2']],
  ];
  it.each(loads)('%s loads', (file, summary) => {
    const { groups, problems } = load(file);
    expect(problems).toEqual([]);
    expect(groups.map(({ name, rules }) => `${name}: ${rules.length}`)).toEqual(summary);
  });

  const unknown: [file: string, paths: string[]][] = [
    ['quickstart-azure-bastion-nsg.json', ['resources[0].name']],
    [
      'checkov-nsg-1pass-1fail.json',
      [
        'resources[1].name',
        'resources[2].name',
        'resources[2].properties.destinationAddressPrefix',
      ],
    ],
  ];
  it.each(unknown)('%s says what cannot be known', (file, paths) => {
    const { problems } = load(file);
    expect(problems.map(({ message }) => message.split(': ')[0])).toEqual(paths);
    expect(new Set(problems.map(({ code }) => code))).toEqual(new Set(['TemplateValueUnknown']));
  });

  it('Bicep and Terraform are named as such, and no JSON file is left out above', () => {
    const listed = new Set([...loads, ...unknown].map(([file]) => file));
    for (const file of readdirSync(directory ?? '')) {
      if (listed.has(file) || file === 'SOURCES.md') continue;
      expect([file, load(file).problems.map(({ code }) => code)]).toEqual([
        file,
        ['UnsupportedFileFormat'],
      ]);
    }
  });
});
