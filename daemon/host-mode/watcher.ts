/**
 * Entry of the watcher of one attachment: a process of its own that `nsgd attach` starts before it changes anything, and
 * that undoes what is not confirmed in time. It needs neither the daemon, nor the network, nor the terminal, nor `nsgd
 * attach` itself, which may be killed at any moment; asked to end, it undoes first.
 *
 * Arguments: the folder of attachments, the interface. Its standard input ends with the process that started it.
 */
import { printError } from '../output.ts';
import { Attachments, undoReason } from './attachment.ts';
import { undo } from './operations.ts';
import { hostSystem } from './system.ts';

const POLL_MILLISECONDS = 100;
const RETRY_MILLISECONDS = 1_000;
const TRIES = 10;

const [directory = '', nic = ''] = process.argv.slice(2);
const attachments = new Attachments(directory);
let isStarterGone = false;
let signal: NodeJS.Signals | undefined;
let tries = 0;

function reason(): string | undefined {
  const attachment = attachments.read(nic);
  if (attachment === undefined || attachment.phase === 'confirmed') process.exit(0);
  return signal ?? undoReason(attachment, { now: Date.now(), isStarterGone });
}

async function watch(): Promise<void> {
  const why = reason();
  if (why === undefined) {
    setTimeout(() => void watch(), POLL_MILLISECONDS);
    return;
  }
  try {
    await undo(hostSystem, attachments, nic);
    say(`${nic} is as it was: ${why}`);
    process.exit(0);
  } catch (error) {
    say(`${nic} could not be put back: ${(error as Error).message}`);
    if (++tries === TRIES) process.exit(1);
    setTimeout(() => void watch(), RETRY_MILLISECONDS);
  }
}

/** The terminal may be gone. */
function say(line: string): void {
  try {
    printError(`nsgd: ${line}`);
  } catch {
    // Then nobody reads it.
  }
}

process.stdin.on('close', () => (isStarterGone = true));
process.stdin.on('error', () => undefined);
process.stdin.resume();
for (const name of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) {
  process.on(name, () => (signal = name));
}
void watch();
