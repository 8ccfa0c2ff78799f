/**
 * A candidate in shadow: what it counts and samples of the traffic that a pipeline judges, that it changes no verdict, and
 * that one with errors is only not watched. And what another policy says of live flows.
 */
import { describe, expect, test } from 'vitest';
import { Candidate, SAMPLES_MAX } from '../../daemon/candidate.ts';
import { EventHub } from '../../daemon/events/hub.ts';
import { NicNames } from '../../daemon/events/nic-names.ts';
import { flowStatuses } from '../../daemon/status.ts';
import { whatIf } from '../../daemon/what-if.ts';
import type { WireView } from '../../daemon/wire-view.ts';
import { loadGood, memoryFiles } from '../helpers/load-text.ts';
import {
  configurationText,
  icmp,
  LOCAL,
  LOCAL6,
  PipelineRig,
  REMOTE,
  REMOTE6,
  type RigPolicy,
  tcp,
  udp,
} from '../helpers/pipeline-rig.ts';

const NOW: RigPolicy = {
  subnet: ['Http 100 Inbound Allow Tcp * * * 80', 'NoDns 100 Outbound Deny Udp * * * 53'],
};
/** Port 8080 in place of 80, DNS to anywhere. */
const NEXT: RigPolicy = { subnet: ['Web 100 Inbound Allow Tcp * * * 8080'] };

/** A rig whose events a candidate hears. */
class Shadow {
  readonly rig = new PipelineRig(NOW);
  readonly candidate: Candidate;
  readonly wire: WireView;
  readonly #hub: EventHub;

  constructor(candidate: Candidate) {
    const nicNames = new NicNames();
    nicNames.update(this.rig.compiled.nics);
    const wire: Partial<WireView> = {
      name: 'w0',
      events: this.rig.events,
      flows: this.rig.flows,
      registry: this.rig.registry,
      nicNames,
    };
    this.wire = wire as WireView;
    this.#hub = new EventHub([this.wire], { monotonic: () => 0, wall: () => 0 });
    this.candidate = candidate;
    this.#hub.add(candidate);
  }

  /** Reason of each frame. */
  traffic(): string[] {
    const { rig } = this;
    const reasons = [
      rig.inbound(tcp(`${REMOTE}:5000`, `${LOCAL}:80`, 'S')),
      rig.outbound(tcp(`${LOCAL}:80`, `${REMOTE}:5000`, 'SA')),
      rig.inbound(tcp(`${REMOTE}:5000`, `${LOCAL}:80`, 'A')),
      rig.inbound(tcp(`[${REMOTE6}]:5001`, `[${LOCAL6}]:8080`, 'S')),
      rig.outbound(udp(`${LOCAL}:4000`, `${REMOTE}:53`)),
      rig.inbound(icmp(REMOTE, LOCAL, 8, 7)),
      rig.inbound({
        ...udp(`${REMOTE}:1`, `${LOCAL}:80`),
        ip: { src: REMOTE, dst: LOCAL, ihl: 4 },
      }),
    ];
    this.#hub.drain();
    return reasons;
  }
}

