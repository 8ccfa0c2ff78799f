/**
 * `make demo`: nsgd at work, every attempt with what was expected and what was seen. Ends with 1 if anything differs.
 */
import { liveTestObstacle } from '../test/helpers/network-namespace.ts';
import { say } from './account.ts';
import { runLiveDemo } from './live.ts';
import { runReplayedDemo } from './replayed.ts';

async function main(): Promise<number> {
  const obstacle = liveTestObstacle();
  if (obstacle === undefined) {
    say('nsgd demo: live traffic between network namespaces');
    return runLiveDemo();
  }
  say(`nsgd demo: no live traffic here (${obstacle}); replaying a capture instead`);
  say('');
  return runReplayedDemo();
}

process.exitCode = (await main()) === 0 ? 0 : 1;
