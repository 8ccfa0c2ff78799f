/**
 * The shape of the configuration file, as zod schemas: what is checked here is what one value can say about itself.
 * What values say about each other is checked in configuration.ts and configuration-network.ts.
 */
import { z } from 'zod';
import { isResourceName, resourceNameMessage } from './names.ts';
import type { SubscriptionType } from './platform-rules.ts';
import { SMTP_ALLOWED } from './platform-rules.ts';
import { quote } from './problem.ts';
import {
  controlSchema,
  flowLogsSchema,
  flowTableSchema,
  linkSchema,
  logsSchema,
  metricsSchema,
  oneOf,
  runtimeDirectorySchema,
  stateDirectorySchema,
  tcpSchema,
} from './settings.ts';

const SUBSCRIPTION_TYPES = Object.keys(SMTP_ALLOWED) as [SubscriptionType, ...SubscriptionType[]];
const INTERFACE_NAME = /^(?!\.{1,2}$)[A-Za-z0-9_.:-]{1,15}$/;
const TAG_NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,79}$/;
const MAC_ADDRESS = /^[0-9A-Fa-f]{2}([-:]?)[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}$/;

const resourceName = z.string().refine(isResourceName, {
  error: (issue) => resourceNameMessage(quote(String(issue.input))),
  params: { code: 'InvalidResourceName' },
});

/** Another resource by name, or as Azure writes it: `{ id: ".../networkSecurityGroups/NSG1" }`. */
const reference = z.union([z.string().min(1), z.looseObject({ id: z.string().min(1) })], {
  error: 'must be a name or { id: ".../name" }',
});

const prefix = z.string({ error: 'must be a prefix such as 10.0.0.0/16' });
const address = z.string({ error: 'must be an IP address' });

export const subnetSchema = z.strictObject({
  name: resourceName.describe('Name of the subnet'),
  addressPrefix: prefix.optional().describe('The prefix of a subnet that has one'),
  addressPrefixes: z.array(prefix).optional().describe('The prefixes of the subnet'),
  networkSecurityGroup: reference.optional().describe('The group of the subnet; none allows all'),
});

export const virtualNetworkSchema = z.strictObject({
  name: resourceName.optional().describe('Name of the network, for people'),
  addressSpace: z
    .array(prefix)
    .min(1, { error: 'must hold at least one prefix' })
    .describe('All prefixes of the network, part of the VirtualNetwork tag'),
  connectedAddressSpaces: z
    .array(prefix)
    .optional()
    .describe('Peered and on-premises prefixes, part of the VirtualNetwork tag'),
  subnets: z.array(subnetSchema).optional().describe('Subnets of the network'),
  flowTimeoutInMinutes: z
    .int()
    .min(4, { error: 'must be 4 to 30' })
    .max(30, { error: 'must be 4 to 30' })
    .optional()
    .describe("Azure's name for flowTable.idleTimeout"),
});

export const applicationSecurityGroupSchema = z.strictObject({
  name: resourceName.describe('Name of the group, for rules and network interfaces'),
});

export const networkInterfaceSchema = z.strictObject({
  name: resourceName.describe('Name of the network interface'),
  subnet: reference.optional().describe('Its subnet, whose group applies too'),
  addresses: z
    .array(address)
    .min(1, { error: 'must hold at least one address; leave it out to take every address' })
    .optional()
    .describe('Its IP addresses; left out only by the sole interface of a wire, which takes all'),
  networkSecurityGroup: reference
    .optional()
    .describe('Its own group, beside that of the subnet; none allows all'),
  applicationSecurityGroups: z
    .array(reference)
    .optional()
    .describe('The groups it is in; at most 20'),
  wire: z.string().optional().describe('The wire it is on; without one it is evaluated offline'),
  macAddress: z
    .string()
    .regex(MAC_ADDRESS, { error: 'must be a MAC address such as 00-0D-3A-92-6A-7C' })
    .optional()
    .describe('As Azure exports it; not used'),
});

const interfaceName = z.string().regex(INTERFACE_NAME, {
  error: 'must be a Linux interface name: 1 to 15 letters, digits or _.:-',
});

export const wireSchema = z.strictObject({
  name: resourceName.describe('Name of the wire, in metrics and answers'),
  outside: interfaceName.describe('The interface towards the network'),
  inside: interfaceName.describe('The interface towards the workload'),
  host: interfaceName
    .optional()
    .describe(
      'Host mode, where the workload is this machine: the interface that gets the addresses of outside. nsgd attach makes it and inside',
    ),
  onStop: oneOf(['closed', 'open'])
    .optional()
    .describe(
      'In host mode, what passes while the daemon does not run: nothing, or everything, unfiltered. Default closed',
    ),
  mode: oneOf(['inline', 'monitor']).optional().describe('Filter, or only watch. Default inline'),
  backend: oneOf(['auto', 'af-xdp', 'cap'])
    .optional()
    .describe('How packets are captured. Default auto: af-xdp where it works, else cap'),
  cpu: z
    .int()
    .min(0, { error: 'must be the number of a processor, 0 to 1023' })
    .max(1023, { error: 'must be the number of a processor, 0 to 1023' })
    .optional()
    .describe('The processor that the packet loop of the wire stays on. Default any'),
  busyPoll: z
    .int()
    .min(0, { error: 'must be 0 to 10000 microseconds' })
    .max(10_000, { error: 'must be 0 to 10000 microseconds' })
    .optional()
    .describe(
      'Microseconds to look for packets before sleeping, with af-xdp: a little less delay for a whole processor. Default 0',
    ),
});

/** Path of a configuration file. */
export const candidateSchema = z.string().min(1);

