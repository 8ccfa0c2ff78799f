/**
 * The command tree: every command is a file in commands/, in the order that help lists them. A command is loaded when it is
 * asked for: all of them together take Node three times as long to read as most of them alone.
 */
import { Command } from 'commander';
import { addCompletionCommand } from './commands/completion.ts';
import { printError } from './output.ts';
import { version } from './version.ts';

type AddCommand = (program: Command) => void;

/** All but completion, which tells of the others and is loaded with each. */
const COMMANDS: ReadonlyMap<string, () => Promise<AddCommand>> = new Map([
  ['run', async () => (await import('./commands/run.ts')).addRunCommand],
  ['check', async () => (await import('./commands/check.ts')).addCheckCommand],
  ['verify', async () => (await import('./commands/verify.ts')).addVerifyCommand],
  ['effective', async () => (await import('./commands/effective.ts')).addEffectiveCommand],
  ['diff', async () => (await import('./commands/diff.ts')).addDiffCommand],
  ['tags', async () => (await import('./commands/tags.ts')).addTagsCommand],
  ['import', async () => (await import('./commands/import.ts')).addImportCommand],
  ['export', async () => (await import('./commands/export.ts')).addExportCommand],
  ['replay', async () => (await import('./commands/replay.ts')).addReplayCommand],
  ['status', async () => (await import('./commands/status.ts')).addStatusCommand],
  ['rules', async () => (await import('./commands/rules.ts')).addRulesCommand],
  ['flows', async () => (await import('./commands/flows.ts')).addFlowsCommand],
  ['top', async () => (await import('./commands/top.ts')).addTopCommand],
  ['monitor', async () => (await import('./commands/monitor.ts')).addMonitorCommand],
  ['probe', async () => (await import('./commands/probe.ts')).addProbeCommand],
  ['reload', async () => (await import('./commands/reload.ts')).addReloadCommand],
  ['attach', async () => (await import('./commands/attach.ts')).addAttachCommand],
  ['confirm', async () => (await import('./commands/confirm.ts')).addConfirmCommand],
  ['detach', async () => (await import('./commands/detach.ts')).addDetachCommand],
  ['on-stop', async () => (await import('./commands/on-stop.ts')).addOnStopCommand],
]);

/** Commander's complaints quote what was typed; a suggestion stands on a line of its own. */
function printComplaint(text: string): void {
  for (const line of text.trimEnd().split(/\n(?=\(Did you mean )/)) printError(line);
}

/** @param wanted the command that is to run, which is then the only one; anything that is none stands for all of them */
export async function createProgram(wanted?: string): Promise<Command> {
  const program = new Command('nsgd')
    .description('enforces Azure network security groups on any Linux network interface')
    .version(version, '-V, --version')
    .showHelpAfterError('(run with --help for the options)')
    .configureOutput({ outputError: printComplaint })
    .exitOverride();
  const load = wanted === undefined ? undefined : COMMANDS.get(wanted);
  const loads = load === undefined ? [...COMMANDS.values()] : [load];
  for (const add of await Promise.all(loads.map(async (each) => each()))) add(program);
  addCompletionCommand(program);
  return program;
}
