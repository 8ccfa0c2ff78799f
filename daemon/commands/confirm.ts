/**
 * `nsgd confirm`: keeps what `nsgd attach` has done, from another terminal: best from one that came over the network
 * after it, which proves that there is a way in.
 */
import type { Command } from 'commander';
import { CommandError, ExitCode } from '../exit-code.ts';
import { print } from '../output.ts';
import { hostError, type HostOptions, openAttachments, withHostDirectory } from './host-option.ts';

async function confirmNics(nic: string | undefined, options: HostOptions): Promise<void> {
  const attachments = openAttachments(options);
  const { confirm } = await import('../host-mode/operations.ts');
  const names = nic === undefined ? attachments.names() : [nic];
  if (names.length === 0) throw new CommandError(ExitCode.Failed, 'no interface is attached');
  for (const name of names) {
    // oxlint-disable-next-line no-await-in-loop -- each is under the lock
    const outcome = await confirm(attachments, name).catch((error: unknown) => {
      throw hostError(error);
    });
    if (outcome === 'not attached' || outcome === 'half way') {
      throw new CommandError(
        ExitCode.Failed,
        `${name}: ${outcome}, so there is nothing to confirm`,
      );
    }
    print(`${name}: ${outcome}`);
  }
}

export function addConfirmCommand(program: Command): void {
  withHostDirectory(program.command('confirm'))
    .description('keep what nsgd attach has done')
    .argument('[interface]', 'the network interface; every one that is attached unless given')
    .action(async (nic: string | undefined, options: HostOptions) => {
      await confirmNics(nic, options);
      process.exitCode = ExitCode.Ok;
    });
}