export const serviceTagsSchema = z.strictObject({
  file: z.string().min(1).optional().describe('The published service tag file'),
  custom: z
    .record(
      z.string().regex(TAG_NAME, { error: 'a tag name starts with a letter' }),
      z.array(prefix),
      { error: 'must map tag names to lists of prefixes' },
    )
    .optional()
    .describe('Your own tags: names to lists of prefixes'),
});

export const platformSchema = z.strictObject({
  profile: oneOf(['azure', 'none']).optional().describe('Platform rules. Default azure'),
  defaultRoute: z
    .boolean()
    .optional()
    .describe('A route for 0.0.0.0/0 is set: Windows licensing (KMS) is no longer let through'),
});

export const subscriptionSchema = z.strictObject({
  type: oneOf(SUBSCRIPTION_TYPES).describe('Decides on outbound port 25. Unset: allowed'),
});

/**
 * Network security groups for the editor's sake only: nsg-file.ts reads them, in every shape Azure writes, and
 * reports what is wrong.
 */
const networkSecurityGroupShape = z.union([
  z.strictObject({ file: z.string().describe('A file exported from Azure') }),
  z.looseObject({
    name: z.string().describe('Name of the group'),
    flushConnection: z
      .boolean()
      .optional()
      .describe('Judge its live flows anew after a policy change. Default false: they go on'),
    securityRules: z
      .array(
        z.looseObject({
          name: z.string().describe('Name of the rule, unique in its group; case does not count'),
          priority: z
            .int()
            .min(100)
            .max(4096)
            .optional()
            .describe('Lower is evaluated first; unique for each direction'),
          direction: z
            .enum(['Inbound', 'Outbound'])
            .optional()
            .describe('Seen from the network interface'),
          access: z
            .enum(['Allow', 'Deny'])
            .optional()
            .describe('What the rule does with packets that match'),
          protocol: z
            .enum(['*', 'Tcp', 'Udp', 'Icmp', 'Esp', 'Ah'])
            .optional()
            .describe('Icmp is ICMPv6 on IPv6; * is every IP protocol'),
          sourceAddressPrefix: z
            .string()
            .optional()
            .describe('Address, prefix, service tag, or * for both families'),
          sourceAddressPrefixes: z
            .array(z.string())
            .optional()
            .describe('Addresses and prefixes; instead of the one'),
          sourceApplicationSecurityGroups: z
            .array(reference)
            .optional()
            .describe('The addresses of their network interfaces; instead of prefixes, at most 10'),
          sourcePortRange: z
            .union([z.string(), z.int()])
            .optional()
            .describe('Port, range such as 8000-8080, or *'),
          sourcePortRanges: z
            .array(z.union([z.string(), z.int()]))
            .optional()
            .describe('Ports and ranges; instead of the one'),
          destinationAddressPrefix: z
            .string()
            .optional()
            .describe('Address, prefix, service tag, or * for both families'),
          destinationAddressPrefixes: z
            .array(z.string())
            .optional()
            .describe('Addresses and prefixes; instead of the one'),
          destinationApplicationSecurityGroups: z
            .array(reference)
            .optional()
            .describe('The addresses of their network interfaces; instead of prefixes, at most 10'),
          destinationPortRange: z
            .union([z.string(), z.int()])
            .optional()
            .describe('Port, range such as 8000-8080, or *'),
          destinationPortRanges: z
            .array(z.union([z.string(), z.int()]))
            .optional()
            .describe('Ports and ranges; instead of the one'),
          description: z.string().max(140).optional().describe('For people'),
        }),
      )
      .optional()
      .describe('Rules of the group, in any order; Azure adds its default rules'),
  }),
]);

export const configurationSchema = z.strictObject({
  $schema: z.string().optional(),
  virtualNetwork: virtualNetworkSchema
    .optional()
    .describe('The network around: what the VirtualNetwork tag stands for'),
  networkSecurityGroups: z
    .array(networkSecurityGroupShape)
    .optional()
    .describe('Groups of rules, written here or in files that Azure exported'),
  applicationSecurityGroups: z
    .array(applicationSecurityGroupSchema)
    .optional()
    .describe('Groups of network interfaces that rules can name'),
  networkInterfaces: z
    .array(networkInterfaceSchema)
    .optional()
    .describe('What is protected: addresses, and the groups that apply to them'),
  wires: z
    .array(wireSchema)
    .optional()
    .describe('Pairs of Linux interfaces between which nsgd is the only path'),
  candidate: candidateSchema
    .optional()
    .describe(
      'Configuration file whose policy judges live traffic in shadow: what it would do otherwise is counted, and never done',
    ),
  serviceTags: serviceTagsSchema.optional().describe('Where service tags come from'),
  flowTable: flowTableSchema.optional().describe('Flows of each wire'),
  platform: platformSchema.optional().describe("What Azure's platform lets through by itself"),
  subscription: subscriptionSchema.optional().describe('The Azure subscription'),
  metrics: metricsSchema.optional().describe('Prometheus metrics'),
  tcp: tcpSchema.optional().describe('TCP'),
  link: linkSchema.optional().describe('Frames that are not IP'),
  control: controlSchema.optional().describe('The control socket'),
  runtimeDirectory: runtimeDirectorySchema.optional(),
  stateDirectory: stateDirectorySchema.optional(),
  flowLogs: flowLogsSchema.optional().describe('Flow logs'),
  logs: logsSchema.optional().describe("The daemon's own log"),
});

/** JSON Schema (draft 2020-12) of the configuration, for editors; committed as config/nsgd.schema.json. */
export function configurationJsonSchema(): unknown {
  return {
    title: 'nsgd configuration',
    ...z.toJSONSchema(configurationSchema, { io: 'input' }),
  };
}
