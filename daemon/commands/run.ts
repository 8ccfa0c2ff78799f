/**
 * `nsgd run`: the daemon, in the foreground. Ends with SIGTERM or SIGINT, reads its configuration again with SIGHUP.
 */
import type { Command } from 'commander';
import type { Logger } from 'pino';
import { diskFiles } from '../../src/policy/load.ts';
import type { Daemon } from '../daemon.ts';
import { ownMissingCapabilities } from '../capabilities.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { createLog } from '../log.ts';
import { ServiceManager } from '../service-manager.ts';
import { ReadFiles } from '../read-files.ts';
import { trustedFiles } from '../trusted-files.ts';
import { loadPolicy } from './load-policy.ts';

interface RunOptions {
  readonly config: string;
  readonly insecureConfig?: boolean;
}

/** What ends a start: the message is for the operator, the code for the service manager. */
function startError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code = 'code' in error ? String(error.code) : '';
  if (code === 'EACCES' || code === 'EPERM') {
    return new CommandError(ExitCode.PermissionDenied, error.message);
  }
  if (code === '') return error;
  return new CommandError(ExitCode.Failed, error.message);
}

/** A running daemon and its log. Its own failures leave nothing running. */
async function start(
  options: RunOptions,
  serviceManager: ServiceManager,
): Promise<{ daemon: Daemon; log: Logger }> {
  const files = new ReadFiles(options.insecureConfig === true ? diskFiles : trustedFiles);
  const loaded = loadPolicy(options.config, files);
  const { logLevel, wires } = loaded.configuration;
  if (wires.length === 0) {
    throw new CommandError(
      ExitCode.Usage,
      `${options.config}: there are no wires, so there is nothing to run`,
    );
  }
  const missing = ownMissingCapabilities();
  if (missing.length > 0) {
    throw new CommandError(
      ExitCode.PermissionDenied,
      `${missing.join(' and ')} needed: run it as root`,
    );
  }
  const log = createLog(logLevel);
  // Loaded here: the offline commands run without any native module.
  const { Daemon } = await import('../daemon.ts');
  // systemd lists several with colons; the unit asks for one.
  const stateDirectory = process.env['STATE_DIRECTORY']?.split(':')[0];
  try {
    const daemon = new Daemon(loaded, {
      log,
      clock: () => performance.now(),
      files,
      serviceManager,
      stateDirectory,
    });
    try {
      await daemon.start();
    } catch (error) {
      await daemon.stop();
      throw error;
    }
    return { daemon, log };
  } catch (error) {
    throw startError(error);
  }
}

async function run(options: RunOptions): Promise<void> {
  const serviceManager = new ServiceManager(process.env);
  let starting: ReturnType<typeof start> | undefined;
  const isStopWanted = new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  // Before the start: a signal that comes meanwhile is answered after it. Why a start failed is said below.
  process.on('SIGHUP', () => {
    starting?.then(
      ({ daemon }) => void daemon.reload(),
      () => undefined,
    );
  });
  starting = start(options, serviceManager);
  const { daemon, log } = await starting;
  serviceManager.ready(daemon.serviceState().summary);
  const reports = setInterval(
    () => serviceManager.report(daemon.serviceState()),
    serviceManager.interval,
  );
  await isStopWanted;
  log.info('stopping');
  clearInterval(reports);
  serviceManager.stopping();
  await daemon.stop();
  log.info('stopped');
}

export function addRunCommand(program: Command): void {
  program
    .command('run')
    .description('the daemon, in the foreground')
    .requiredOption('-c, --config <file>', 'configuration')
    .option('--insecure-config', 'read the configuration also where others could have changed it')
    .action(async (options: RunOptions) => {
      await run(options);
      process.exitCode = ExitCode.Ok;
    });
}
