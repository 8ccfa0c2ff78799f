/**
 * Pages that say what the program itself knows: the settings from the JSON schema, the commands from the command tree. Tests
 * compare the committed pages with these; `npx vitest run test/project -u` writes them.
 */
import type { Command } from 'commander';

export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly string[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly additionalProperties?: boolean | Schema;
}

export interface Setting {
  /** `networkSecurityGroups[].securityRules[].name` */
  readonly path: string;
  readonly type: string;
  readonly isRequired: boolean;
  readonly description: string;
}

/** The alternatives of a schema that has some, else itself. */
function alternatives(schema: Schema): readonly Schema[] {
  return schema.anyOf?.flatMap(alternatives) ?? [schema];
}

function range({ minimum, maximum }: Schema): string {
  // What JavaScript can count to is no bound of ours.
  const isBound = (value: number | undefined): value is number =>
    value !== undefined && Math.abs(value) < Number.MAX_SAFE_INTEGER;
  if (isBound(minimum) && isBound(maximum)) return ` ${minimum} to ${maximum}`;
  if (isBound(minimum)) return ` from ${minimum}`;
  return isBound(maximum) ? ` up to ${maximum}` : '';
}

function typeName(schema: Schema): string {
  const names = alternatives(schema).map((each) => {
    if (each.const !== undefined) return JSON.stringify(each.const);
    if (each.enum !== undefined) return each.enum.join(', ');
    if (each.type === 'array') return `list of ${typeName(each.items ?? {})}`;
    return `${each.type ?? 'anything'}${range(each)}`;
  });
  return [...new Set(names)].join(' or ');
}

/** Every setting of a schema, outer before inner, in the schema's order; each path once. */
export function settingsOf(schema: Schema, path = ''): Setting[] {
  const found = new Map<string, Setting>();
  const add = (setting: Setting): void => {
    if (!found.has(setting.path)) found.set(setting.path, setting);
  };
  for (const each of alternatives(schema)) {
    if (each.items !== undefined)
      for (const inner of settingsOf(each.items, `${path}[]`)) add(inner);
    for (const [name, property] of Object.entries(each.properties ?? {})) {
      const own = path === '' ? name : `${path}.${name}`;
      add({
        path: own,
        type: typeName(property),
        isRequired: each.required?.includes(name) ?? false,
        description: property.description ?? '',
      });
      for (const inner of settingsOf(property, own)) add(inner);
    }
  }
  return [...found.values()];
}

/** What stands above the table of codes in `page`, and the table that the program's codes make. */
export function pageWithCodes(
  page: string,
  codes: Readonly<Record<'Azure' | 'nsgd', Readonly<Record<string, string>>>>,
): string {
  const [above = ''] = page.split('\n| code |');
  const rows = Object.entries(codes).flatMap(([whose, list]) =>
    Object.entries(list).map(
      ([code, text]) => `| \`${code}\` | ${whose} | ${text.replaceAll('*', String.raw`\*`)} |`,
    ),
  );
  return `${above.trimEnd()}\n\n| code | whose | when |\n|---|---|---|\n${rows.join('\n')}\n`;
}

