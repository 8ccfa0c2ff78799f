/**
 * `nsgd rules`: every rule in force with its hit counts.
 */
import type { Command } from 'commander';
import type { RuleStatus } from '../status.ts';
import { ExitCode } from '../exit-code.ts';
import { type OutputFormat, outputOption, print, printJson, printTable } from '../output.ts';
import { askDaemon, withSocketOption } from './control-option.ts';

interface RulesOptions {
  readonly socket: string;
  readonly output: OutputFormat;
  readonly hit?: true;
}

async function listRules(options: RulesOptions): Promise<number> {
  const answer = await askDaemon(options.socket, 'GET', '/v1/rules');
  const all = answer['rules'] as RuleStatus[];
  const rules = options.hit === true ? all.filter((rule) => rule.hits > 0) : all;
  if (options.output === 'json') {
    printJson({ ...answer, rules });
  } else if (options.output === 'ndjson') {
    for (const rule of rules) print(JSON.stringify(rule));
  } else {
    printTable(
      [
        'wire',
        'security group',
        'direction',
        'priority',
        'rule',
        'access',
        'hits',
        'packets',
        'bytes',
      ],
      rules.map((rule) => [
        rule.wire,
        rule.networkSecurityGroup,
        rule.direction,
        String(rule.priority),
        rule.ruleName,
        rule.access,
        String(rule.hits),
        String(rule.packets),
        String(rule.bytes),
      ]),
    );
  }
  return ExitCode.Ok;
}

export function addRulesCommand(program: Command): void {
  withSocketOption(program.command('rules'))
    .description('the rules in force with their hit counts')
    .option('--hit', 'only rules that were hit')
    .addOption(outputOption(['table', 'json', 'ndjson']))
    .action(async (options: RulesOptions) => {
      process.exitCode = await listRules(options);
    });
}
