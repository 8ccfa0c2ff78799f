import { describe, expect, test } from 'vitest';
import { importText } from '../../helpers/import-text.ts';
import { unmark } from '../../helpers/load-text.ts';

const SUBSCRIPTION = '/subscriptions/s1/resourceGroups';
const idOf = (type: string, name: string, resourceGroup = 'rg1'): string =>
  `${SUBSCRIPTION}/${resourceGroup}/providers/Microsoft.Network/${type}/${name}`;

const restRule = {
  name: 'AllowWeb',
  properties: {
    provisioningState: 'Succeeded',
    protocol: 'TCP',
    access: 'Allow',
    direction: 'Inbound',
    priority: 100,
    sourceAddressPrefix: 'Internet',
    sourceAddressPrefixes: [],
    sourcePortRange: '*',
    sourcePortRanges: [],
    destinationApplicationSecurityGroups: [{ id: idOf('applicationSecurityGroups', 'asg-web') }],
    destinationPortRanges: ['443', '8080'],
  },
};
const nsg = {
  name: 'nsg1',
  id: idOf('networkSecurityGroups', 'nsg1'),
  type: 'Microsoft.Network/networkSecurityGroups',
  location: 'westeurope',
  properties: {
    flushConnection: true,
    securityRules: [restRule],
    defaultSecurityRules: [],
    subnets: [{ id: 'x' }],
  },
};
const vnet = {
  name: 'vnet1',
  id: idOf('virtualNetworks', 'vnet1'),
  type: 'Microsoft.Network/virtualNetworks',
  properties: {
    addressSpace: { addressPrefixes: ['10.0.0.0/16', 'FD00:DB8::/48'] },
    flowTimeoutInMinutes: 10,
    enableDdosProtection: false,
    subnets: [
      {
        name: 'web',
        id: `${idOf('virtualNetworks', 'vnet1')}/subnets/web`,
        properties: {
          addressPrefix: '10.0.1.0/24',
          networkSecurityGroup: { id: idOf('networkSecurityGroups', 'NSG1') },
          ipConfigurations: [{ id: 'x' }],
        },
      },
    ],
    virtualNetworkPeerings: [
      {
        name: 'hub',
        properties: {
          peeringState: 'Connected',
          remoteVirtualNetwork: { id: idOf('virtualNetworks', 'hub') },
          remoteAddressSpace: { addressPrefixes: ['10.9.0.0/16'] },
        },
      },
      {
        name: 'closed',
        properties: {
          allowVirtualNetworkAccess: false,
          remoteVirtualNetwork: { id: idOf('virtualNetworks', 'x') },
        },
      },
    ],
  },
};
/** As `az network nic list` prints it: flat. */
const nic = {
  name: 'vm1-nic',
  id: idOf('networkInterfaces', 'vm1-nic'),
  type: 'Microsoft.Network/networkInterfaces',
  resourceGroup: 'rg1',
  macAddress: '00-0D-3A-92-6A-7C',
  networkSecurityGroup: null,
  enableIPForwarding: false,
  ipConfigurations: [
    {
      name: 'ipconfig1',
      primary: true,
      privateIpAddress: '10.0.1.5',
      privateIpAllocationMethod: 'Dynamic',
      applicationSecurityGroups: [
        { id: idOf('applicationSecurityGroups', 'ASG-WEB'), resourceGroup: 'rg1' },
      ],
      subnet: { id: `${idOf('virtualNetworks', 'VNET1')}/subnets/web`, resourceGroup: 'rg1' },
    },
    {
      name: 'ipconfig2',
      privateIpAddress: '10.0.1.4',
      applicationSecurityGroups: [{ id: idOf('applicationSecurityGroups', 'asg-web') }],
      subnet: { id: `${idOf('virtualNetworks', 'vnet1')}/subnets/web` },
    },
  ],
};
const asg = {
  name: 'asg-web',
  id: idOf('applicationSecurityGroups', 'asg-web'),
  type: 'Microsoft.Network/applicationSecurityGroups',
  properties: { provisioningState: 'Succeeded' },
};

const configuration = {
  virtualNetwork: {
    name: 'vnet1',
    addressSpace: ['10.0.0.0/16', 'fd00:db8::/48'],
    connectedAddressSpaces: ['10.9.0.0/16'],
    flowTimeoutInMinutes: 10,
    subnets: [{ name: 'web', addressPrefixes: ['10.0.1.0/24'], networkSecurityGroup: 'nsg1' }],
  },
  applicationSecurityGroups: [{ name: 'asg-web' }],
  networkSecurityGroups: [
    {
      name: 'nsg1',
      flushConnection: true,
      securityRules: [
        {
          name: 'AllowWeb',
          priority: 100,
          direction: 'Inbound',
          access: 'Allow',
          protocol: 'Tcp',
          sourceAddressPrefix: 'Internet',
          sourcePortRange: '*',
          destinationApplicationSecurityGroups: ['asg-web'],
          destinationPortRanges: ['443', '8080'],
        },
      ],
    },
  ],
  networkInterfaces: [
    {
      name: 'vm1-nic',
      subnet: 'web',
      addresses: ['10.0.1.4', '10.0.1.5'],
      applicationSecurityGroups: ['asg-web'],
      macAddress: '00-0D-3A-92-6A-7C',
    },
  ],
};

