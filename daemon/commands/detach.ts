/**
 * `nsgd detach`: takes an interface out of host mode: what the host's end has goes back, and nothing is left over. Needs no
 * daemon and no configuration, so that it works when those do not.
 */
import type { Command } from 'commander';
import { ExitCode } from '../exit-code.ts';
import { print, printError } from '../output.ts';
import { hostError, type HostOptions, openAttachments, withHostDirectory } from './host-option.ts';

async function detachNics(nic: string | undefined, options: HostOptions): Promise<void> {
  const attachments = openAttachments(options);
  const { hostSystem } = await import('../host-mode/system.ts');
  const { detach } = await import('../host-mode/operations.ts');
  const names = nic === undefined ? attachments.names() : [nic];
  if (names.length === 0) print('no interface is attached');
  for (const name of names) {
    // One after another: each is under the lock.
    // oxlint-disable-next-line no-await-in-loop
    const failures = await detach(hostSystem, attachments, name).catch((error: unknown) => {
      throw hostError(error);
    });
    for (const failure of failures ?? []) printError(`nsgd: ${failure}`);
    print(failures === undefined ? `${name} is not attached` : `${name} is detached`);
  }
}

export function addDetachCommand(program: Command): void {
  withHostDirectory(program.command('detach'))
    .description('leave host mode: the network interface is as it was')
    .argument('[interface]', 'the network interface; every one that is attached unless given')
    .action(async (nic: string | undefined, options: HostOptions) => {
      await detachNics(nic, options);
      process.exitCode = ExitCode.Ok;
    });
}
