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
  name: resourceName,
  addressPrefix: prefix.optional().describe('The prefix of a subnet that has one'),
  addressPrefixes: z.array(prefix).optional().describe('The prefixes of the subnet'),
  networkSecurityGroup: reference.optional().describe('The group of the subnet; none allows all'),
});

export const virtualNetworkSchema = z.strictObject({
  name: resourceName.optional(),
  addressSpace: z
    .array(prefix)
    .min(1, { error: 'must hold at least one prefix' })
    .describe('All prefixes of the network, part of the VirtualNetwork tag'),
  connectedAddressSpaces: z
    .array(prefix)
    .optional()
    .describe('Peered and on-premises prefixes, part of the VirtualNetwork tag'),
  subnets: z.array(subnetSchema).optional(),
  flowTimeoutInMinutes: z
    .int()
    .min(4, { error: 'must be 4 to 30' })
    .max(30, { error: 'must be 4 to 30' })
    .optional()
    .describe("Azure's name for flowTable.idleTimeout"),
});

export const applicationSecurityGroupSchema = z.strictObject({ name: resourceName });

export const networkInterfaceSchema = z.strictObject({
  name: resourceName,
  subnet: reference.optional().describe('Its subnet, whose group applies too'),
  addresses: z
    .array(address)
    .min(1, { error: 'must hold at least one address; leave it out to take every address' })
    .optional()
    .describe('Its IP addresses; left out only by the sole interface of a wire, which takes all'),
  networkSecurityGroup: reference.optional(),
  applicationSecurityGroups: z.array(reference).optional(),
  wire: z.string().optional().describe('The wire it is on; without one it is evaluated offline'),
  macAddress: z
    .string()
    .regex(MAC_ADDRESS, { error: 'must be a MAC address such as 00-0D-3A-92-6A-7C' })
    .optional(),
});

const interfaceName = z.string().regex(INTERFACE_NAME, {
  error: 'must be a Linux interface name: 1 to 15 letters, digits or _.:-',
});

export const wireSchema = z.strictObject({
  name: resourceName,
  outside: interfaceName.describe('The interface towards the network'),
  inside: interfaceName.describe('The interface towards the workload'),
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
    name: z.string(),
    flushConnection: z.boolean().optional(),
    securityRules: z
      .array(
        z.looseObject({
          name: z.string(),
          priority: z.int().min(100).max(4096).optional(),
          direction: z.enum(['Inbound', 'Outbound']).optional(),
          access: z.enum(['Allow', 'Deny']).optional(),
          protocol: z.enum(['*', 'Tcp', 'Udp', 'Icmp', 'Esp', 'Ah']).optional(),
          sourceAddressPrefix: z.string().optional(),
          sourceAddressPrefixes: z.array(z.string()).optional(),
          sourceApplicationSecurityGroups: z.array(reference).optional(),
          sourcePortRange: z.union([z.string(), z.int()]).optional(),
          sourcePortRanges: z.array(z.union([z.string(), z.int()])).optional(),
          destinationAddressPrefix: z.string().optional(),
          destinationAddressPrefixes: z.array(z.string()).optional(),
          destinationApplicationSecurityGroups: z.array(reference).optional(),
          destinationPortRange: z.union([z.string(), z.int()]).optional(),
          destinationPortRanges: z.array(z.union([z.string(), z.int()])).optional(),
          description: z.string().max(140).optional(),
        }),
      )
      .optional(),
  }),
]);

export const configurationSchema = z.strictObject({
  $schema: z.string().optional(),
  virtualNetwork: virtualNetworkSchema.optional(),
  networkSecurityGroups: z.array(networkSecurityGroupShape).optional(),
  applicationSecurityGroups: z.array(applicationSecurityGroupSchema).optional(),
  networkInterfaces: z.array(networkInterfaceSchema).optional(),
  wires: z.array(wireSchema).optional(),
  serviceTags: serviceTagsSchema.optional(),
  flowTable: flowTableSchema.optional(),
  platform: platformSchema.optional(),
  subscription: subscriptionSchema.optional(),
  metrics: metricsSchema.optional(),
  tcp: tcpSchema.optional(),
  link: linkSchema.optional(),
  control: controlSchema.optional(),
  runtimeDirectory: runtimeDirectorySchema.optional(),
  flowLogs: flowLogsSchema.optional(),
  logs: logsSchema.optional(),
});

/** JSON Schema (draft 2020-12) of the configuration, for editors; committed as config/nsgd.schema.json. */
export function configurationJsonSchema(): unknown {
  return {
    title: 'nsgd configuration',
    ...z.toJSONSchema(configurationSchema, { io: 'input' }),
  };
}