describe('answers of the REST API and az', () => {
  test('in files of their own are joined by id', () => {
    const files = {
      'nsg.json': nsg,
      'vnet.json': { value: [vnet] },
      'nic.json': [nic],
      'asg.json': asg,
    };
    expect(importText(files)).toEqual({ configuration, problems: [] });
  });

  test('in one list, in another order, without types', () => {
    const untyped = [nic, asg, vnet, nsg].map((resource) => ({ ...resource, type: undefined }));
    expect(importText({ 'all.json': untyped })).toEqual({ configuration, problems: [] });
  });

  test('subnets and rules as az lists them', () => {
    const { subnets, ...others } = vnet.properties;
    const bare = { ...vnet, properties: others };
    const group = { ...nsg, properties: { flushConnection: true, securityRules: [] } };
    const rules = [{ ...restRule, id: `${nsg.id}/securityRules/AllowWeb` }];
    const files = {
      'a.json': [bare, group, nic, asg],
      'subnets.json': subnets,
      'rules.json': rules,
    };
    expect(importText(files)).toEqual({ configuration, problems: [] });
  });

  test('of one name in two resource groups stay apart', () => {
    const other = {
      ...nsg,
      id: idOf('networkSecurityGroups', 'nsg1', 'rg2'),
      properties: { securityRules: [] },
    };
    const own = { ...nic, networkSecurityGroup: { id: other.id } };
    const result = importText({ 'all.json': [nsg, other, vnet, own, asg] });
    expect(result.problems).toEqual([
      expect.stringContaining(
        'ResourceRenamed: warning: there are two network security groups "nsg1"; this one is called "nsg1_rg2" here',
      ),
    ]);
    expect(result.configuration).toMatchObject({
      networkSecurityGroups: [{ name: 'nsg1' }, { name: 'nsg1_rg2', securityRules: [] }],
      networkInterfaces: [{ networkSecurityGroup: 'nsg1_rg2' }],
    });
  });
});

describe('what is not in the files', () => {
  const codesOf = (files: Record<string, unknown>, options = {}): string[] =>
    importText(files, options).problems.map((problem) => problem.split(': ')[1] ?? '');

  test('is asked for', () => {
    expect(codesOf({ 'a.json': [vnet, nic, asg] })).toEqual(['InvalidResourceReference']);
    expect(codesOf({ 'a.json': [nsg, nic, asg] })).toEqual(['InvalidResourceReference']);
    expect(importText({ 'a.json': [nsg, vnet, nic] })).toEqual({ configuration, problems: [] });
    expect(codesOf({ 'a.json': [{ ...asg, type: 'Microsoft.Web/sites', id: undefined }] })).toEqual(
      ['NoResource'],
    );
    const { remoteAddressSpace: _, ...remote } =
      vnet.properties.virtualNetworkPeerings[0]?.properties ?? {};
    const unseen = {
      ...vnet,
      properties: {
        ...vnet.properties,
        virtualNetworkPeerings: [{ name: 'hub', properties: remote }],
      },
    };
    expect(codesOf({ 'a.json': [nsg, unseen, nic] })).toEqual(['PeeredNetworkUnknown']);
    const hub = {
      ...vnet,
      name: 'hub',
      id: idOf('virtualNetworks', 'hub'),
      properties: { addressSpace: { addressPrefixes: ['10.9.0.0/16'] } },
    };
    expect(importText({ 'a.json': [nsg, unseen, nic, hub] }, { virtualNetwork: 'VNET1' })).toEqual({
      configuration,
      problems: [],
    });
  });

  test('a network must be chosen when there are several', () => {
    const hub = { ...vnet, name: 'hub', id: idOf('virtualNetworks', 'hub') };
    const files = { 'a.json': [nsg, vnet, hub, nic] };
    expect(importText(files).problems).toEqual([
      expect.stringContaining('choose with --virtual-network: vnet1, hub'),
    ]);
    expect(codesOf(files, { virtualNetwork: 'hub' })).toEqual([
      'NoNetworkInterface',
      'NetworkInterfaceLeftOut',
    ]);
    expect(importText(files, { virtualNetwork: 'vnet2' }).problems).toEqual([
      expect.stringContaining('there is no virtual network "vnet2" in the files; they have vnet1'),
    ]);
  });

  test('addresses that Azure assigns', () => {
    const parts = nic.ipConfigurations.map((part) => ({ ...part, privateIpAddress: null }));
    const inGroup = { ...nic, ipConfigurations: parts };
    expect(codesOf({ 'a.json': [nsg, vnet, inGroup] })).toEqual(['MissingAddresses']);
    const outside = {
      ...nic,
      ipConfigurations: parts.map((part) => ({ ...part, applicationSecurityGroups: null })),
    };
    expect(codesOf({ 'a.json': [nsg, vnet, outside] })).toEqual(['AddressUnknown']);
    const addresses = new Map([['vm1-nic', ['10.0.1.5', '10.0.1.4']]]);
    expect(importText({ 'a.json': [nsg, vnet, inGroup] }, { addresses })).toEqual({
      configuration,
      problems: [],
    });
    const wrong = new Map([['vm1-nik', ['10.0.1.5']]]);
    expect(codesOf({ 'a.json': [nsg, vnet, nic] }, { addresses: wrong })).toEqual([
      'NetworkInterfaceNotFound',
    ]);
  });

  test('a group alone gets an interface to be asked through, and says so', () => {
    const rules = [
      {
        ...restRule.properties,
        name: 'a',
        destinationApplicationSecurityGroups: null,
        destinationAddressPrefix: '*',
      },
    ];
    const result = importText({ 'a.json': { name: 'nsg1', securityRules: rules } });
    expect(result.problems).toEqual([
      '(import):1:1: NoNetworkInterface: warning: no network interface is in the files; added for evaluation: nsg1-nic',
    ]);
    expect(result.configuration).toMatchObject({
      networkInterfaces: [{ name: 'nsg1-nic', networkSecurityGroup: 'nsg1' }],
    });
  });
});