/** A Markdown page; a section for each setting at the top. */
export function policyReference(schema: Schema): string {
  const settings = settingsOf(schema);
  const sections = Object.keys(schema.properties ?? {})
    .filter((name) => name !== '$schema')
    .map((name) => {
      const rows = settings
        .filter(
          ({ path }) => path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[`),
        )
        .map(
          ({ path, type, isRequired, description }) =>
            `| \`${path}\` | ${type.replaceAll('|', String.raw`\|`).replaceAll('*', String.raw`\*`)}${isRequired ? ', required' : ''} | ${description} |`,
        );
      return `## ${name}\n\n| setting | value | what |\n|---|---|---|\n${rows.join('\n')}`;
    });
  return `# Configuration

Every setting of a configuration, YAML or JSON, written from the schema that \`nsgd check\` reads it with. Names of Azure's
resources are Azure's. Unknown keys are errors. An empty list is never "any". \`config/nsgd.schema.json\` is the same for
editors: \`# yaml-language-server: $schema=nsgd.schema.json\` in the first line gives completion in those that speak the YAML
language server.

${sections.join('\n\n')}
`;
}

/** For man(7): no request at the start of a line, no escape, no hyphen where a minus is meant. */
function roff(text: string): string {
  return text
    .replaceAll('\\', String.raw`\e`)
    .replaceAll('-', String.raw`\-`)
    .replaceAll(/^(?=[.'])/gm, String.raw`\&`);
}

function commandSection(command: Command): string[] {
  const options = command.options.flatMap((option) => {
    const choices = option.argChoices === undefined ? '' : ` (${option.argChoices.join(', ')})`;
    // The socket's default depends on the environment of whoever writes the page.
    const hasDefault = typeof option.defaultValue === 'string' && option.long !== '--socket';
    const usual = hasDefault ? `; ${String(option.defaultValue)} unless given` : '';
    return ['.TP', `.B ${roff(option.flags)}`, roff(`${option.description}${choices}${usual}`)];
  });
  const usage = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? name : `[${name}]`;
  });
  return [
    `.SS ${roff(['nsgd', command.name(), ...usage].join(' '))}`,
    roff(command.description()),
    ...options,
  ];
}

const EXIT_CODES: readonly (readonly [string, string])[] = [
  ['0', 'success; of verify: the packet is allowed'],
  ['1', 'failure; of verify: the packet is denied; of status: not ready'],
  ['2', 'wrong usage, or an invalid configuration'],
  ['3', 'no daemon runs'],
  ['4', 'permission denied'],
  ['5', 'no answer in time'],
];

/** test/e2e/document-commands.test.ts runs them. */
const EXAMPLES: readonly (readonly [string, string])[] = [
  [
    'Every problem of a configuration, before it is put in force:',
    'nsgd check /etc/nsgd/nsgd.yaml',
  ],
  ['Put it in force, and see which rules changed:', 'nsgd reload'],
  [
    'Would this packet pass, by the policy in force, and which rule decides?',
    'nsgd verify --live --direction Inbound --protocol TCP --local 10.0.1.4:22 --remote 10.0.0.9:50000',
  ],
  [
    'Which rules had to decide something, and which connections move most:',
    'nsgd rules --hit\nnsgd flows --sort bytes --limit 10',
  ],
  ['Is it healthy? Ends with 0 if so:', 'nsgd status'],
  [
    'The same to any program, over the control socket:',
    'curl --silent --unix-socket /run/nsgd/control.sock http://nsgd/v1/status',
  ],
];

/** nsgd(8). */
export function commandManPage(program: Command): string {
  return [
    '.TH NSGD 8 "" nsgd "System administration"',
    '.SH NAME',
    roff(`nsgd - ${program.description()}`).replace(String.raw`nsgd \-`, String.raw`nsgd \-`),
    '.SH SYNOPSIS',
    '.B nsgd',
    '.I COMMAND',
    '[options]',
    '.SH DESCRIPTION',
    roff(
      'nsgd is a stateful packet filter. It is the only path between the two interfaces of a wire, reads the policy that ' +
        'Azure exports, lets allowed packets through and drops the others. Results go to standard output, diagnostics to ' +
        'standard error.',
    ),
    '.SH COMMANDS',
    ...program.commands.flatMap(commandSection),
    '.SH EXAMPLES',
    ...EXAMPLES.flatMap(([what, commands]) => [
      '.PP',
      roff(what),
      '.PP',
      '.EX',
      roff(commands),
      '.EE',
    ]),
    '.SH EXIT STATUS',
    ...EXIT_CODES.flatMap(([code, meaning]) => ['.TP', `.B ${code}`, roff(meaning)]),
    '.SH ENVIRONMENT',
    '.TP',
    '.B NSGD_SOCKET',
    'control socket of the daemon, for those who run several',
    '.SH FILES',
    '.TP',
    '.I /etc/nsgd/nsgd.yaml',
    'configuration of the service; see',
    '.BR nsgd.yaml (5)',
    '.TP',
    '.I /run/nsgd/control.sock',
    'control socket, HTTP and JSON; its group may ask the daemon',
    '.SH SEE ALSO',
    '.BR nsgd.yaml (5),',
    '.BR nft (8),',
    '.BR conntrack (8)',
    '',
  ].join('\n');
}

/** nsgd.yaml(5). */
export function settingsManPage(schema: Schema): string {
  const rows = settingsOf(schema).flatMap(({ path, type, isRequired, description }) => [
    '.TP',
    `.B ${roff(path)}`,
    roff(`${type}${isRequired ? ', required' : ''}. ${description}`),
  ]);
  return [
    '.TH NSGD.YAML 5 "" nsgd "File formats"',
    '.SH NAME',
    String.raw`nsgd.yaml \- configuration of nsgd`,
    '.SH DESCRIPTION',
    roff(
      'YAML or JSON. Names of Azure resources are those that Azure uses, so that an exported network security group can be ' +
        'pasted in, or named with file. Unknown keys are errors; an empty list is never "any". Check a file with',
    ),
    '.BR "nsgd check" .',
    '.SH SETTINGS',
    ...rows,
    '.SH SEE ALSO',
    '.BR nsgd (8)',
    '',
  ].join('\n');
}
