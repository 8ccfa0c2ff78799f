/**
 * The live demo: network namespaces for an internet host, a router, nsgd and two machines; nsgd inline between them.
 */
import { Lab } from '../test/helpers/lab.ts';
import { buildNetwork, hostOf, INTERNET_IPV4 } from '../test/helpers/network.ts';
import { TestDaemon } from '../test/helpers/daemon.ts';
import { Account, say } from './account.ts';
import { demoConfiguration, GATEWAYS, VM1, VM2 } from './policy.ts';
import { type Scenario, SCENARIOS, type Stage, startServers, type Tuple } from './scenarios.ts';

/** Families of which the demo shows the samples. */
const SHOWN_METRICS = [
  'packets_received_total',
  'packets_sent_total',
  'packets_forwarded_total',
  'packets_dropped_total',
  'flows',
  'flows_opened_total',
  'policy_generation',
  'config_reloads_total',
  'data_plane_restarts_total',
];

const WIRING = '  internet -------- router ===== [ nsgd ] ===== switch --';
const PICTURE = `
${WIRING}+-- vm1  ${VM1}   NSG1 on its subnet
${`  ${INTERNET_IPV4}`.padEnd(WIRING.length)}+-- vm2  ${VM2}   NSG2 on its interface
`;

/** @returns how many attempts ended differently from what was expected */
export async function runLiveDemo(): Promise<number> {
  const lab = new Lab();
  try {
    return await perform(lab);
  } finally {
    await lab.close();
  }
}

async function perform(lab: Lab): Promise<number> {
  say(PICTURE);
  const network = buildNetwork(lab, {
    machines: [
      { name: 'vm1', addresses: [VM1], gateways: [GATEWAYS.vm1] },
      { name: 'vm2', addresses: [VM2], gateways: [GATEWAYS.vm2] },
    ],
  });
  const daemon = await TestDaemon.start(lab, network.filter, demoConfiguration());
  const { internet } = network;
  const [vm1, vm2] = [hostOf(network, 'vm1'), hostOf(network, 'vm2')];
  const stage: Stage = { daemon, internet, vm1, vm2, openConnection: 0 };
  await startServers(stage);

  const account = new Account();
  for (const scenario of SCENARIOS) {
    // One after another: each attempt meets the state that the ones before have left.
    await attempt(account, scenario, stage);
  }
  say('');
  account.print();
  showDaemon(daemon);
  const how = await daemon.process.stop();
  if (how !== 'exit 0') say(`nsgd ended with ${how}: ${daemon.process.stderr}`);
  const differences = account.differences + (how === 'exit 0' ? 0 : 1);
  say(
    differences === 0
      ? `\nAll ${account.length} attempts ended as expected.`
      : `\n${differences} of ${account.length} attempts differ from what was expected.`,
  );
  return differences;
}

async function attempt(account: Account, scenario: Scenario, stage: Stage): Promise<void> {
  const { what, expected, decidedBy } = scenario;
  let seen: string;
  try {
    seen = await scenario.act(stage);
  } catch (error) {
    seen = (error as Error).message;
  }
  account.add({
    what,
    expected,
    seen,
    expectedRules: decidedBy.length === 0 ? [NO_RULE] : decidedBy.map(([, rule]) => rule),
    rules:
      decidedBy.length === 0 ? [NO_RULE] : decidedBy.map(([tuple]) => decidingRule(stage, tuple)),
  });
}

/** A packet of a flow that exists: rules are not asked. */
const NO_RULE = 'its flow';

/** Asks the running daemon, as an operator would. */
function decidingRule({ daemon }: Stage, tuple: Tuple): string {
  const { direction, protocol, local, remote } = tuple;
  const flow = ['--direction', direction, '--protocol', protocol, '--local', local];
  const { stdout, stderr } = daemon.command(
    'verify',
    '--live',
    ...flow,
    '--remote',
    remote,
    '--output',
    'json',
  );
  try {
    return (JSON.parse(stdout) as { ruleName: string }).ruleName;
  } catch {
    return stderr.trim();
  }
}

function showDaemon(daemon: TestDaemon): void {
  say('\nnsgd rules --hit');
  say(daemon.command('rules', '--hit').stdout.trimEnd());
  say('\nFrom /metrics');
  for (const line of daemon.fetch('/metrics').split('\n').filter(isShown)) say(line);
}

function isShown(line: string): boolean {
  return SHOWN_METRICS.some((name) => line.startsWith(`nsgd_${name}{`)) && !line.endsWith(' 0');
}
