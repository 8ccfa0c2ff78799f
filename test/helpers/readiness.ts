/**
 * Whether a daemon is there, and ready: asked at its control socket, as a probe of an orchestrator would. To start `nsgd status`
 * again and again would keep a processor from the daemon that is starting.
 */
import { callControl } from '../../daemon/control/client.ts';

/** @returns 200 when it is ready, 503 when it is not, undefined when nobody answers */
export async function readiness(socket: string): Promise<number | undefined> {
  try {
    return (await callControl(socket, { method: 'GET', target: '/-/ready' })).status;
  } catch {
    return undefined;
  }
}