describe('Candidate', () => {
  const loaded = loadGood(configurationText(NEXT));

  test('counts what both judged and where they disagree', () => {
    const shadow = new Shadow(new Candidate('next.yaml', loaded.policy));
    const alone = new PipelineRig(NOW);
    expect(shadow.traffic()[0]).toBe(alone.inbound(tcp(`${REMOTE}:5000`, `${LOCAL}:80`, 'S')));
    const { samples, ...status } = shadow.candidate.status();
    expect(status).toMatchObject({
      file: 'next.yaml',
      isWatched: true,
      problems: [],
      // The packets of the flow that is open, and the malformed one, are judged by no rule.
      judged: 4,
      wouldDeny: { inbound: 1, outbound: 0 },
      wouldAllow: { inbound: 1, outbound: 1 },
      unknownAddress: 0,
    });
    expect(samples).toMatchObject([
      {
        wire: 'w0',
        networkInterface: 'vm1',
        disagreement: 'would-deny',
        direction: 'Inbound',
        protocol: 'TCP',
        local: `${LOCAL}:80`,
        remote: `${REMOTE}:5000`,
        rules: [{ networkSecurityGroup: 'NSG1', ruleName: 'securityRules/Http' }],
        candidateRules: ['NSG1/defaultSecurityRules/DenyAllInBound'],
      },
      {
        disagreement: 'would-allow',
        local: `[${LOCAL6}]:8080`,
        rules: [{ ruleName: 'defaultSecurityRules/DenyAllInBound' }],
        candidateRules: ['NSG1/securityRules/Web'],
      },
      {
        disagreement: 'would-allow',
        direction: 'Outbound',
        candidateRules: ['NSG1/defaultSecurityRules/AllowInternetOutBound'],
      },
    ]);
  });

  test('the policy in force as its own candidate disagrees about nothing', () => {
    const shadow = new Shadow(new Candidate('now.yaml', loadGood(configurationText(NOW)).policy));
    shadow.traffic();
    expect(shadow.candidate.status()).toMatchObject({
      judged: 4,
      wouldDeny: { inbound: 0, outbound: 0 },
      wouldAllow: { inbound: 0, outbound: 0 },
      samples: [],
    });
  });

  test('an address that the candidate gives to nobody is dropped there', () => {
    const other = loadGood(configurationText({ ...NEXT, addresses: ['10.0.1.99'] })).policy;
    const shadow = new Shadow(new Candidate('other.yaml', other));
    shadow.traffic();
    expect(shadow.candidate.status()).toMatchObject({
      unknownAddress: 4,
      wouldDeny: { inbound: 1, outbound: 0 },
      wouldAllow: { inbound: 0, outbound: 0 },
    });
  });

  test('keeps a bounded number of samples, the latest', () => {
    const shadow = new Shadow(new Candidate('next.yaml', loaded.policy));
    for (let port = 1; port <= SAMPLES_MAX + 5; port++) {
      shadow.rig.inbound(tcp(`${REMOTE}:${1000 + port}`, `${LOCAL}:80`, 'S'));
    }
    shadow.traffic();
    const { samples, wouldDeny } = shadow.candidate.status();
    expect(samples).toHaveLength(SAMPLES_MAX);
    expect(samples.at(-1)).toMatchObject({ direction: 'Outbound' });
    expect(wouldDeny.inbound).toBe(SAMPLES_MAX + 6);
  });

  test.each([
    ['that is not there', 'nowhere.yaml', /there is no such file/],
    ['with an error', 'bad.yaml', /UnknownProperty/],
  ])('a file %s is not watched, and nothing else happens', (_, file, problem) => {
    const now = JSON.parse(configurationText(NOW)) as object;
    const { configuration } = loadGood(JSON.stringify({ ...now, candidate: file }));
    const candidate = Candidate.load(configuration, memoryFiles({ 'bad.yaml': 'color: red\n' }));
    if (candidate === undefined) throw new Error('a candidate, please');
    const shadow = new Shadow(candidate);
    const without = new Shadow(new Candidate('', undefined));
    expect(shadow.traffic()).toEqual(without.traffic());
    expect(candidate.status()).toMatchObject({ isWatched: false, judged: 0, samples: [] });
    expect(candidate.status().problems.join()).toMatch(problem);
  });
});

test('whatIf: the live flows that another policy would not admit, or by another rule', () => {
  const shadow = new Shadow(new Candidate('', undefined));
  shadow.traffic();
  shadow.rig.outbound(tcp(`${LOCAL}:6000`, `${REMOTE}:443`, 'S'));
  const flows = [
    ...flowStatuses([{ ...shadow.wire, page: { clockSeconds: 1000 } } as WireView], 10),
  ];
  expect(flows).toHaveLength(2);
  const next = loadGood(
    configurationText({
      subnet: ['Http 100 Inbound Deny Tcp * * * 80', 'Out 100 Outbound Allow Tcp * * * 443'],
    }),
  ).policy;
  expect(
    whatIf(flows, next).map(({ flow, change, networkInterface, explanation }) => [
      flow.local,
      change,
      networkInterface,
      explanation?.ruleName,
    ]),
  ).toEqual([
    [`${LOCAL}:80`, 'denied', 'vm1', 'securityRules/Http'],
    [`${LOCAL}:6000`, 'rule', 'vm1', 'securityRules/Out'],
  ]);
  const same = loadGood(configurationText(NOW)).policy;
  expect(whatIf(flows, same)).toEqual([]);
  const elsewhere = loadGood(configurationText({ addresses: ['10.0.1.99'] })).policy;
  expect(whatIf(flows, elsewhere).map(({ change }) => change)).toEqual(['interface', 'interface']);
});
