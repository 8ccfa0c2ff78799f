/**
 * Every code that a problem of a file may have, with one sentence on when. Azure's own code stands wherever Azure has one
 * for the mistake, so that what `nsgd check` says can be looked up, and matched by the tools that match Azure's answers.
 *
 * docs/AZURE.md and the rules of SARIF are made from these lists, and only these codes compile.
 */

/** Codes that Azure Resource Manager answers with (HTTP 400), as they were seen in its answers. */
export const AZURE_CODES = Object.freeze({
  InvalidCIDRNotation: 'An address space or a subnet has a prefix that is none.',
  InvalidResourceName: 'A name has characters, a first or a last one that Azure takes in none.',
  InvalidResourceReference: 'A name or id refers to something that is not there.',
  NetcfgSubnetRangeOutsideVnet: 'A subnet is outside the address space of its virtual network.',
  NetcfgSubnetRangesOverlap: 'Two subnets share addresses.',
  NumberOfApplicationSecurityGroupsReferencedInSecurityRuleLimitReached:
    'One side of a rule names more than 10 application security groups.',
  PrivateIPAddressInUse: 'Two network interfaces have one address.',
  PrivateIPAddressNotInSubnet: 'An address is outside the subnet of its network interface.',
  ResourceCannotContainAddressPrefixesFromDifferentAddressFamilies:
    'One rule has IPv4 and IPv6 prefixes.',
  SecurityRuleAddressesOrPortsPerSecurityGroupLimitReached:
    'The rules of one group have more than 4,000 addresses or ports in one of the four fields.',
  SecurityRuleConflict: 'Two rules of one direction have one priority.',
  SecurityRuleCountLimitReached: 'A group has more than 1,000 rules.',
  SecurityRuleInvalidAccessType: 'A tag of the platform is named by a rule that allows.',
  SecurityRuleInvalidAddressPrefix:
    'An address is no IP address, prefix with clear host bits, or known service tag.',
  SecurityRuleInvalidPortRange: 'A port is no number from 0 to 65535, range of two, or *.',
  SecurityRuleInvalidPriority: 'A priority is not from 100 to 4096.',
  SecurityRuleParameterContainsInvalidPortRanges: 'A list of ports holds *.',
  SecurityRuleParameterContainsUnsupportedValue: 'A list of prefixes holds a service tag or *.',
  SecurityRuleParametersMissing: 'A rule lacks something that it must have.',
});