describe('what is wrong', () => {
  const problemsAt = (marked: string): { found: readonly string[]; expected: string[] } => {
    const { text, places } = unmark(marked, 'a.json');
    const found = importText({ 'a.json': text }).problems.map((problem) =>
      problem.replace(/: warning: .*|: [^:]*$/, ''),
    );
    return {
      found: found.map((problem) => problem.split(': ').slice(0, 2).join(': ')),
      expected: places,
    };
  };
  const rows: [name: string, text: string, codes: string[]][] = [
    [
      'no address space',
      '[{"type": "Microsoft.Network/virtualNetworks", "name": ^"v", "properties": {"subnets": []}}]',
      ['InvalidValue'],
    ],
    [
      'a subnet outside',
      '[{"name": "v", "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": [{"name": ^"s", "addressPrefix": "10.1.0.0/24"}]}]',
      ['NetcfgSubnetRangeOutsideVnet'],
    ],
    [
      'a prefix that is none',
      '[{"name": ^"v", "addressSpace": {"addressPrefixes": ["10.0.0.1/16"]}}]',
      ['InvalidCIDRNotation'],
    ],
    [
      'a name that is none',
      '[{"name": ^"v/w", "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}]',
      ['InvalidResourceName'],
    ],
    ['no name', '[^{"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}]', ['MissingProperty']],
    [
      'addresses that are no list',
      '[{"name": "v", "addressSpace": {"addressPrefixes": ^"10.0.0.0/16"}}]',
      ['InvalidValue'],
    ],
    [
      'subnets that are no list',
      '[{"name": "v", "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": ^{}}]',
      ['InvalidValue'],
    ],
    [
      'rule of nobody',
      '[{"name": "a", "securityRules": []}, ^{"type": "Microsoft.Network/networkSecurityGroups/securityRules", "name": "r"}]',
      ['MissingProperty', 'SecurityRuleParametersMissing'],
    ],
    [
      'two groups of one id',
      '[{"name": "a", "securityRules": []}, {"name": ^"a", "securityRules": [{"name": "r", "priority": 100, "direction": "Inbound", "access": "Allow", "protocol": "*", "sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": "*"}]}]',
      ['DuplicateResource'],
    ],
    [
      'unknown tag',
      '[{"name": "a", "securityRules": [{"name": "r", "priority": 100, "direction": "Inbound", "access": "Allow", "protocol": "*", "sourceAddressPrefix": "Nowhere", "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": "*"}]}]',
      ['SecurityRuleInvalidAddressPrefix'],
    ],
  ];
  test.each(rows)('%s', (name, text, codes) => {
    const { found: all, expected } = problemsAt(text);
    const errors = all.filter((problem) => !problem.startsWith('(import)'));
    const found = [...new Set(errors.map((problem) => problem.split(': ')[1]))];
    expect(found).toEqual(codes);
    if (name !== 'unknown tag' && name !== 'rule of nobody') {
      expect(errors.map((problem) => problem.split(': ')[0])).toEqual(expected);
    }
  });

  test('IP configurations that differ', () => {
    const [first, second] = nic.ipConfigurations;
    const differing = {
      ...nic,
      ipConfigurations: [first, { ...second, applicationSecurityGroups: [] }],
    };
    expect(importText({ 'a.json': [nsg, vnet, differing] }).problems).toEqual([
      expect.stringContaining('ApplicationSecurityGroupsDiffer'),
    ]);
  });
});
