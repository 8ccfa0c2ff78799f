/**
 * `nsgd on-stop`: what follows the daemon, however it ended. The service runs it after every stop (ExecStopPost), because a
 * daemon that was killed cannot do it itself: it opens the way around for the wires with `onStop: open`.
 */
import type { Command } from 'commander';
import { diskFiles } from '../../src/policy/load.ts';
import { ExitCode } from '../exit-code.ts';
import { printError } from '../output.ts';
import { hostError } from './host-option.ts';
import { loadPolicy } from './load-policy.ts';

async function followDaemon(config: string): Promise<void> {
  const { wires } = loadPolicy(config, diskFiles).configuration;
  const { openBypass } = await import('../host-mode/bypass.ts');
  for (const wire of wires) {
    try {
      if (!openBypass(wire)) continue;
    } catch (error) {
      throw hostError(error);
    }
    printError(
      `nsgd: traffic of wire ${wire.name} passes unfiltered until nsgd runs again (onStop: open)`,
    );
  }
}

export function addOnStopCommand(program: Command): void {
  program
    .command('on-stop')
    .description('for the service, after the daemon has ended: what wires[].onStop says')
    .requiredOption('-c, --config <file>', 'configuration')
    .action(async ({ config }: { config: string }) => {
      await followDaemon(config);
      process.exitCode = ExitCode.Ok;
    });
}
