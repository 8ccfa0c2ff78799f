/**
 * A flow tuple in the words of the command line, read and answered: by `nsgd verify` from a file's policy, and by the
 * daemon from the one in force.
 */
import { IpProtocol } from '../src/capture/packet.ts';
import type { NicPolicy, Policy } from '../src/engine/policy.ts';
import { Explainer, type Explanation, type FlowTuple } from '../src/policy/explain.ts';
import { findNic } from './commands/find-nic.ts';
import { quote } from '../src/policy/problem.ts';
import { CommandError, ExitCode } from './exit-code.ts';
import { type Endpoint, parseDirection, parseEndpoint, parseProtocol } from './tuple.ts';

export interface VerifyRequest {
  readonly nic?: string | undefined;
  readonly direction?: string | undefined;
  readonly protocol?: string | undefined;
  readonly local?: string | undefined;
  readonly remote?: string | undefined;
}

export interface VerifyAnswer extends Explanation {
  readonly networkInterface: string;
  /** False: live, the wire drops such packets as spoofed. */
  readonly isLocalAddress: boolean;
}

/** @throws CommandError (2) for what is missing or cannot be read */
export function tupleOfRequest({ direction, protocol, local, remote }: VerifyRequest): FlowTuple {
  if (
    direction === undefined ||
    protocol === undefined ||
    local === undefined ||
    remote === undefined
  ) {
    throw new CommandError(
      ExitCode.Usage,
      'give --direction, --protocol, --local and --remote, or --batch FILE',
    );
  }
  const localEnd = parseEndpoint(local);
  const remoteEnd = parseEndpoint(remote);
  if (typeof localEnd.address !== typeof remoteEnd.address) {
    throw new CommandError(
      ExitCode.Usage,
      '--local and --remote are of different address families',
    );
  }
  const number = parseProtocol(protocol, localEnd.address);
  return {
    direction: parseDirection(direction),
    protocol: number,
    local: localEnd.address,
    localPort: portOf('--local', local, localEnd, number),
    remote: remoteEnd.address,
    remotePort: portOf('--remote', remote, remoteEnd, number),
  };
}

/** 0 where the protocol has no ports. @throws CommandError (2) where it has and none was written */
function portOf(
  option: string,
  text: string,
  { address, port }: Endpoint,
  protocol: number,
): number {
  if (port !== undefined) return port;
  if (protocol !== IpProtocol.Tcp && protocol !== IpProtocol.Udp) return 0;
  const bare = text.replaceAll(/[[\]]/g, '');
  const example = typeof address === 'bigint' ? `[${bare}]:PORT` : `${bare}:PORT`;
  throw new CommandError(
    ExitCode.Usage,
    `${option} ${quote(text)}: TCP and UDP have ports; write ${example}`,
  );
}

/** The NIC that was named, or else the one that has the local address, or else the only one. */
export function chooseNic(policy: Policy, name: string | undefined, tuple?: FlowTuple): NicPolicy {
  if (name !== undefined || tuple === undefined) return findNic(policy, name);
  const owner = policy.nics.find((nic) => new Explainer(policy, nic).hasAddress(tuple.local));
  return owner ?? findNic(policy, undefined);
}

/** @throws CommandError (2) */
export function answerVerify(policy: Policy, request: VerifyRequest): VerifyAnswer {
  const tuple = tupleOfRequest(request);
  const explainer = new Explainer(policy, chooseNic(policy, request.nic, tuple));
  return {
    networkInterface: explainer.nic.name,
    isLocalAddress: explainer.hasAddress(tuple.local),
    ...explainer.explain(tuple),
  };
}

/** For a request that came over the control socket. @throws Error with a message for the operator */
export function liveVerify(policy: Policy, request: unknown): VerifyAnswer {
  if (typeof request !== 'object' || request === null)
    throw new Error('the request is not an object');
  const text = (key: string): string | undefined => {
    const value = (request as Record<string, unknown>)[key];
    if (value !== undefined && typeof value !== 'string') throw new Error(`${key} is not a string`);
    return value;
  };
  return answerVerify(policy, {
    nic: text('nic'),
    direction: text('direction'),
    protocol: text('protocol'),
    local: text('local'),
    remote: text('remote'),
  });
}