/** Codes of nsgd, spelled alike: Azure has none for the mistake, or none that is known, or no such thing. */
export const NSGD_CODES = Object.freeze({
  ApplicationSecurityGroupCountLimitReached:
    'A network interface is in more than 20 application security groups.',
  ConflictingTimeouts: 'The idle timeout is given twice, with two values.',
  DefaultSecurityRuleModified: 'A default rule of an export is not the one that Azure has.',
  DuplicateKey: 'A key stands twice in one map.',
  DuplicateName: 'Two things of one kind have one name.',
  DuplicateResourceName: 'Two rules of one group have one name.',
  EmptyApplicationSecurityGroup: 'A rule names an application security group without members.',
  EmptyDocument: 'The file is empty.',
  EmptyServiceTag: 'A custom service tag has no prefix.',
  ExcessiveAliases: 'The aliases of a YAML file stand for more than a file may hold.',
  FileNotReadable: 'A file cannot be read.',
  FileTooLarge: 'A file is larger than any configuration.',
  IneffectiveSetting: 'A setting does nothing beside another.',
  InterfaceInUse: 'A Linux interface is on two wires, or twice on one.',
  InvalidJson: 'The file is no JSON.',
  InvalidServiceTagFile: 'The file is no service tag file, or one of its prefixes is none.',
  InvalidValue: 'A value is of another kind, or outside its bounds.',
  InvalidYaml: 'The file is no YAML.',
  LinkedTemplateNotRead: 'A template deploys another one that is in another place.',
  MetricsExposed: 'The metrics are served to others than this machine.',
  ManagementPortOpenToInternet:
    'A rule lets much of the Internet reach a port that machines are managed through.',
  MissingAddresses: 'A network interface needs addresses and has none.',
  MissingProperty: 'Something required is not there.',
  NetworkInterfaceWithoutSubnet: 'A network interface names no subnet, though there are some.',
  NoNetworkSecurityGroup: 'The file holds no network security group.',
  NumberOfApplicationSecurityGroupsReferencedInSecurityGroupLimitReached:
    'The rules of one group name more than 100 application security groups.',
  ParentResourceNotFound: 'A rule of a template belongs to a group that is not in it.',
  PartialList: 'The file is the first page of an answer of several.',
  PolicyNotEnforced: 'A data plane did not take the policy.',
  ReservedServiceTagName: 'A custom service tag has the name of a special one.',
  RestartRequired: 'A setting changed that a reload cannot change.',
  RuleDeniedByOtherGroup:
    'All that a rule allows beyond the default rules is denied by the other group, on every interface.',
  RuleMatchesNoInterface: 'No interface that the group applies to has an address of the rule.',
  RuleNeverMatches: 'No packet can match the rule.',
  RuleRedundant: 'Without the rule every verdict would be the same.',
  RuleShadowed:
    'Earlier rules take everything that the rule matches, and do the opposite to some of it.',
  SecurityGroupNameMissing: 'A network security group has no name.',
  SecurityRuleDescriptionTooLong: 'A description has more than 140 characters.',
  SecurityRuleExactlyOneParameter: 'One side of a rule has several forms of address or port.',
  SecurityRuleInvalidAccess: 'An access is neither Allow nor Deny.',
  SecurityRuleInvalidDirection: 'A direction is neither Inbound nor Outbound.',
  SecurityRuleInvalidProtocol: 'A protocol is none of *, Tcp, Udp, Icmp, Esp and Ah.',
  SecurityRulePortsWithoutProtocol: 'A rule for Icmp, Esp or Ah has ports, which these have not.',
  ServiceTagAdded: 'A service tag that a rule names is not in the earlier file (--tags-old).',
  ServiceTagChanged:
    'A service tag that a rule names has other addresses than in the earlier file (--tags-old).',
  ServiceTagReplaced: 'A custom service tag has the name of a published one.',
  SubscriptionLimitReached: 'There is more of something than one subscription may have.',
  TemplateValueUnknown: 'An expression of a template cannot be evaluated here.',
  TerraformValueUnknown: 'A value is known only after apply, or evaluated only by Terraform.',
  UnknownProperty: 'A key is none that can stand there.',
  UnsupportedFileFormat: 'The file is of a format that nsgd does not read.',
});

/** Codes of `nsgd import` and `nsgd export` alone. */
export const CONVERSION_CODES = Object.freeze({
  AddressUnknown: 'Azure assigns the address of a network interface, and no file says it.',
  AmbiguousReference: 'A reference without a resource group may be to several resources.',
  ApplicationSecurityGroupsDiffer:
    'The addresses of one network interface are in different application security groups.',
  DuplicateResource: 'One resource is in the files twice, and not the same.',
  NetworkInterfaceLeftOut: 'A network interface is in another virtual network than the chosen one.',
  NetworkInterfaceNotFound: 'An option names a network interface that is not in the files.',
  NoNetworkInterface: 'The files have no network interface, so some were made up.',
  NoResource: 'The files have no resource that is read.',
  NotDeployable: 'Azure does not deploy a resource as it is.',
  NotExported: 'A setting decides on traffic, and Azure has no place for it.',
  PeeredNetworkUnknown: 'The address space of a peered network is not in the files.',
  ResourceRenamed: 'Two resources have one name, so one of them got another.',
  RouteTableNotRead: 'A subnet has a route table.',
  ServiceTagNotInAzure: 'A rule names a custom service tag.',
  SeveralVirtualNetworks: 'The files have several virtual networks, and none is chosen.',
  TerraformIndexAssumed: 'A reference by count.index is taken to be to the same index.',
  UnknownParameter: 'A parameter is given that no template has.',
  UnsupportedResource: 'A resource decides on traffic, and nsgd has nothing for it.',
  VirtualNetworkNotFound: 'An option names a virtual network that is not in the files.',
});

export type ProblemCode =
  keyof typeof AZURE_CODES | keyof typeof NSGD_CODES | keyof typeof CONVERSION_CODES;

/** What each code means, all of them. */
export const PROBLEM_CODES: Readonly<Record<ProblemCode, string>> = Object.freeze({
  ...AZURE_CODES,
  ...NSGD_CODES,
  ...CONVERSION_CODES,
});

/** For a code that comes through a library that knows only texts. */
export function isProblemCode(text: string): text is ProblemCode {
  return Object.hasOwn(PROBLEM_CODES, text);
}
