/**
 * `make demo`: nsgd at work, every attempt with what was expected and what was seen. Ends with 1 if anything differs.
 * `--replay` takes the way without live traffic even where there could be some.
 */
import { liveTestObstacle } from '../test/helpers/network-namespace.ts';
import { say } from './account.ts';
import { runLiveDemo } from './live.ts';
import { runReplayedDemo } from './replayed.ts';

async function main(): Promise<number> {
  const obstacle = process.argv.includes('--replay') ? 'as asked' : liveTestObstacle();
  if (obstacle === undefined) {
    say('nsgd demo: live traffic between network namespaces');
    return runLiveDemo();
  }
  say(`nsgd demo: no live traffic (${obstacle}); replaying a capture instead`);
  say('');
  return runReplayedDemo();
}

// Whoever reads may have seen enough (`| head`). The lab cleans up when the process ends.
process.stdout.on('error', () => process.exit(1));
process.exitCode = (await main()) === 0 ? 0 : 1;
