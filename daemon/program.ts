/**
 * The command tree: every command is a file in commands/, in the order that help lists them.
 */
import { Command } from 'commander';
import { addAttachCommand } from './commands/attach.ts';
import { addCheckCommand } from './commands/check.ts';
import { addCompletionCommand } from './commands/completion.ts';
import { addDiffCommand } from './commands/diff.ts';
import { addConfirmCommand } from './commands/confirm.ts';
import { addDetachCommand } from './commands/detach.ts';
import { addEffectiveCommand } from './commands/effective.ts';
import { addExportCommand } from './commands/export.ts';
import { addFlowsCommand } from './commands/flows.ts';
import { addMonitorCommand } from './commands/monitor.ts';
import { addImportCommand } from './commands/import.ts';
import { addProbeCommand } from './commands/probe.ts';
import { addOnStopCommand } from './commands/on-stop.ts';
import { addReloadCommand } from './commands/reload.ts';
import { addReplayCommand } from './commands/replay.ts';
import { addRulesCommand } from './commands/rules.ts';
import { addRunCommand } from './commands/run.ts';
import { addStatusCommand } from './commands/status.ts';
import { addTagsCommand } from './commands/tags.ts';
import { addTopCommand } from './commands/top.ts';
import { addVerifyCommand } from './commands/verify.ts';
import { printError } from './output.ts';
import { version } from './version.ts';

/** Commander's complaints quote what was typed; a suggestion stands on a line of its own. */
function printComplaint(text: string): void {
  for (const line of text.trimEnd().split(/\n(?=\(Did you mean )/)) printError(line);
}

export function createProgram(): Command {
  const program = new Command('nsgd')
    .description('enforces Azure network security groups on any Linux network interface')
    .version(version, '-V, --version')
    .showHelpAfterError('(run with --help for the options)')
    .configureOutput({ outputError: printComplaint })
    .exitOverride();
  addRunCommand(program);
  addCheckCommand(program);
  addVerifyCommand(program);
  addEffectiveCommand(program);
  addDiffCommand(program);
  addTagsCommand(program);
  addImportCommand(program);
  addExportCommand(program);
  addReplayCommand(program);
  addStatusCommand(program);
  addRulesCommand(program);
  addFlowsCommand(program);
  addTopCommand(program);
  addMonitorCommand(program);
  addProbeCommand(program);
  addReloadCommand(program);
  addAttachCommand(program);
  addConfirmCommand(program);
  addDetachCommand(program);
  addOnStopCommand(program);
  addCompletionCommand(program);
  return program;
}
